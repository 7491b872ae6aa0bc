"""LZ4 where it pays: what is compressed, what is not, and that nobody sees a difference but in the size."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import rerund_sdk as rr
from rerund_sdk import compression, messages
from rerund_sdk.archetype import Archetype
from rerund_sdk.batcher_config import BatcherConfig
from rerund_sdk.chunk import ChunkEncoder
from rerund_sdk.chunk_reader import Chunk, parse_arrow_msg, read_chunk
from rerund_sdk.compression import Compressor, Policy
from rerund_sdk.daemon_sink import DaemonSink
from rerund_sdk.errors import BadData
from rerund_sdk.grpc_sink import GrpcSink
from rerund_sdk.loading import load
from rerund_sdk.rrd import MESSAGE_HEADER_SIZE
from rerund_sdk.series import Rows, Series
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.time import SEQUENCE, Timelines
from tests.daemons import Daemon
from tests.official import RERUN

RANDOM = np.random.default_rng(0)
SHRINKS = np.kron(np.arange(24, dtype=np.uint8).reshape(4, 6) % 7, np.ones((60, 80), np.uint8))  # a segmentation
STAYS = RANDOM.integers(0, 256, (240, 320, 3), np.uint8)  # a noisy camera
HARDLY = np.round(RANDOM.uniform(size=(10_000, 3)), 1).astype(np.float32)  # a radar that sees decimetres
WRITER = messages.ArrowMsgWriter(messages.store_id("app", "recording"))


def message_of(archetype: Archetype, path: str = "/a") -> EncodedMessage:
    series = Series(path, Timelines.of({"frame": SEQUENCE}), archetype._fields)
    return ChunkEncoder(WRITER).encode_series(Rows(series, [1, 0, *archetype._cells], 1), log_time=False)


def chunk_of(message: EncodedMessage) -> Chunk:
    return read_chunk(parse_arrow_msg(b"".join(message.data)[MESSAGE_HEADER_SIZE:]))


def saved(path: Path, policy: Policy) -> int:
    """The size of a file into which all kinds were logged."""
    config = rr.ChunkBatcherConfig(compression=policy)
    recording = rr.RecordingStream("app", recording_id="run", send_properties=False, batcher_config=config)
    recording.save(path)
    for frame in range(20):
        recording.set_time("frame", sequence=frame)
        recording.log("seen", rr.SegmentationImage(np.roll(SHRINKS, frame)))
        recording.log("camera", rr.Image(np.roll(STAYS, frame)))
        recording.log("log", rr.TextLog(f"step {frame} done"))
        recording.flush()
    recording.send_columns(
        "column", [rr.TimeColumn("frame", sequence=range(20_000))], rr.Scalars.columns(scalars=np.zeros(20_000))
    )
    recording.disconnect()
    return path.stat().st_size


def contents(path: Path) -> dict[str, list[dict[str, object]]]:
    recording = load(path)
    return {
        entity: [
            {name: value for name, value in row.items() if name not in ("rerun.controls.RowId", "log_time")}
            for row in recording.table(entity).to_pylist()
        ]
        for entity in ("seen", "camera", "log", "column")
    }


def test_files_have_the_same_in_fewer_bytes_for_all_readers(tmp_path: Path) -> None:
    sizes = {policy: saved(tmp_path / f"{policy}.rrd", policy) for policy in compression.POLICIES}
    images, masks, column = 20 * STAYS.nbytes, 20 * SHRINKS.nbytes, 20_000 * 44
    assert sizes["none"] > images + masks + column
    assert sizes["auto"] < images + masks / 4 + column
    assert sizes["lz4"] < sizes["auto"]
    expected = contents(tmp_path / "none.rrd")
    for policy in ("auto", "lz4"):
        assert contents(tmp_path / f"{policy}.rrd") == expected
        verified = subprocess.run([RERUN, "rrd", "verify", tmp_path / f"{policy}.rrd"], capture_output=True, text=True)
        assert verified.returncode == 0, verified.stderr


def test_the_daemon_and_its_readers_take_it(daemon: Daemon, tmp_path: Path) -> None:
    config = rr.ChunkBatcherConfig(compression="lz4")
    recording = rr.RecordingStream("app", recording_id="run", send_properties=False, batcher_config=config)
    recording.connect(daemon.ingest)
    for frame in range(5):
        recording.log("seen", rr.SegmentationImage(np.roll(SHRINKS, frame)))
    assert recording.flush()
    recording.save(tmp_path / "saved.rrd")
    recording.disconnect()
    buffers = load(tmp_path / "saved.rrd").table("seen")["SegmentationImage:buffer"].to_pylist()
    assert [bytes(cell[0]) for cell in buffers] == [np.roll(SHRINKS, frame).tobytes() for frame in range(5)]
    assert (tmp_path / "saved.rrd").stat().st_size < SHRINKS.nbytes


def test_what_shrinks_is_always_compressed_and_what_does_not_is_tried_ever_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trials = []
    part_left = compression._part_left
    monkeypatch.setattr(compression, "_part_left", lambda data: trials.append(len(data)) or part_left(data))
    compressor = Compressor(WRITER, "auto", is_far=False)
    masks = [message_of(rr.SegmentationImage(SHRINKS), "/mask") for _ in range(100)]
    smaller = compressor.compressed(masks)
    assert all(each.entry.size < SHRINKS.nbytes / 4 for each in smaller)
    assert len(trials) == 1
    trials.clear()
    image = message_of(rr.Image(STAYS), "/image")
    assert compressor.compressed([image] * 3000) == [image] * 3000
    assert 8 < len(trials) < 24
    assert max(trials) < STAYS.nbytes / 10


def test_an_entity_that_begins_to_shrink_is_found_out_and_one_that_ceases_is_left_as_it_is() -> None:
    compressor = Compressor(WRITER, "auto", is_far=False)
    mask, image = message_of(rr.SegmentationImage(SHRINKS)), message_of(rr.Image(STAYS))
    compressor.compressed([image] * 1000)
    assert any(each is not mask for each in compressor.compressed([mask] * 256))
    assert compressor.compressed([mask])[0].entry.size < mask.entry.size / 4
    assert compressor.compressed([image])[0] is image


def test_on_the_way_to_another_machine_less_is_enough() -> None:
    cloud = message_of(rr.Points3D(HARDLY))
    assert Compressor(WRITER, "auto", is_far=False).compressed([cloud])[0] is cloud
    [sent] = Compressor(WRITER, "auto", is_far=True).compressed([cloud])
    assert sent.entry.size < cloud.entry.size * 3 / 4
    image = message_of(rr.Image(STAYS))
    assert Compressor(WRITER, "auto", is_far=True).compressed([image])[0] is image


@pytest.mark.parametrize(
    ("sink", "is_far"),
    [
        (DaemonSink("ipc:///tmp/no-such/ingest"), False),
        (DaemonSink("tcp://127.0.0.1:9000"), False),
        (DaemonSink("tcp://localhost:9000"), False),
        (DaemonSink("tcp://[::1]:9000"), False),
        (DaemonSink("tcp://robot.local:9000"), True),
        (DaemonSink("tcp://192.168.1.7:9000"), True),
        (GrpcSink(), False),
        (GrpcSink("rerun+http://robot:9876/proxy"), True),
    ],
)
def test_addresses_tell_what_is_another_machine(sink: DaemonSink, is_far: bool) -> None:
    assert sink.is_far == is_far


def test_a_message_keeps_its_id_and_is_never_compressed_twice() -> None:
    whole = message_of(rr.SegmentationImage(SHRINKS))
    [once] = Compressor(WRITER, "lz4", is_far=False).compressed([whole])
    [again] = Compressor(WRITER, "lz4", is_far=False).compressed([once])
    assert again is once
    assert once.entry == whole.entry._replace(size=once.entry.size)
    assert sum(map(len, once.data)) == once.entry.size
    assert chunk_of(once).batch.equals(chunk_of(whole).batch)


def test_only_what_becomes_smaller_is_changed() -> None:
    image = message_of(rr.Image(STAYS))
    assert Compressor(WRITER, "lz4", is_far=True).compressed([image])[0] is image
    mask = message_of(rr.SegmentationImage(SHRINKS))
    assert Compressor(WRITER, "none", is_far=True).compressed([mask]) == [mask]


def test_the_environment_and_the_option_say_which(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert BatcherConfig.from_environment().compression == "auto"
    monkeypatch.setenv("RERUND_COMPRESSION", "LZ4")
    assert BatcherConfig.from_environment().compression == "lz4"
    monkeypatch.setenv("RERUND_COMPRESSION", "zstd")
    assert BatcherConfig.from_environment().compression == "auto"
    assert "RERUND_COMPRESSION='zstd' is not understood" in caplog.text
    with pytest.raises(BadData, match="compression='zstd' must be one of auto, lz4, none"):
        rr.ChunkBatcherConfig(compression="zstd")  # type: ignore[arg-type]
