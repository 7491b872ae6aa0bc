"""Recordings kept in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from rerun.chunk import RrdReader

import rerund_sdk as rr
from rerund_sdk.errors import ModeError
from rerund_sdk.loading import load


def new_recording() -> rr.RecordingStream:
    return rr.RecordingStream("test_memory", send_properties=False)


def test_what_is_drained_is_a_whole_stream(tmp_path: Path) -> None:
    recording = new_recording()
    recording.log("before", rr.Scalars(1.0))
    memory = recording.memory_recording()
    recording.log("after", rr.Scalars(2.0))
    assert memory.num_msgs() == 3  # the store info, and a chunk for each entity
    content = memory.drain_as_bytes()
    assert load(content).entities == ("/after", "/before")
    (tmp_path / "a.rrd").write_bytes(content)
    assert len(RrdReader(tmp_path / "a.rrd").stream().to_chunks()) == 2


def test_draining_empties_it() -> None:
    recording = new_recording()
    memory = recording.memory_recording()
    recording.log("a", rr.Scalars(1.0))
    first = memory.drain_as_bytes()
    assert memory.num_msgs() == 0
    assert len(memory.drain_as_bytes()) == 60  # header, End and footer, as of the official SDK
    recording.log("a", rr.Scalars(2.0))
    assert load(first + memory.drain_as_bytes()).table("a")["Scalars:scalars"].to_pylist() == [[1.0], [2.0]]


def test_the_next_mode_takes_over_what_is_in_memory(tmp_path: Path) -> None:
    recording = new_recording()
    memory = recording.memory_recording()
    recording.log("a", rr.Scalars(1.0))
    assert memory.num_msgs() == 2
    recording.save(tmp_path / "a.rrd")
    recording.disconnect()
    assert load(tmp_path / "a.rrd").row_count == 1


def test_without_a_recording_it_is_an_error() -> None:
    rr.set_global_data_recording(None)
    with pytest.raises(ModeError, match="there is no recording to read from"):
        rr.memory_recording()
