"""Every way in which programs make processes, by every way in which these end: no row twice, none lost."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import Daemon
from tests.homes import Home

pytestmark = pytest.mark.usefixtures("uncompressed")

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(__file__).parent / "programs"
CELL_SECS = 100
PAUSE_SECS = 1.0  # an event loop that is held up by a daemon, and not by a busy machine, is so for longer

_numbers = itertools.count()


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Home, Daemon]]:
    home = Home()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in home.environment.items():
            environment.setenv(name, value)
        yield home, home.daemon()
        home.end()


def run(program: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, PROGRAMS / program, *words],
        capture_output=True,
        text=True,
        timeout=CELL_SECS,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def count_rows(home: Home, how: str, end: str) -> None:
    recording_id = f"run-{next(_numbers)}"
    expected: dict[str, int] = json.loads(run("workers.py", how, end, recording_id))
    rows = home.rows(recording_id)
    unflushed = {path: rows.pop(path) for path in list(rows) if path.startswith("/unflushed/")}
    assert {path: len(values) for path, values in rows.items()} == expected
    assert all(values == list(range(len(values))) for values in (*rows.values(), *unflushed.values()))


@pytest.mark.parametrize("end", ["return", "exception", "exit", "os._exit", "SIGKILL", "SIGTERM", "handled-SIGTERM"])
@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver", "os.fork"])
@pytest.mark.timeout(CELL_SECS + 20)
def test_processes_that_end(shared: tuple[Home, Daemon], how: str, end: str) -> None:
    count_rows(shared[0], how, end)


@pytest.mark.parametrize(
    "how",
    [
        *("pool-fork", "pool-spawn", "pool-forkserver", "terminated-pool"),
        *("executor-fork", "executor-spawn", "executor-forkserver"),
        *("loky", "loader", "prefork"),
    ],
)
@pytest.mark.timeout(CELL_SECS + 20)
def test_workers_that_are_kept(shared: tuple[Home, Daemon], how: str) -> None:
    count_rows(shared[0], how, "return")


@pytest.mark.timeout(CELL_SECS + 20)
def test_forks_while_threads_hold_every_lock_there_is(shared: tuple[Home, Daemon]) -> None:
    count_rows(shared[0], "storm", "return")


@pytest.mark.timeout(CELL_SECS + 20)
def test_an_event_loop_is_not_held_up_by_logging_even_if_the_daemon_is_frozen(shared: tuple[Home, Daemon]) -> None:
    home, daemon = shared
    recording_id = f"run-{next(_numbers)}"
    longest = float(run("asynchronous.py", recording_id, str(daemon.info.pid)))
    assert longest < PAUSE_SECS
    rows = Counter[str]()
    for chunk in home.chunks(recording_id):
        rows[chunk.entity_path] += chunk.rows
    assert {path: rows[path] for path in ("/0", "/1", "/2", "/image")} == {
        "/0": 400,
        "/1": 400,
        "/2": 400,
        "/image": 60,
    }
