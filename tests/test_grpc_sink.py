"""Delivery to stock Rerun servers."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

import rerund_sdk as rr
from rerund_sdk.errors import BadRrd, ModeError
from rerund_sdk.grpc_sink import GrpcSink, parse_url
from tests.daemons import free_port
from tests.homes import Home, chunk_of, is_chunk, messages_of, program, wait_until
from tests.official import RERUN


class Stock:
    """A stock server, and what a stock viewer that saves gets from it."""

    def __init__(self, home: Home) -> None:
        self.port = free_port()
        self.url = f"rerun+http://127.0.0.1:{self.port}/proxy"
        self._file = home.folder / "seen.rrd"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.server = self._run("--serve-grpc", "--bind", "127.0.0.1", "--port", str(self.port))

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(answers)

    def _run(self, *words: str) -> subprocess.Popen[bytes]:
        self._processes.append(subprocess.Popen([RERUN, *words], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
        return self._processes[-1]

    def kill(self) -> None:
        self.server.kill()
        self.server.wait()

    def rows(self, count: int) -> dict[str, list[float]]:
        """The scalars that the server has, once they are `count`."""
        viewer = self._run("--connect", self.url, "--port", "auto", "--bind", "127.0.0.1", "--save", str(self._file))
        try:
            wait_until(lambda: sum(map(len, self._seen().values())) >= count)
            return self._seen()
        finally:
            viewer.kill()
            viewer.wait()

    def _seen(self) -> dict[str, list[float]]:
        rows: dict[str, list[float]] = {}
        try:
            found = [chunk_of(message) for message in messages_of(self._file) if is_chunk(message)]
        except (AssertionError, FileNotFoundError, BadRrd):  # while it is being written
            return {}
        for chunk in found:
            for component in chunk.components:
                if component.descriptor.component == "Scalars:scalars":
                    rows.setdefault(chunk.entity_path, []).extend(component.column.flatten().to_pylist())
        return rows

    def end(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()


@pytest.fixture
def stock(home: Home) -> Iterator[Stock]:
    made = Stock(home)
    yield made
    made.end()


@pytest.fixture
def recording(stock: Stock) -> Iterator[rr.RecordingStream]:
    made = rr.RecordingStream("app", recording_id="run-1")
    rr.connect_grpc(stock.url, recording=made)
    yield made
    made.disconnect()


def log(recording: rr.RecordingStream, path: str, start: int, stop: int) -> None:
    for value in range(start, stop):
        recording.set_time("frame", sequence=value)
        recording.log(path, rr.Scalars(value))


def told_so_far(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return caplog.get_records("setup") + caplog.get_records("call")


def test_a_stock_server_gets_every_row(stock: Stock, recording: rr.RecordingStream) -> None:
    stock.start()
    log(recording, "/a", 0, 1000)
    assert recording.flush(timeout_sec=30)
    log(recording, "/b", 0, 10)
    assert recording.flush(timeout_sec=30)
    assert stock.rows(1010) == {"/a": list(range(1000)), "/b": list(range(10))}


def test_rows_wait_for_a_server_that_comes_later(
    stock: Stock, recording: rr.RecordingStream, caplog: pytest.LogCaptureFixture
) -> None:
    log(recording, "/a", 0, 100)
    assert not recording.flush(timeout_sec=0.5)
    wait_until(lambda: any("no Rerun viewer answers" in told.message for told in told_so_far(caplog)))
    stock.start()
    assert recording.flush(timeout_sec=30)
    assert stock.rows(100) == {"/a": list(range(100))}


def test_what_a_killed_server_did_not_acknowledge_the_next_one_gets(
    stock: Stock, recording: rr.RecordingStream
) -> None:
    stock.start()
    log(recording, "/a", 0, 100)
    assert recording.flush(timeout_sec=30)
    stock.kill()
    log(recording, "/b", 0, 100)
    assert not recording.flush(timeout_sec=0.5)
    stock.start()
    assert recording.flush(timeout_sec=30)
    log(recording, "/c", 0, 1)
    assert recording.flush(timeout_sec=30)
    assert stock.rows(101) == {"/b": list(range(100)), "/c": [0]}


def test_rows_arrive_without_a_flush(stock: Stock, recording: rr.RecordingStream) -> None:
    stock.start()
    log(recording, "/a", 0, 10)
    assert stock.rows(10) == {"/a": list(range(10))}
    [sink] = recording.sinks
    assert isinstance(sink, GrpcSink)
    wait_until(lambda: sink.status.undelivered_messages == 0)


def test_a_frozen_server_holds_up_neither_log_nor_the_end(stock: Stock, recording: rr.RecordingStream) -> None:
    stock.start()
    recording.log("/a", rr.Scalars(1))
    assert recording.flush(timeout_sec=30)
    stock.server.send_signal(signal.SIGSTOP)
    image = os.urandom(300_000).hex()
    longest = 0.0
    for _ in range(100):
        started = time.monotonic()
        recording.log("/text", rr.TextLog(image))
        longest = max(longest, time.monotonic() - started)
    assert longest < 0.5
    started = time.monotonic()
    recording.disconnect()
    assert time.monotonic() - started < 6


def test_a_forked_child_delivers_over_a_connection_of_its_own(stock: Stock) -> None:
    stock.start()
    done = program(
        "import os, sys, rerund_sdk as rr\n"
        "rr.init('app', recording_id='run-1'); rr.connect_grpc(sys.argv[1])\n"
        "for n in range(10): rr.log('/parent', rr.Scalars(n))\n"
        "rr.flush(timeout_sec=20)\n"
        "if os.fork() == 0:\n"
        "    for n in range(10): rr.log('/child', rr.Scalars(n))\n"
        "    sys.exit(0 if rr.flush(timeout_sec=20) else 5)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))\n",
        stock.url,
    )
    assert done.returncode == 0, done.stderr
    assert stock.rows(20) == {"/parent": list(range(10)), "/child": list(range(10))}


def test_children_forked_while_threads_log_deliver_all_and_so_does_the_parent(home: Home) -> None:
    daemon = home.daemon()  # as a server, that says what it has
    done = program(
        "import os, sys, threading, rerund_sdk as rr\n"
        "rr.init('app', recording_id='run-1'); rr.set_sinks(rr.GrpcSink(sys.argv[1]))\n"
        "def work():\n"
        "    for n in range(1000): rr.log('/parent', rr.Scalars(n))\n"
        "threads = [threading.Thread(target=work) for _ in range(2)]\n"
        "for thread in threads: thread.start()\n"
        "children = []\n"
        "for number in range(5):\n"
        "    if not (child := os.fork()):\n"
        "        for n in range(100): rr.log(f'/child/{number}', rr.Scalars(n))\n"
        "        sys.exit(0 if rr.flush(timeout_sec=30) else 5)\n"
        "    children.append(child)\n"
        "for thread in threads: thread.join()\n"
        "codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]\n"
        "sys.exit(max(codes, key=abs) or (0 if rr.flush(timeout_sec=30) else 6))\n",
        daemon.info.grpc,
    )
    assert done.returncode == 0, done.stderr
    rows = home.rows("run-1")
    assert sorted(rows.pop("/parent")) == sorted([*range(1000), *range(1000)])
    assert rows == {f"/child/{number}": list(range(100)) for number in range(5)}


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("rerun+http://127.0.0.1/proxy", ("127.0.0.1", 9876, False)),
        ("rerun+http://robot7/proxy", ("robot7", 80, False)),
        ("rerun+https://robot7/proxy", ("robot7", 443, True)),
        ("rerun://robot7:5/proxy", ("robot7", 5, True)),
        ("rerun+http://[::1]:5/proxy", ("::1", 5, False)),
    ],
)
def test_rerun_urls(url: str, target: tuple[str, int, bool]) -> None:
    assert parse_url(url) == target


@pytest.mark.parametrize(
    "url", ["http://h:1/proxy", "rerun+http://h:1", "rerun+http://:1/proxy", "rerun+http://h:x/proxy"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ModeError, match=r"rerun\+http://HOST:PORT/proxy"):
        GrpcSink(url)
