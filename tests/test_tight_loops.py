"""Loops that log without a pause, faster than what they log can be encoded: memory stays bounded, and so do waits."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

import pytest

import rerund_sdk as rr
from rerund_sdk import batcher
from rerund_sdk.batcher import Batcher
from rerund_sdk.file_sink import FileSink
from rerund_sdk.series import Series
from rerund_sdk.sinks import BufferSink, EncodedMessage

PAYLOAD = os.urandom(4000)


def new_recording() -> rr.RecordingStream:
    return rr.RecordingStream("app", send_properties=False)


def most_waiting(recording: rr.RecordingStream, paths: Sequence[str], rows: int) -> int:
    """The most bytes that waited while so many rows were logged."""
    row, most = rr.AnyValues(payload=PAYLOAD), 0
    for number in range(rows):
        recording.log(paths[number % len(paths)], row)
        if number % 1000 == 0:
            most = max(most, sum(map(len, set(recording._batcher._queue))) * len(PAYLOAD))
    return most


@pytest.mark.parametrize("paths", [["a"], [f"part{number}" for number in range(50)]], ids=["one entity", "fifty"])
def test_rows_do_not_pile_up_without_end(paths: Sequence[str]) -> None:
    recording = new_recording()
    recording.set_sinks(FileSink("/dev/null"))
    assert most_waiting(recording, paths, 5 * batcher._WAITING_BYTES // len(PAYLOAD)) < 2 * batcher._WAITING_BYTES
    recording.disconnect()


def test_who_waits_for_a_thread_that_is_held_up_does_not_wait_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[str] = []
    wait = Batcher.wait_for_room

    def counted(self: Batcher, series: Series) -> None:
        waits.append(series.path)
        wait(self, series)

    monkeypatch.setattr(Batcher, "wait_for_room", counted)
    monkeypatch.setattr(batcher, "_WAITING_BYTES", 4 << 20)
    recording, sink = new_recording(), _HeldUp()
    recording.set_sinks(sink)
    row = rr.AnyValues(payload=PAYLOAD)
    for _ in range(100):
        recording.log("a", row)
    recording.flush(level="sent", timeout_sec=0)
    assert sink.is_held.wait(30)
    for _ in range(20_000):
        recording.log("a", row)
    sink.go_on.set()
    assert recording.flush(timeout_sec=30)
    assert 0 < len(waits) < 50
    assert sum(message.entry.rows for message in sink.messages) == 20_100
    recording.disconnect()


class _HeldUp(BufferSink):
    """Does not return from its second `send` before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_held = threading.Event()
        self.go_on = threading.Event()

    def send(self, messages: Sequence[EncodedMessage]) -> None:
        super().send(messages)
        self.is_held.set()
        self.go_on.wait(60)
