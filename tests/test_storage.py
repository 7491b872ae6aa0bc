"""Storages: whatever may be given becomes a cell, and cells of many rows become the column that they say, in order."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import rerun
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rerund_sdk import arrow
from rerund_sdk.archetype import as_row
from rerund_sdk.encodings.tensor import TensorData
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Blobs, Booleans, Numbers, Text, TypeStorage, Vectors
from rerund_sdk.vector_lists import VectorLists
from tests.oracle import ours

floats = st.floats(width=32)
lists_of_floats = st.lists(floats, max_size=5)
vectors = hnp.arrays(np.float32, st.tuples(st.integers(0, 4), st.just(3)))
texts = st.text(st.characters(codec="utf-8"), max_size=8)
blobs = st.binary(max_size=9)


def as_given(storage: TypeStorage, given_values: list[Any]) -> tuple[list[Any], list[list[Any]]]:
    """The column of all values together, row by row, and each value by itself."""
    cells = [storage.cell(value) for value in given_values]
    array, counts = storage.column(cells)
    array.validate(full=True)
    assert array.type == storage.arrow_type
    assert int(counts.sum()) == len(array)
    ends = np.cumsum(counts).tolist()
    rows = [array[end - count : end].to_pylist() for end, count in zip(ends, counts.tolist(), strict=True)]
    alone = [storage.column([cell])[0].to_pylist() for cell in cells]
    return [repr(row) for row in rows], [repr(row) for row in alone]


@pytest.mark.parametrize(
    ("storage", "values"),
    [
        (Numbers(np.float64), floats | lists_of_floats | st.integers(-(2**60), 2**60)),
        (Numbers(np.float32), floats | lists_of_floats),
        (Numbers(np.uint16), st.integers(0, 65535) | st.lists(st.integers(0, 65535), max_size=4)),
        (Numbers(np.uint64), st.integers(0, 2**64 - 1)),
        (Numbers(np.int64), st.integers(-(2**63), 2**63 - 1)),
        (Booleans(), st.booleans() | st.lists(st.booleans(), max_size=20)),
        (Vectors(np.float32, 3), vectors | st.lists(floats, min_size=3, max_size=3)),
        (Vectors(np.float16, 2, 3), hnp.arrays(np.float16, st.tuples(st.integers(0, 3), st.just(2), st.just(3)))),
        (Text(), texts | st.lists(texts, max_size=4)),
        (Blobs(), blobs | st.lists(blobs, max_size=3)),
        (VectorLists(Vectors(np.float32, 3)), vectors | st.lists(vectors, max_size=3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_column_of_many_rows_is_what_each_row_gives_by_itself(storage: TypeStorage, values: Any) -> None:
    @given(st.lists(values, min_size=1, max_size=6))
    def check(given_values: list[Any]) -> None:
        rows, alone = as_given(storage, given_values)
        assert rows == alone

    check()


@given(
    st.lists(
        hnp.arrays(st.sampled_from(["u1", "i2", "f4", "f8"]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
    )
)
def test_tensors_of_many_types_and_shapes_share_a_column(tensors: list[np.ndarray]) -> None:
    cells = [TensorData._storage.cell(tensor) for tensor in tensors]
    if not cells:
        return
    array, counts = TensorData._storage.column(cells)
    array.validate(full=True)
    assert counts.tolist() == [1] * len(tensors)
    for row, tensor in zip(array, tensors, strict=True):
        assert row["shape"].as_py() == list(tensor.shape)
        buffer = row["buffer"].value.values.to_numpy(zero_copy_only=False)
        assert buffer.dtype == tensor.dtype
        np.testing.assert_array_equal(buffer, tensor.ravel())


@given(st.lists(st.none() | texts))
def test_strings_are_those_of_pyarrow(values: list[str | None]) -> None:
    assert arrow.strings(values).equals(pa.array(values, pa.utf8()))


@given(st.lists(st.booleans()))
def test_booleans_are_those_of_pyarrow(values: list[bool]) -> None:
    assert arrow.booleans(np.array(values, np.bool_)).equals(pa.array(values, pa.bool_()))


def every_storage() -> list[tuple[str, TypeStorage]]:
    modules = (ours.components, ours.encodings, ours.bp.components, ours.bp.encodings)
    found = {
        name: value._storage for module in modules for name, value in vars(module).items() if hasattr(value, "_storage")
    }
    return sorted(found.items())


@pytest.mark.parametrize(("name", "storage"), every_storage())
def test_the_empty_cell_of_every_type_is_a_column_of_nothing(name: str, storage: TypeStorage) -> None:
    array, counts = storage.column([storage.empty, storage.empty])
    array.validate(full=True)
    assert (array.type, len(array), counts.tolist()) == (storage.arrow_type, 0, [0, 0]), name
    assert storage.nbytes(storage.empty) < 200


@pytest.mark.parametrize("array", [np.zeros((4, 3), np.float32), np.zeros(5), np.zeros((2, 4, 3), np.float32)])
def test_an_array_of_the_right_type_is_kept_without_a_copy_and_owned_by_one(array: np.ndarray) -> None:
    storage = {1: Numbers(np.float64), 2: Vectors(np.float32, 3), 3: VectorLists(Vectors(np.float32, 3))}[array.ndim]
    cell = storage.cell(array)
    assert cell is array
    assert not np.may_share_memory(storage.owned(cell), array)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 3)),
        np.zeros((4, 3), np.float32)[::2],
        np.zeros((3, 4), np.float32).T,
        np.zeros(12, np.float32),
        np.zeros((2, 2, 3), np.float32),
        np.zeros((4, 3), ">f4"),
    ],
)
def test_any_other_array_is_copied_at_once(array: np.ndarray) -> None:
    assert not np.may_share_memory(Vectors(np.float32, 3).cell(array), array)


@pytest.mark.parametrize(("count", "is_borrowed"), [(0, False), (2, False), (5000, True)])
def test_what_is_done_to_an_array_after_it_was_copied_at_log_is_not_seen(count: int, is_borrowed: bool) -> None:
    positions = np.zeros((count, 3), np.float32)
    points = ours.Points3D(positions)
    fields, cells, borrowed = as_row(points)
    assert borrowed == is_borrowed
    cell = fields[0].storage.owned(cells[0]) if borrowed else cells[0]
    positions += 7
    assert fields[0].storage.column([cell])[0].to_pylist() == [[0, 0, 0]] * count
    assert len(points.positions) == count


@pytest.mark.parametrize(
    "make",
    [
        lambda: ours.Scalars(1.5),
        lambda: ours.Points3D([[1, 2, 3]], colors=[255, 0, 0], labels=["a"]),
        lambda: ours.TextLog("a", level="INFO"),
        lambda: ours.LineStrips3D([np.zeros((2, 3), np.float32)]),
        lambda: ours.EncodedImage(contents=b"12", media_type="image/png"),
        lambda: ours.Tensor(np.zeros(3), dim_names=["a"]),
    ],
)
def test_what_shares_no_memory_is_not_borrowed(make: Any) -> None:
    assert not as_row(make())[2]


@pytest.mark.parametrize(
    "make",
    [
        lambda array: ours.Image(array),
        lambda array: ours.DepthImage(array[:, :, 0]),
        lambda array: ours.Tensor(array),
        lambda array: ours.Points3D(array),
        lambda array: ours.Mesh3D(vertex_positions=[[0, 0, 0]], albedo_texture=array),
        lambda array: ours.GridMap(data=array.ravel(), format=ours.ImageFormat(2, 2), cell_size=1),
        lambda array: ours.AnyValues(kept=array.ravel()),
        lambda array: ours.DynamicArchetype("a", components={"kept": array.ravel()}),
        lambda array: ours.Scalars(array),
        lambda array: ours.LineStrips3D([array[0], array[1]]),
        lambda array: ours.BarChart(array.ravel()),
        lambda array: ours.GraphNodes(["a"], positions=array[0, :, :2]),
        lambda array: ours.Points3D(array.reshape(-1, 3), colors=array.reshape(-1, 3), radii=array.ravel()),
        lambda array: ours.Points3D(array.astype(np.float32), colors=array.ravel().astype(np.uint32)),
        lambda array: ours.Boxes3D(centers=array[0], half_sizes=array[1], colors=array[0]),
        lambda array: ours.Arrows3D(origins=array[0], vectors=array[1]),
        lambda array: ours.Mesh3D(vertex_positions=array[0], vertex_colors=array[1], vertex_normals=array[1]),
    ],
)
def test_a_row_keeps_its_values_whatever_the_caller_does_to_the_array(make: Any) -> None:
    for dtype in (np.uint8, np.float32, np.float64):
        array = np.ones((2, 4, 3), dtype)
        fields, cells, borrowed = as_row(make(array))
        cells = tuple(
            field.storage.owned(cell) if borrowed >> number & 1 else cell
            for number, (field, cell) in enumerate(zip(fields, cells, strict=True))
        )
        before = [field.storage.column([cell])[0].to_pylist() for field, cell in zip(fields, cells, strict=True)]
        array += 7
        after = [field.storage.column([cell])[0].to_pylist() for field, cell in zip(fields, cells, strict=True)]
        assert before == after


def test_the_same_combination_of_fields_is_the_same_object() -> None:
    one, another = ours.Points3D([1, 2, 3], radii=1), ours.Points3D([4, 5, 6], radii=[2, 3])
    assert one._fields is another._fields
    assert one._fields is ours.Points3D.from_fields(positions=[], radii=[])._fields
    assert one._fields is not ours.Points3D([1, 2, 3])._fields
    assert as_row(ours.AnyValues(same=1))[0] is as_row(ours.AnyValues(same=2))[0]


@pytest.mark.parametrize(
    "loggable",
    [
        [ours.DescribedComponentBatch(ours.components.RadiusBatch([1, 2]), ours.ComponentDescriptor("mine"))],
        ours.DescribedComponentBatch(ours.components.RadiusBatch([1, 2]), ours.ComponentDescriptor("mine")),
        ours.AnyBatchValue("mine", np.array([1, 2], np.float32)),
    ],
)
def test_component_batches_of_all_kinds_are_rows(loggable: Any) -> None:
    (field,), (cell,), borrowed = as_row(loggable)
    assert (field.descriptor.component, borrowed) == ("mine", 0)
    assert field.storage.column([cell])[0].to_pylist() == [1, 2]


def test_archetypes_of_the_official_sdk_are_rows() -> None:
    (positions, colors), cells, borrowed = as_row(rerun.Points3D([[1, 2, 3]], colors=[255, 0, 0]))
    assert positions.descriptor == ours.Points3D.descriptor_positions()
    assert colors.storage.column([cells[1], cells[1]])[0].to_pylist() == [0xFF0000FF] * 2
    assert not borrowed


class Confidence(ours.encodings.Float32, ours.ComponentMixin):
    """A component of a user, as the official documentation shows it."""


class ConfidenceBatch(ours.encodings.Float32Batch, ours.ComponentBatchMixin):
    _COMPONENT_TYPE = "user.Confidence"


Confidence._BATCH_TYPE = ConfidenceBatch


@dataclass
class Detections(ours.AsComponents):
    points: Any
    confidences: list[float]

    def as_component_batches(self) -> list[Any]:
        descriptor = ours.ComponentDescriptor("user.Detections:confidences", component_type="user.Confidence")
        return [*self.points.as_component_batches(), ConfidenceBatch(self.confidences).described(descriptor)]


def test_archetypes_and_components_of_users_are_rows() -> None:
    fields, cells, _ = as_row(Detections(ours.Points3D([1, 2, 3]), [0.5, 1]))
    assert [field.descriptor.component_type for field in fields] == ["rerun.components.Position3D", "user.Confidence"]
    assert fields[1].storage.column([cells[1]])[0].to_pylist() == [0.5, 1]
    assert Confidence(2).as_arrow_array().to_pylist() == [2]
    assert (Confidence.component_type(), Confidence.arrow_type()) == ("user.Confidence", pa.float32())
    assert ConfidenceBatch([1, 2]).partition([2]).component_descriptor().component == "user.Confidence"


@pytest.mark.parametrize("loggable", [1, "text", np.zeros(3), object(), [1, 2], None])
def test_what_is_no_row_is_refused_with_a_hint(loggable: Any) -> None:
    with pytest.raises(BadData, match=r"rr\.Scalars"):
        as_row(loggable)


def test_neither_importing_nor_logging_loads_pandas() -> None:
    program = """
import sys, numpy as np
import rerund_sdk.archetypes as a
from rerund_sdk.archetype import as_row
rows = [a.Scalars(1.5), a.Scalars([1, 2]), a.Points3D(np.zeros((2, 3)), colors=[[1, 2, 3]], labels=["a"]),
        a.Image(np.zeros((2, 2, 3), np.uint8)), a.TextLog("a", level="INFO"), a.Tensor([1, 2]),
        a.LineStrips3D([[[1, 2, 3]]]), a.Points2D([1, 2], show_labels=True),
        a.Transform3D(translation=[1, 2, 3]), a.AnnotationContext([(1, "a")]), a.Points3D.cleared()]
for row in rows:
    for field, cell in zip(*as_row(row)[:2]):
        field.storage.column([cell, cell])
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
