"""Programs that log where the same thread is logging already, or are thrown out of it: handlers, collectors, Ctrl-C."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

import rerund_sdk as rr
from rerund_sdk.batcher import Batcher
from tests.homes import Home, program, wait_until

SECS = 1.0


def test_images_logged_by_a_signal_handler_while_its_thread_logs_images(home: Home) -> None:
    log_images(
        home,
        "def again(): signal.setitimer(signal.ITIMER_REAL, 0.0013)\n"
        "def handler(*_): log('/other'); again()\n"
        "signal.signal(signal.SIGALRM, handler); again()\n"
        "while time.monotonic() < end: log('/main')\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\n",
    )


def test_images_logged_by_what_the_garbage_collector_ends(home: Home) -> None:
    log_images(
        home,
        "class Cycle:\n"
        "    def __init__(self): self.itself = self\n"
        "    def __del__(self): log('/other')\n"
        "gc.set_threshold(50)\n"
        "while time.monotonic() < end: Cycle(); log('/main')\n"
        "gc.set_threshold(0); gc.collect()\n",
    )


def log_images(home: Home, text: str) -> None:
    """Have a program log images at /main until `end`, and at /other in the middle of that: all are to arrive once."""
    home.daemon()
    done = program(
        "import faulthandler, gc, json, signal, time, numpy as np, rerund_sdk as rr\n"
        "faulthandler.dump_traceback_later(25, exit=True)\n"
        "rr.init('app', recording_id='run-1'); rr.connect()\n"
        "image, counts = np.zeros((160, 160, 3), np.uint8), {'/other': 0, '/main': 0}\n"
        "def log(path): rr.log(path, rr.Image(image)); counts[path] += 1\n"
        f"end = time.monotonic() + {SECS}\n"
        f"{text}"
        "assert rr.flush(timeout_sec=20)\n"
        "print(json.dumps(counts))\n"
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert min(counts.values()) > 20
    assert _rows(home) == counts


class Interrupt(BaseException):
    """As KeyboardInterrupt, which pytest takes for its own."""


def interrupt(*_: Any, **__: Any) -> None:
    raise Interrupt


@pytest.mark.parametrize("step", ["queue", "_wake", "_start_thread"])
def test_a_row_whose_call_was_interrupted_is_sent_all_the_same(
    home: Home, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """At each step behind the one that keeps it, by Ctrl-C that the program survives; nobody flushes."""
    home.daemon()
    recording = rr.RecordingStream("app", recording_id="run-1", send_properties=False)
    rr.connect(recording=recording)
    recording.log("/a", rr.Scalars(0))
    assert recording.flush(timeout_sec=20)
    wait_until(lambda: recording._batcher._idle)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(Batcher, step, interrupt)
        with pytest.raises(Interrupt):
            recording.log("/a", rr.Scalars(1))
    wait_until(lambda: home.rows("run-1") == {"/a": [0, 1]})
    recording.log("/a", rr.Scalars(2))
    wait_until(lambda: home.rows("run-1") == {"/a": [0, 1, 2]})
    recording.disconnect()


@pytest.mark.parametrize("has_started", [False, True])
def test_a_first_call_that_is_interrupted_leaves_one_thread_in_the_end(
    home: Home, monkeypatch: pytest.MonkeyPatch, has_started: bool
) -> None:
    home.daemon()
    start = threading.Thread.start

    def interrupted_start(thread: threading.Thread) -> None:
        if thread.name != "rerund batcher":
            return start(thread)
        if has_started:
            start(thread)
        raise Interrupt

    recording = rr.RecordingStream("app", recording_id="run-1", send_properties=False)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(threading.Thread, "start", interrupted_start)
        with pytest.raises(Interrupt):
            recording.log("/a", rr.Scalars(0))
    rr.connect(recording=recording)
    for value in range(1, 1000):
        recording.log("/a", rr.Scalars(value))
    assert recording.flush(timeout_sec=20)
    assert home.rows("run-1") == {"/a": list(range(1000))}
    recording.disconnect()


def _rows(home: Home) -> dict[str, int]:
    rows: dict[str, int] = {}
    for chunk in home.chunks("run-1"):
        if not chunk.entity_path.startswith("/__"):
            rows[chunk.entity_path] = rows.get(chunk.entity_path, 0) + chunk.rows
    return rows
