"""Manifests and footers, against those that the official SDK writes."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import rerun
import rerun.blueprint
from rerun.chunk import RrdReader

from rerund_sdk import footer, messages, rrd
from rerund_sdk.errors import BadRrd
from tests.official import RERUN


def manifests(path: Path) -> dict[bytes, tuple[pa.Schema, pa.Table]]:
    """Store id -> (schema of the recording sorted by name, rows of the manifest)."""
    data = path.read_bytes()
    start, length = struct.unpack_from("<QQ", data, len(data) - footer.STREAM_FOOTER_SIZE)
    found = {}
    for manifest in messages.message_class("RrdFooter").FromString(data[start : start + length]).manifests:
        payload = manifest.data.payload
        if manifest.data.compression == messages.COMPRESSION_LZ4:
            payload = pa.decompress(payload, manifest.data.uncompressed_size, "lz4_raw")
        schema = pa.ipc.read_schema(pa.py_buffer(manifest.sorbet_schema.arrow_schema))
        by_name = pa.schema(sorted(schema, key=lambda field: field.name))
        found[manifest.store_id.SerializeToString()] = by_name, pa.ipc.open_stream(payload).read_all()
    return found


def without_footer(path: Path, copy: Path) -> Path:
    data = path.read_bytes()
    start, _ = struct.unpack_from("<QQ", data, len(data) - footer.STREAM_FOOTER_SIZE)
    copy.write_bytes(data[: start - rrd.MESSAGE_HEADER_SIZE])
    return copy


def several_entities(recording: rerun.RecordingStream) -> None:
    random = np.random.default_rng(0)
    for i in range(100):
        recording.set_time("frame", sequence=i)
        recording.set_time("t", duration=i * 0.1)
        recording.log("a/b", rerun.Scalars(i * 0.5))
        recording.log("points", rerun.Points3D(random.random((10, 3)), colors=[1, 2, 3] if i % 3 else None))
        if i == 50:
            recording.flush()
            recording.disable_timeline("t")
    recording.log("note", rerun.TextLog("hi"), static=True)
    recording.log("any", rerun.AnyValues(foo=1, bar=["x"]))
    recording.log("gone", rerun.Clear(recursive=True))


def blueprint(recording: rerun.RecordingStream) -> None:
    recording.log("a", rerun.Scalars(1.0))
    recording.send_blueprint(rerun.blueprint.Blueprint(rerun.blueprint.TimeSeriesView()))


def empty_and_sparse(recording: rerun.RecordingStream) -> None:
    recording.set_time("x", sequence=-5)
    recording.log("cleared", rerun.Scalars.cleared())
    recording.log("cleared_static", rerun.Scalars.cleared(), static=True)
    recording.log("both", rerun.Points3D.from_fields(colors=[1]), static=True)
    recording.log("both", rerun.Points3D.from_fields(colors=[1]))
    for i in range(10):
        recording.set_time("x", sequence=i)
        recording.log("mixed", rerun.AnyValues(**{f"v{i % 2}": float(i)}))


def strange_names(recording: rerun.RecordingStream) -> None:
    recording.send_property("x y/z", rerun.AnyValues(**{"u v": 3}))
    recording.log("/__properties", rerun.AnyValues(q=3), static=True)
    recording.set_time("_a-b.c d", sequence=1)
    recording.set_time("é/ü\\", sequence=1)
    recording.log("w", rerun.AnyValues(**{"_lead": 1.0, "co-mp.on ent,x": "y"}))
    recording.log("w2", rerun.DynamicArchetype(archetype="my.arch-x", components={"f g": 1.0}))


def a_timeline_that_changes_its_type(recording: rerun.RecordingStream) -> None:
    recording.set_time("x", sequence=1)
    recording.log("a", rerun.Scalars(1.0))
    recording.flush()
    recording.set_time("x", duration=2)
    recording.log("a", rerun.Scalars(2.0))


def nothing(recording: rerun.RecordingStream) -> None:
    pass


CONTENTS = [
    several_entities,
    blueprint,
    empty_and_sparse,
    strange_names,
    a_timeline_that_changes_its_type,
    nothing,
]


@pytest.fixture(params=CONTENTS, ids=lambda content: content.__name__)
def official(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file with footer that the official SDK wrote."""
    return record(request.param, tmp_path / "official.rrd")


def record(content: Callable[[rerun.RecordingStream], None], path: Path) -> Path:
    recording = rerun.RecordingStream("rerund_test", recording_id="one", send_properties=content is not nothing)
    recording.save(path)
    content(recording)
    recording.disconnect()
    return path


def verify(path: Path) -> None:
    subprocess.run([RERUN, "rrd", "verify", str(path)], check=True, capture_output=True)


def test_a_rebuilt_manifest_equals_the_official_one_in_every_column(official: Path, tmp_path: Path) -> None:
    ours = without_footer(official, tmp_path / "ours.rrd")
    footer.seal(ours)
    expected, found = manifests(official), manifests(ours)
    assert found.keys() == expected.keys()
    for store, (schema, table) in expected.items():
        our_schema, our_table = found[store]
        assert our_schema.equals(schema, check_metadata=True)
        assert our_table.schema.equals(table.schema, check_metadata=True)
        for name, column, our_column in zip(table.schema.names, table.columns, our_table.columns, strict=True):
            assert our_column.equals(column), name


def test_stock_readers_verify_and_load_a_sealed_file(tmp_path: Path) -> None:
    path = without_footer(record(several_entities, tmp_path / "official.rrd"), tmp_path / "ours.rrd")
    footer.seal(path)
    verify(path)
    assert row_count(RrdReader(path)) == row_count(RrdReader(tmp_path / "official.rrd")) > 100


def row_count(reader: Any) -> int:
    return sum(chunk.num_rows for chunk in reader.store().stream().to_chunks())


def test_sealing_again_changes_nothing(official: Path) -> None:
    before = official.read_bytes()
    footer.seal(official)
    assert official.read_bytes() == before


@pytest.mark.filterwarnings("ignore:RRD file has no footer")
def test_a_file_is_whole_at_every_moment_of_its_sealing(tmp_path: Path) -> None:
    """`seal` writes body, stream footer and at last the End message's length: cut at many places of that."""
    path = without_footer(record(several_entities, tmp_path / "official.rrd"), tmp_path / "ours.rrd")
    data_end = path.stat().st_size
    expected = sum(chunk.num_rows for chunk in RrdReader(tmp_path / "official.rrd").stream().to_chunks())
    footer.seal(path)
    sealed = path.read_bytes()
    unfinished = sealed[:data_end] + bytes(rrd.MESSAGE_HEADER_SIZE) + sealed[data_end + rrd.MESSAGE_HEADER_SIZE :]
    cuts = [
        *range(data_end, data_end + 60, 5),
        *range(data_end + 60, len(sealed), 3001),
        *range(len(sealed) - 40, len(sealed) + 1, 4),
    ]
    for cut in cuts:
        path.write_bytes(unfinished[:cut])
        rows = sum(chunk.num_rows for chunk in RrdReader(path).stream().to_chunks())
        assert rows == expected, f"cut at {cut} of {len(sealed)}"
    subprocess.run([RERUN, "rrd", "verify", "--check-footers=false", str(path)], check=True, capture_output=True)
    path.write_bytes(unfinished[: len(sealed) - 100])
    footer.seal(path)
    assert path.read_bytes() == sealed


def test_a_torn_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = without_footer(record(several_entities, tmp_path / "official.rrd"), tmp_path / "torn.rrd")
    torn = path.read_bytes()[:-1]
    path.write_bytes(torn)
    with pytest.raises(BadRrd, match="ends inside the message"):
        footer.seal(path)
    assert path.read_bytes() == torn


def test_joined_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    official = record(blueprint, tmp_path / "official.rrd").read_bytes()
    path = tmp_path / "joined.rrd"
    path.write_bytes(official + without_footer(tmp_path / "official.rrd", tmp_path / "bare.rrd").read_bytes())
    joined = path.read_bytes()
    with pytest.raises(BadRrd, match="several streams"):
        footer.seal(path)
    assert path.read_bytes() == joined


def test_a_manifest_larger_than_its_share_of_memory_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = record(several_entities, tmp_path / "official.rrd")
    small = without_footer(official, tmp_path / "small.rrd")
    footer.seal(small)
    monkeypatch.setattr("rerund_sdk.manifest._IN_MEMORY_BYTES", 0)
    monkeypatch.setattr("rerund_sdk.footer._LZ4_MOST_BYTES", 0)
    large = without_footer(official, tmp_path / "large.rrd")
    footer.seal(large)
    verify(large)
    assert manifests(large) == manifests(small)
