"""Nulls: only Arrow arrays have them, and they are kept, or refused, as the official SDK does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import rerun

import rerund_sdk
from tests.archetype_cases import Case
from tests.oracle import batches, official, ours, outcome, rows
from tests.recorded import chunks_in


def vectors(width: int) -> pa.DataType:
    return pa.list_(pa.field("item", pa.float32(), nullable=False), width)


def lists(item: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("item", item, nullable=False))


EDGE = pa.struct([pa.field(name, pa.utf8(), nullable=False) for name in ("first", "second")])
POINTS = [[1, 2, 3], [4, 5, 6]]
RADII = pa.array([1, None], pa.float32())

LOGGED: dict[str, Case] = {
    "integers": lambda rr: rr.Points3D(POINTS, class_ids=pa.array([1, None], pa.uint16())),
    "a slice": lambda rr: rr.Points3D(POINTS, class_ids=pa.array([9, 1, None], pa.uint16())[1:]),
    "floats": lambda rr: rr.Points3D(POINTS, radii=RADII),
    "colors": lambda rr: rr.Points3D(POINTS, colors=pa.array([1, None], pa.uint32())),
    "vectors": lambda rr: rr.Points3D(pa.array([[1, 2, 3], None], vectors(3))),
    "vectors with other items": lambda rr: rr.Points3D(pa.array([[1, None, 3]], pa.list_(pa.float32(), 3))),
    "scalars": lambda rr: rr.Scalars(pa.array([1.0, None])),
    "scalars of another type": lambda rr: rr.Scalars(pa.array([1, None])),
    "text": lambda rr: rr.Points3D(POINTS, labels=pa.array(["a", None])),
    "bools": lambda rr: rr.Points3D(POINTS, show_labels=pa.array([None], pa.bool_())),
    "enums": lambda rr: rr.Boxes3D(half_sizes=POINTS, fill_mode=pa.array([1, None], pa.uint8())),
    "strips": lambda rr: rr.LineStrips3D(pa.array([POINTS, None], lists(vectors(3)))),
    "blobs": lambda rr: rr.EncodedImage(contents=pa.array([[1], None], lists(pa.uint8())), media_type="image/png"),
    "structs": lambda rr: rr.GraphEdges(pa.array([{"first": "a", "second": "b"}, None], EDGE)),
    "a tensor": lambda rr: rr.Tensor(pa.array([1, None, 3])),
    "a batch": lambda rr: rr.Points3D.from_fields(radii=RADII),
    "any values": lambda rr: rr.AnyValues(null_array=pa.array([1, None]), null_list=[1.5, None]),
    "python integers": lambda rr: rr.Points3D(POINTS, class_ids=[1, None]),
    "python floats": lambda rr: rr.Points3D(POINTS, radii=[1, None]),
}

COLUMNS: dict[str, Case] = {
    "floats": lambda rr: rr.Points3D.columns(radii=RADII),
    "integers": lambda rr: rr.Points3D.columns(class_ids=pa.array([1, None], pa.uint16())),
    "vectors": lambda rr: rr.Points3D.columns(positions=pa.array([[1, 2, 3], None], vectors(3))),
    "scalars": lambda rr: rr.Scalars.columns(scalars=pa.array([1.0, None])),
    "states": lambda rr: rr.StateChange.columns(state=pa.array(["a", None])),
    "any values": lambda rr: rr.AnyValues.columns(null_column=pa.array([1, None]), null_rows=[[1], [None], [2, None]]),
}


@pytest.mark.parametrize("name", LOGGED)
def test_nulls_that_are_logged_stay_or_are_refused_as_with_the_official_sdk(name: str) -> None:
    expected, found = (outcome(lambda sdk=sdk: batches(LOGGED[name](sdk))) for sdk in (official, ours))
    assert (found.kind, found.value) == (expected.kind, expected.value), (found.messages, expected.messages)


@pytest.mark.parametrize("name", COLUMNS)
def test_nulls_in_columns_stay_or_are_refused_as_with_the_official_sdk(name: str) -> None:
    expected, found = (outcome(lambda sdk=sdk: rows(COLUMNS[name](sdk))) for sdk in (official, ours))
    assert (found.kind, found.value) == (expected.kind, expected.value), (found.messages, expected.messages)


def log_with_and_without_nulls(rr: Any, path: Path) -> None:
    """Rows that are kept in each of the forms that a column may have to join."""
    recording = rr.RecordingStream("rerun_example_nulls", recording_id="nulls")
    recording.save(path)
    for frame, radii in enumerate([0.5, [1, 2], RADII, np.array([3, 4], np.float32)]):
        recording.set_time("frame", sequence=frame)
        recording.log("points", rr.Points3D.from_fields(radii=radii))
    for frame, strips in enumerate([POINTS, pa.array([None, POINTS], lists(vectors(3)))]):
        recording.set_time("frame", sequence=frame)
        recording.log("strips", rr.LineStrips3D(strips))
    for frame, position in enumerate([[1, 2, 3], pa.array([None, [4, 5, 6]], vectors(3))]):
        recording.set_time("frame", sequence=frame)
        recording.log("positions", rr.Points3D(position))
    for frame, blob in enumerate([b"abc", pa.array([[1, 2], None], lists(pa.uint8()))]):
        recording.set_time("frame", sequence=frame)
        recording.log("blobs", rr.EncodedImage(contents=blob, media_type="image/png"))
    for frame, show in enumerate([True, pa.array([None], pa.bool_()), np.array([False])]):
        recording.set_time("frame", sequence=frame)
        recording.log("bools", rr.Points3D.from_fields(show_labels=show))
    columns = rr.Points3D.columns(class_ids=pa.array([None, 1, 2], pa.uint16()))
    recording.send_columns("columns", [rr.TimeColumn("frame", sequence=[0, 1, 2])], columns)
    recording.flush()
    recording.disconnect()


def logged(path: Path) -> dict[tuple[str, str], list[Any]]:
    found: dict[tuple[str, str], list[Any]] = {}
    for chunk in chunks_in(path):
        if chunk.entity_path.startswith("/__"):
            continue
        for component in chunk.components:
            key = (chunk.entity_path, component.descriptor.component)
            found.setdefault(key, []).extend(component.column.to_pylist())
    return found


def test_rows_with_and_without_nulls_share_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERUN_FLUSH_TICK_SECS", "1000")
    for sdk, name in ((rerun, "theirs.rrd"), (rerund_sdk, "ours.rrd")):
        log_with_and_without_nulls(sdk, tmp_path / name)
    mine = logged(tmp_path / "ours.rrd")
    assert mine == logged(tmp_path / "theirs.rrd")
    assert mine["/points", "Points3D:radii"] == [[0.5], [1, 2], [1, None], [3, 4]]


def test_nulls_are_kept_apart_from_the_memory_of_the_caller() -> None:
    numbers = np.array([1, 2], np.float32)
    points = rerund_sdk.Points3D.from_fields(radii=pa.array(numbers, mask=np.array([False, True])))
    numbers[:] = 7
    (batch,) = points.as_component_batches()
    assert batch.as_arrow_array().to_pylist() == [1, None]
