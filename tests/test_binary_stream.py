"""Recordings that are read as bytes while they are logged."""

from __future__ import annotations

import threading
from pathlib import Path

from rerun.chunk import RrdReader

import rerund_sdk as rr
from rerund_sdk.file_sink import FileSink
from rerund_sdk.loading import load


def new_recording() -> rr.RecordingStream:
    return rr.RecordingStream("test_binary_stream", send_properties=False)


def test_each_read_is_a_whole_stream_of_what_is_new(tmp_path: Path) -> None:
    recording = new_recording()
    stream = recording.binary_stream()
    contents = b""
    for value in range(3):
        recording.log("a", rr.Scalars(float(value)))
        part = stream.read()
        assert part is not None
        (tmp_path / "part.rrd").write_bytes(part)
        assert len(RrdReader(tmp_path / "part.rrd").stream().to_chunks()) == 1
        contents += part
    assert stream.read() is None
    assert load(contents).table("a")["Scalars:scalars"].to_pylist() == [[0.0], [1.0], [2.0]]


def test_without_flush_only_what_has_come_is_read() -> None:
    recording = rr.RecordingStream("app", send_properties=False, batcher_config=rr.ChunkBatcherConfig.NEVER())
    stream = recording.binary_stream()
    recording.log("a", rr.Scalars(1.0))
    assert stream.read(flush=False) is None
    assert stream.flush(timeout_sec=30)
    assert stream.read(flush=False) is not None


def test_the_rest_can_be_read_after_the_end() -> None:
    recording = new_recording()
    stream = recording.binary_stream()
    recording.log("a", rr.Scalars(1.0))
    recording.disconnect()
    recording.log("a", rr.Scalars(2.0))
    content = stream.read()
    assert content is not None
    assert load(content).row_count == 1


def test_it_can_stand_beside_other_sinks(tmp_path: Path) -> None:
    recording = new_recording()
    stream = recording.binary_stream()
    recording.set_sinks(stream, FileSink(tmp_path / "a.rrd"))
    recording.log("a", rr.Scalars(1.0))
    content = stream.read()
    recording.disconnect()
    assert content is not None
    assert load(content).row_count == load(tmp_path / "a.rrd").row_count == 1


def test_nothing_is_lost_or_doubled_between_reads_while_others_log() -> None:
    recording = new_recording()
    stream = recording.binary_stream()
    contents: list[bytes] = []

    def log(thread: int) -> None:
        for value in range(500):
            recording.log(f"t{thread}", rr.Scalars(float(value)))

    threads = [threading.Thread(target=log, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        contents.append(stream.read() or b"")
    contents.append(stream.read() or b"")
    recording_read = load(b"".join(contents))
    for thread in range(4):
        values = recording_read.table(f"t{thread}", flatten=True)["Scalars:scalars"].to_pylist()
        assert values == [float(value) for value in range(500)]
