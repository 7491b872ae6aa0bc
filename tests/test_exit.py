"""The end of a program takes little time whatever its daemon does, and what was not delivered is on disk then."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pytest

import rerund_sdk as rr
from rerund_sdk import patience
from rerund_sdk.spill import SpillQueue
from tests.homes import Home, chunk_of, is_chunk, messages_of, program, wait_until

pytestmark = pytest.mark.usefixtures("uncompressed")

# The promise is 2 s (endings.CLOSE_SECS). Twice that is asserted, as the machine may be busy with other tests; what is
# to be found is an end that waits for somebody: such waits never end, or add up over recordings.
LONGEST_SECS = 4.0

LOG_AND_END = """
import sys, time
import numpy as np
import rerund_sdk as rr

endpoint, recordings, images = sys.argv[1] or None, int(sys.argv[2]), int(sys.argv[3])
streams = [rr.RecordingStream("app", recording_id=f"run-{number}") for number in range(recordings)]
for stream in streams:
    stream.connect(endpoint)
for value in range(100):
    for number, stream in enumerate(streams):
        stream.log(f"/numbers/{number}", rr.Scalars(value))
for value in range(images):
    streams[0].log("/image", rr.Tensor(np.full((1024, 1024), value, np.uint8)))
    streams[0].flush(level="sent", timeout_sec=30)
streams[-1].flush(timeout_sec=0.5)
print(time.monotonic(), flush=True)
"""


@contextlib.contextmanager
def no_daemon(_home: Home) -> Iterator[str]:
    yield ""


@contextlib.contextmanager
def frozen_daemon(home: Home) -> Iterator[str]:
    daemon = home.daemon()
    with rr.RecordingStream("app", recording_id="run-0") as stream:
        stream.connect()
        assert stream.flush(timeout_sec=30)
    daemon.signal(signal.SIGSTOP)
    yield ""
    daemon.kill()


@contextlib.contextmanager
def daemon_with_a_full_disk(home: Home) -> Iterator[str]:
    daemon = home.daemon("--min-free=99%")
    yield ""
    daemon.kill()


@contextlib.contextmanager
def dead_host(_home: Home) -> Iterator[str]:
    """The kernel makes the connection, and nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def dead_viewer(home: Home) -> Iterator[str]:
    """Likewise, where a Rerun viewer should be."""
    with dead_host(home) as endpoint:
        yield endpoint.replace("tcp", "rerun+http") + "/proxy"


Situation = Callable[[Home], contextlib.AbstractContextManager[str]]


@pytest.mark.parametrize(
    "situation",
    [no_daemon, frozen_daemon, daemon_with_a_full_disk, dead_host, dead_viewer],
    ids=lambda each: each.__name__,
)
def test_the_end_takes_little_time_and_leaves_every_row_on_disk(home: Home, situation: Situation) -> None:
    recordings, images = 8, 64  # of 1 MiB each
    with situation(home) as endpoint:
        process = subprocess.Popen(
            [sys.executable, "-c", LOG_AND_END, endpoint, str(recordings), str(images)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, said = process.communicate(timeout=50)
        took = time.monotonic() - float(out)
    assert process.returncode == 0, said
    assert took < LONGEST_SECS, said
    assert "messages: they are kept in" in said and "lost" not in said
    expected = {f"/numbers/{number}": 100 for number in range(recordings)} | {"/image": images}
    assert rows_in(message for path in home.spilled() for message in messages_of(path)) == expected
    home.daemon("--fsync=always")  # the collector waits for the disk after each recording
    wait_until(lambda: not home.spilled())
    assert rows_in(message for number in range(recordings) for message in home.messages(f"run-{number}")) == expected


def rows_in(messages: Iterable[bytes]) -> dict[str, int]:
    """How many each entity has; properties are left out."""
    rows: Counter[str] = Counter()
    for message in messages:
        if is_chunk(message) and not (chunk := chunk_of(message)).entity_path.startswith("/__"):
            rows[chunk.entity_path] += chunk.rows
    return dict(rows)


FREEZE_AT_THE_END = """
import os, sys, time
import rerund_sdk as rr
from rerund_sdk.spiller import Spiller

rr.init("app", recording_id="run")
rr.connect()
for value in range(1000):
    rr.log("/a", rr.Scalars(value))
leave = Spiller._leave_rest
def leave_after_a_freeze(self):
    print("leaving", flush=True)
    sys.stdin.readline()
    leave(self)
Spiller._leave_rest = leave_after_a_freeze
"""


def test_a_program_that_is_stopped_while_it_ends_leaves_its_rows_when_it_goes_on(home: Home) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", FREEZE_AT_THE_END], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "leaving\n"
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    time.sleep(2.5)  # longer than anything that waits at an end by the clock
    process.stdin.write("\n")
    process.stdin.flush()
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=50)
    assert rows_in(message for path in home.spilled() for message in messages_of(path)) == {"/a": 1000}


@pytest.mark.usefixtures("home")
def test_a_disk_that_goes_on_slowly_is_waited_for_and_one_that_does_not_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = SpillQueue.append
    stuck = threading.Event()

    def write_slowly(self: SpillQueue, batch: list[object]) -> None:
        time.sleep(0.3)
        write(self, batch)  # type: ignore[arg-type]

    def write_never(_self: SpillQueue, _batch: list[object]) -> None:
        stuck.wait()

    monkeypatch.setattr(SpillQueue, "append", write_slowly)
    stream = rr.RecordingStream("app", recording_id="slow")
    stream.connect()
    for _ in range(6):
        stream.log("/a", rr.AnyValues(data=os.urandom(5 << 20)))
    stream.disconnect()
    assert "they are kept in" in caplog.text and "lost" not in caplog.text
    monkeypatch.setattr(SpillQueue, "append", write_never)
    stream = rr.RecordingStream("app", recording_id="stuck")
    stream.connect()
    stream.log("/a", rr.Scalars(1))
    began = time.monotonic()
    stream.disconnect()
    assert time.monotonic() - began < 2 * LONGEST_SECS
    assert "messages, and they could not be kept on disk: what did not arrive is lost" in caplog.text
    stuck.set()


def test_a_pause_of_the_whole_process_is_one_step_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    steps: list[float] = []
    monkeypatch.setattr(thread, "join", lambda secs: (steps.append(secs), time.sleep(0.2)))
    assert not patience.join(thread, 0.5)
    assert sum(steps) < 0.6  # of 2 s and more by the clock
    ended.set()


def test_what_is_logged_after_the_recording_was_closed_is_lost_with_a_word(home: Home) -> None:
    home.daemon()
    done = program(
        "import atexit\n"
        "def late(): [rr.log('/late', rr.Scalars(n)) for n in range(3)]; print(repr(rr.flush(timeout_sec=5).reached))\n"
        "atexit.register(late)\n"
        "import rerund_sdk as rr\n"
        "rr.init('app', recording_id='run-1'); rr.connect(); rr.log('/a', rr.Scalars(1))\n"
        "atexit.register(lambda: rr.log('/in_time', rr.Scalars(1)))\n"
    )
    assert done.returncode == 0 and done.stdout == "''\n"
    assert done.stderr.count("what is logged to /late comes after recording run-1 was closed, and is lost") == 1
    assert home.rows("run-1") == {"/a": [1], "/in_time": [1]}
