"""Arrow tables and data frames as rows, against the official SDK."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow as pa
import pytest
import rerun
import rerun.chunk

import rerund_sdk as rr
from rerund_sdk.arrow_chunk import Chunk
from rerund_sdk.errors import BadData
from rerund_sdk.loading import load
from tests.strict_compare import differences

INT = pa.array([1, 2, 3])
TIME = pa.array([3, 1, 2], pa.timestamp("ns"))
POINTS = pa.array([[[0, 1, 2]], [], None], pa.list_(pa.list_(pa.float32(), 3)))


def marked(name: str, arrow_type: pa.DataType, **metadata: str) -> pa.Field[Any]:
    return pa.field(name, arrow_type, metadata={f"rerun:{key}": value for key, value in metadata.items()})


BATCHES: dict[str, tuple[pa.RecordBatch, dict[str, Any]]] = {
    "index by name": (pa.record_batch({"frame": INT, "x": pa.array([1.0, 2.0, 3.0])}), {"index": "frame"}),
    "several indexes": (pa.record_batch({"frame": INT, "time": TIME, "x": INT}), {"index": ["frame", "time"]}),
    "static": (pa.record_batch({"x": pa.array(["only"])}), {"index": None}),
    "entity path": (pa.record_batch({"frame": INT, "x": INT}), {"index": "frame", "entity_path": "/a/b"}),
    "names that say the entity": (
        pa.record_batch({"frame": INT, "/p:Points3D:positions": POINTS, "/q:x": INT, "/p:y": INT}),
        {"index": "frame", "entity_path": "/elsewhere"},
    ),
    "nulls": (pa.record_batch({"frame": INT, "x": pa.array([1, None, 3]), "y": POINTS}), {"index": "frame"}),
    "metadata": (
        pa.RecordBatch.from_arrays(
            [INT, POINTS],
            schema=pa.schema(
                [
                    marked("t", pa.int64(), kind="index", index_name="frame"),
                    marked(
                        "p",
                        POINTS.type,
                        kind="data",
                        component="Points3D:positions",
                        archetype="rerun.archetypes.Points3D",
                        component_type="rerun.components.Position3D",
                        entity_path="/points",
                    ),
                ],
                metadata={"rerun:entity_path": "/batch"},
            ),
        ),
        {},
    ),
    "entity path of the batch": (
        pa.RecordBatch.from_arrays(
            [INT, INT],
            schema=pa.schema(
                [marked("frame", pa.int64(), kind="index"), pa.field("x", pa.int64())],
                metadata={"rerun:entity_path": "/batch"},
            ),
        ),
        {"entity_path": "/argument"},
    ),
}


def sent(module: Any, path: Path, send: Callable[[Any], None]) -> Path:
    recording = module.RecordingStream("app", send_properties=False)
    recording.save(path)
    send(recording)
    recording.disconnect()
    return path


def assert_same(tmp_path: Path, send: Callable[[Any], None]) -> None:
    assert differences(sent(rerun, tmp_path / "theirs.rrd", send), sent(rr, tmp_path / "ours.rrd", send)) == []


@pytest.mark.parametrize(("batch", "options"), BATCHES.values(), ids=BATCHES.keys())
def test_a_record_batch_becomes_the_rows_that_rerun_makes_of_it(
    batch: pa.RecordBatch, options: dict[str, Any], tmp_path: Path
) -> None:
    assert_same(tmp_path, lambda recording: recording.send_record_batch(batch, **options))


def test_a_table_in_several_batches_is_sent_whole(tmp_path: Path) -> None:
    table = pa.table({"frame": pa.chunked_array([[1, 2], [3]]), "x": pa.chunked_array([[1.0, 2.0], [3.0]])})
    assert_same(tmp_path, lambda recording: recording.send_dataframe(table, index="frame"))
    assert_same(tmp_path, lambda recording: recording.send_dataframe(table.to_reader(), index="frame"))


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame])
def test_data_frames_of_pandas_and_polars_are_sent(make: Callable[[Any], Any]) -> None:
    recording = rr.RecordingStream("app", send_properties=False)
    frame = make({"frame": np.arange(5), "x": np.arange(5) * 0.5})
    recording.send_dataframe(frame, index="frame", entity_path="/df")
    table = load(recording).table("/df", timeline="frame", flatten=True)
    assert table["x"].to_pylist() == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_what_was_loaded_can_be_sent_again(tmp_path: Path) -> None:
    recording = rr.RecordingStream("app", send_properties=False, recording_id="r")
    recording.save(tmp_path / "a.rrd")
    for frame in range(10):
        recording.set_time("frame", sequence=frame)
        recording.log("a", rr.Points3D([[frame, 0, 0]]), rr.AnyValues(x=frame))
    recording.log("b", rr.TextDocument("static"), static=True)
    recording.disconnect()
    chunks = load(tmp_path / "a.rrd").chunks
    copy = sent(rr, tmp_path / "b.rrd", lambda recording: recording.send_chunks(chunks()))
    assert differences(tmp_path / "a.rrd", copy) == []
    assert [chunk.id for chunk in load(copy).chunks()] == [chunk.id for chunk in chunks()]
    batches = [chunk.batch for chunk in chunks()]
    again = sent(rr, tmp_path / "c.rrd", lambda recording: [recording.send_record_batch(b) for b in batches])
    assert differences(copy, again) == []


def test_chunks_of_the_official_sdk_are_sent_as_they_are(tmp_path: Path) -> None:
    from rerun.chunk import RrdReader

    path = sent(rerun, tmp_path / "a.rrd", lambda recording: recording.log("a", rerun.Scalars([1, 2])))
    chunks = RrdReader(path).stream().to_chunks()
    assert differences(path, sent(rr, tmp_path / "b.rrd", lambda recording: recording.send_chunks(chunks))) == []


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no index": (pa.record_batch({"x": INT}), {}, "no column of the record batch is marked as an index"),
    "unknown index": (pa.record_batch({"x": INT}), {"index": "t"}, "is no column of the record batch: it has x"),
    "nothing to log": (pa.record_batch({"t": INT}), {"index": "t"}, "no component columns"),
    "null time": (pa.record_batch({"t": pa.array([1, None]), "x": pa.array([1, 2])}), {"index": "t"}, "has 1 nulls"),
    "wrong time": (pa.record_batch({"t": pa.array([1.0]), "x": pa.array([1])}), {"index": "t"}, "has type double"),
    "marked and static": (BATCHES["metadata"][0], {"index": None}, "says that the data is static"),
}


@pytest.mark.parametrize(("batch", "options", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_record_batch_is_refused_as_rerun_refuses_it(
    batch: Any, options: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError):
        rerun.RecordingStream("app").send_record_batch(batch, **options)
    monkeypatch.setenv("RERUN_STRICT", "1")
    strict = rr.strict_mode()
    rr.set_strict_mode(True)
    try:
        with pytest.raises(BadData, match=reason):
            rr.RecordingStream("app").send_record_batch(batch, **options)
    finally:
        rr.set_strict_mode(strict)


def chunks_of(module: Any, chunk_class: Any) -> list[Any]:
    """The same chunks made by the classes of ours or of the official SDK."""
    columns = chunk_class.from_columns(
        "/a b",
        indexes=[module.TimeColumn("frame", sequence=[2, 1])],
        columns=module.Points3D.columns(positions=[[1, 0, 0], [0, 1, 0]], radii=[0.1, 0.2]),
    )
    batch, options = BATCHES["names that say the entity"]
    by_property = chunk_class.from_property("my property", module.Points3D([1, 2, 3]))
    return [columns, columns.with_entity_path("x"), by_property, *chunk_class.from_record_batch(batch, **options)]


def test_a_chunk_that_is_made_by_hand_is_as_the_official_one() -> None:
    ours, theirs = chunks_of(rr, Chunk), chunks_of(rerun, rerun.chunk.Chunk)
    for one, other in zip(ours, theirs, strict=True):
        for name in ("entity_path", "num_rows", "num_columns", "is_static", "is_empty", "timeline_names"):
            assert getattr(one, name) == getattr(other, name)
        one_batch, other_batch = one.to_record_batch(), other.to_record_batch()
        assert one_batch.schema.equals(other_batch.schema)
        assert one_batch.drop_columns([one_batch.schema.names[0]]).equals(
            other_batch.drop_columns([other_batch.schema.names[0]])
        )
    assert len({chunk.id for chunk in ours}) == len(ours)
    assert str(ours[0]).startswith(f"Chunk(id={ours[0].id}, entity_path=")


def test_a_chunk_that_is_made_by_hand_can_be_sent() -> None:
    recording = rr.RecordingStream("app", send_properties=False)
    made = chunks_of(rr, Chunk)
    recording.send_chunks(made)
    assert [chunk.entity_path for chunk in load(recording).chunks()] == [chunk.entity_path for chunk in made]
