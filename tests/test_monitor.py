"""This machine's health, as `rerund monitor` logs it."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

import rerund_sdk as rr
from rerund.monitor import Monitor, description
from tests.commands import Commands
from tests.daemons import fresh_folder


@pytest.fixture
def rerund() -> Iterator[Commands]:
    commands = Commands(fresh_folder())
    yield commands
    commands.end()
    shutil.rmtree(commands.folder, ignore_errors=True)


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    with rr.RecordingStream("monitor_test"):
        yield Monitor()


def test_readings_are_this_machines(monitor: Monitor) -> None:
    spin_until = time.process_time() + 0.2
    while time.process_time() < spin_until:
        pass
    read = monitor.read()
    assert len(read["cpu"]) == psutil.cpu_count()
    assert 0 < max(read["cpu"].values()) <= 100
    assert read["memory"]["memory (%)"] == pytest.approx(psutil.virtual_memory().percent, abs=10)


def test_rates_never_fall_below_zero(monitor: Monitor) -> None:
    for subject in ("disk", "network"):
        assert all(rate >= 0 for rate in monitor.read().get(subject, {}).values())


def test_the_description_names_the_machine() -> None:
    assert f"{psutil.cpu_count()} CPU cores" in description()


@pytest.mark.timeout(120)
def test_monitor_logs_until_it_is_ended(rerund: Commands) -> None:
    from rerun.chunk import RrdReader

    file = rerund.folder / "machine.rrd"
    process = rerund.start("monitor", "--hz", "20", "--path", "/robot/machine", "--headless", "--save", str(file))
    while not file.exists() or file.stat().st_size < 4000:
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0
    paths = {chunk.entity_path for chunk in RrdReader(file).stream().to_chunks()}
    assert {"/robot/machine/cpu", "/robot/machine/memory", "/robot/machine/info"} <= paths
