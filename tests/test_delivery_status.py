"""A program is told whether its daemon has what it logs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

import rerund_sdk as rr
from tests.daemons import Daemon
from tests.homes import program, wait_until


@pytest.fixture
def recording() -> Iterator[rr.RecordingStream]:
    made = rr.RecordingStream("app", recording_id="run")
    yield made
    made.disconnect()


def test_a_callback_is_told_of_every_connection_made_and_broken(daemon: Daemon, recording: rr.RecordingStream) -> None:
    told: list[rr.DeliveryStatus] = []
    threads: set[str] = set()

    def callback(status: rr.DeliveryStatus) -> None:
        told.append(status)
        threads.add(threading.current_thread().name)

    end = recording.on_connection_change(callback)
    recording.connect()
    wait_until(lambda: [each.connected for each in told] == [True])
    daemon.kill()
    wait_until(lambda: [each.connected for each in told] == [True, False])
    recording.log("/a", rr.Scalars(1))
    assert not recording.flush(timeout_sec=0.2)
    daemon.start()
    assert recording.flush(timeout_sec=30)
    wait_until(lambda: [each.connected for each in told] == [True, False, True])
    assert {each.endpoint for each in told} == {daemon.ingest}
    assert threads == {"rerund callbacks"}
    end()
    recording.disconnect()
    recording.connect()
    wait_until(lambda: recording.status() and recording.status()[0].connected)
    assert len(told) == 3


def test_a_callback_begins_with_how_it_stands(daemon: Daemon, recording: rr.RecordingStream) -> None:
    recording.connect()
    assert recording.flush(timeout_sec=30)
    told: list[rr.DeliveryStatus] = []
    rr.on_connection_change(told.append, recording=recording)
    wait_until(lambda: told == [rr.DeliveryStatus(daemon.ingest, True, 0, 0, 0, 0)])
    other: list[rr.DeliveryStatus] = []
    rr.on_connection_change(other.append, recording=rr.RecordingStream("app", recording_id="other"))
    recording.disconnect()
    wait_until(lambda: len(told) == 2)
    assert not told[1].connected and other == []


def test_a_callback_that_fails_or_takes_long_is_told_on_and_holds_nobody_up(
    daemon: Daemon, recording: rr.RecordingStream, caplog: pytest.LogCaptureFixture
) -> None:
    may_go_on = threading.Event()
    calls: list[bool] = []

    def fail(status: rr.DeliveryStatus) -> None:
        calls.append(status.connected)
        may_go_on.wait()
        raise ValueError("no")

    with caplog.at_level(logging.ERROR, "rerund_sdk"):
        recording.on_connection_change(fail)
        recording.connect()
        recording.log("/a", rr.Scalars(1))
        assert recording.flush(timeout_sec=30)
        wait_until(lambda: calls)
        daemon.restart()
        recording.log("/a", rr.Scalars(2))
        assert recording.flush(timeout_sec=30)
        may_go_on.set()
        wait_until(lambda: calls == [True, False, True])
        recording.disconnect()
        wait_until(lambda: len(calls) == 4)
    assert caplog.text.count("a callback of on_connection_change failed") == 1


@pytest.mark.usefixtures("home")
def test_the_status_says_what_is_kept_while_no_daemon_is_there(recording: rr.RecordingStream) -> None:
    assert recording.status() == ()
    recording.connect()
    recording.log("/a", rr.Scalars(1))
    assert recording.flush(level="sent")
    [status] = recording.status()
    assert not status.connected and status.undelivered_messages > 0 and status.memory_bytes > 0


@pytest.mark.usefixtures("daemon")
def test_a_forked_child_is_told_of_its_own_connection() -> None:
    done = program(
        "import os, sys, threading, rerund_sdk as rr\n"
        "connected = threading.Semaphore(0)\n"
        "rr.init('app', recording_id='run'); rr.connect()\n"
        "rr.on_connection_change(lambda status: connected.release() if status.connected else None)\n"
        "assert connected.acquire(timeout=20)\n"
        "if os.fork() == 0:\n"
        "    rr.log('/child', rr.Scalars(1))\n"
        "    sys.exit(0 if connected.acquire(timeout=20) else 5)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    assert done.returncode == 0, done.stderr


def test_without_a_recording_there_is_nothing_to_tell() -> None:
    assert rr.status() == ()
    with pytest.warns(match="on_connection_change has no effect: there is no current recording"):
        rr.on_connection_change(print)()
