"""The ping to the service manager: it comes from the thread that takes data in, and from nowhere else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import Daemon, fresh_folder
from tests.homes import wait_until
from tests.raw_producer import RawProducer, chunk

# A daemon whose disk does not answer once the file is there: writing to the log hangs, all else goes on.
STUCK = """
import sys, time
from pathlib import Path
from rerund.cli import main
from rerund.recording import Recording

append = Recording.append
def hang(*args):
    while Path(sys.argv[1]).exists():
        time.sleep(0.05)
    return append(*args)
Recording.append = hang
sys.exit(main(sys.argv[2:]))
"""


class Manager:
    """The service manager's side of sd_notify."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.address = f"\0rerund-watchdog-{os.urandom(8).hex()}"
        self._socket.bind(self.address)
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def count(self, word: str) -> int:
        """How often it has said so."""
        try:
            while True:
                self.heard += self._socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            return self.heard.count(word)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    made = Manager()
    yield made
    made.close()


@pytest.fixture
def started(manager: Manager) -> Iterator[Daemon]:
    daemon = Daemon(fresh_folder())
    stuck = str(daemon.folder / "stuck")
    variables = {"NOTIFY_SOCKET": f"@{manager.address[1:]}", "WATCHDOG_USEC": "60000000"}
    with daemon.log.open("ab") as log:
        daemon.process = subprocess.Popen(
            [sys.executable, "-c", STUCK, stuck, "run", "--grpc-port=0", "--http-port=0"],
            env={**daemon.env, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    wait_until(lambda: manager.count("READY=1"))
    yield daemon
    daemon.end()


def test_a_daemon_that_takes_data_in_pings(started: Daemon, manager: Manager) -> None:
    wait_until(lambda: manager.count("WATCHDOG=1") >= 3)
    assert started.stop() == 0
    assert manager.count("STOPPING=1") == 1


def test_an_intake_that_hangs_pings_no_more_though_all_else_answers(started: Daemon, manager: Manager) -> None:
    wait_until(lambda: manager.count("WATCHDOG=1") >= 2)
    stuck = Path(started.folder / "stuck")
    with RawProducer(started.ingest) as producer:
        stuck.touch()
        seq = producer.append(chunk("run", "/a", [1.0], [1]))
        time.sleep(0.5)  # for it to arrive
        before = manager.count("WATCHDOG=1")
        time.sleep(6)  # three pings long
        assert manager.count("WATCHDOG=1") == before
        assert started.status()["pid"] == started.info.pid
        stuck.unlink()
        producer.wait_written(seq)
        wait_until(lambda: manager.count("WATCHDOG=1") > before)


def test_without_a_watchdog_nothing_is_pinged(daemon: Daemon) -> None:
    assert daemon.process is not None
    environ = Path(f"/proc/{daemon.process.pid}/environ").read_bytes()
    assert b"NOTIFY_SOCKET" in environ and b"WATCHDOG_USEC" not in environ
    assert "WATCHDOG" not in daemon.said()
