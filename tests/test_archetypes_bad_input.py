"""Bad data: the same outcome for the caller as with the official SDK, or a better one that is listed here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rerund_sdk import strictness
from rerund_sdk.errors import BadData
from tests.archetype_cases import Case
from tests.oracle import Outcome, batches, official, ours, outcome, rows

F32 = np.float32


class Unconvertible:
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise RuntimeError("this tensor needs a gradient")


# After these both SDKs go on in the same way, or raise alike, with the same data left.
ALIKE: dict[str, Case] = {
    "positions of two numbers": lambda rr: rr.Points3D(np.zeros((4, 2))),
    "positions of four numbers": lambda rr: rr.Points3D([[1, 2, 3, 4]]),
    "flat positions that don't come out even": lambda rr: rr.Points3D([1, 2, 3, 4]),
    "ragged positions": lambda rr: rr.Points3D([[1, 2, 3], [4, 5]]),
    "positions of text": lambda rr: rr.Points3D("here"),
    "positions of texts": lambda rr: rr.Points3D([["a", "b", "c"]]),
    "positions of objects": lambda rr: rr.Points3D([object()]),
    "positions of a dict": lambda rr: rr.Points3D({"x": 1}),
    "positions from a tensor that refuses": lambda rr: rr.Points3D(Unconvertible()),
    "good positions, bad radii": lambda rr: rr.Points3D([1, 2, 3], radii="wide"),
    "good positions, bad colors": lambda rr: rr.Points3D([1, 2, 3], colors="red"),
    "colors of two channels": lambda rr: rr.Points3D([1, 2, 3], colors=np.zeros((3, 2), np.uint8)),
    "good positions, bad enum": lambda rr: rr.Points3D([1, 2, 3], point_shading="shiny"),
    "enum of unknown number": lambda rr: rr.Points3D([1, 2, 3], point_shading=77),
    "class ids over 65535": lambda rr: rr.Points3D([1, 2, 3], class_ids=70000),
    "negative class ids": lambda rr: rr.Points3D([1, 2, 3], class_ids=[-1]),
    "class ids that are nan": lambda rr: rr.Points3D([1, 2, 3], class_ids=[float("nan")]),
    "triangle indices that are negative": lambda rr: rr.Mesh3D(
        vertex_positions=[[0, 0, 0]], triangle_indices=[[0, -1, 2]]
    ),
    "no positions at all": lambda rr: rr.Points3D(),
    "unknown argument": lambda rr: rr.Points3D([1, 2, 3], colour=1),
    "unknown field": lambda rr: rr.Points3D.from_fields(colour=1),
    "unknown column": lambda rr: rr.Points3D.columns(colour=[1]),
    "positional radii": lambda rr: rr.Points3D([1, 2, 3], [1]),
    "scalar of text": lambda rr: rr.Scalars("high"),
    "scalars of ragged lists": lambda rr: rr.Scalars([[1], [2, 3]]),
    "scalar of a dict": lambda rr: rr.Scalars({"a": 1}),
    "strip of one number": lambda rr: rr.LineStrips2D(5),
    "strips with a bad one": lambda rr: rr.LineStrips3D([np.zeros((2, 3)), np.zeros((2, 2))]),
    "boxes by both sizes": lambda rr: rr.Boxes3D(sizes=[1, 2, 3], half_sizes=[3, 2, 1]),
    "boxes by mins and centers": lambda rr: rr.Boxes3D(mins=[0, 0, 0], centers=[1, 1, 1], half_sizes=[1, 1, 1]),
    "boxes by mins alone": lambda rr: rr.Boxes3D(mins=[0, 0, 0]),
    "boxes with all rotations": lambda rr: rr.Boxes3D(
        half_sizes=[1, 2, 3], rotations=[0, 0, 0, 1], quaternions=[0, 0, 0, 1]
    ),
    "boxes with a bad rotation": lambda rr: rr.Boxes3D(half_sizes=[1, 2, 3], rotations="up"),
    "2d boxes by both sizes": lambda rr: rr.Boxes2D(sizes=[1, 2], half_sizes=[3, 2]),
    "2d boxes by mins alone": lambda rr: rr.Boxes2D(mins=[1, 2]),
    "2d boxes of an array without format": lambda rr: rr.Boxes2D(array=[1, 2, 3, 4]),
    "2d boxes of an array and sizes": lambda rr: rr.Boxes2D(
        array=[1, 2, 3, 4], array_format=rr.Box2DFormat.XYWH, sizes=[1, 2]
    ),
    "ellipsoids by radii and half_sizes": lambda rr: rr.Ellipsoids3D(radii=[1], half_sizes=[1, 2, 3]),
    "ellipsoids with text for radii": lambda rr: rr.Ellipsoids3D(radii="big"),
    "transform with all rotations": lambda rr: rr.Transform3D(
        rotation=rr.Quaternion.identity(), quaternion=[0, 0, 0, 1]
    ),
    "transform with a bare rotation": lambda rr: rr.Transform3D(rotation=[0, 0, 0, 1]),
    "transform with a bad matrix": lambda rr: rr.Transform3D(translation=[1, 2, 3], mat3x3=[1, 2, 3]),
    "transform with a bad quaternion": lambda rr: rr.Transform3D(quaternion=[1, 2, 3]),
    "transform with a bad axis angle": lambda rr: rr.Transform3D(rotation_axis_angle=[1, 2, 3]),
    "transform with a bad relation": lambda rr: rr.Transform3D(relation="sideways"),
    "pinhole of nothing": lambda rr: rr.Pinhole(),
    "pinhole without size": lambda rr: rr.Pinhole(focal_length=4),
    "pinhole with two sizes": lambda rr: rr.Pinhole(focal_length=4, resolution=[4, 4], width=5),
    "pinhole with matrix and focal": lambda rr: rr.Pinhole(image_from_camera=np.eye(3), focal_length=4),
    "pinhole with a bad matrix": lambda rr: rr.Pinhole(image_from_camera=np.eye(2)),
    "view coordinates of two": lambda rr: rr.ViewCoordinates([1, 2]),
    "image of nothing": lambda rr: rr.Image(),
    "image of one dimension": lambda rr: rr.Image(np.zeros(5)),
    "image of four dimensions": lambda rr: rr.Image(np.zeros((2, 2, 2, 2))),
    "image of bools": lambda rr: rr.Image(np.zeros((2, 2), bool)),
    "image of two channels": lambda rr: rr.Image(np.zeros((2, 2, 2), np.uint8)),
    "image of other channels than said": lambda rr: rr.Image(np.zeros((2, 2, 4), np.uint8), "RGB"),
    "image of other width than said": lambda rr: rr.Image(np.zeros((2, 2)), width=7),
    "image bytes without size": lambda rr: rr.Image(bytes=b"1234"),
    "image bytes without format": lambda rr: rr.Image(bytes=b"1234", width=2, height=2),
    "image bytes with two formats": lambda rr: rr.Image(
        bytes=b"1", width=2, height=2, pixel_format="NV12", color_model="L"
    ),
    "image bytes with format and datatype": lambda rr: rr.Image(
        bytes=b"1", width=2, height=2, pixel_format="NV12", datatype="U8"
    ),
    "depth image of three dimensions": lambda rr: rr.DepthImage(np.zeros((2, 2, 3))),
    "depth image of bools": lambda rr: rr.DepthImage(np.zeros((2, 2), bool)),
    "depth image with a bad colormap": lambda rr: rr.DepthImage(np.zeros((2, 2)), colormap="rainbow"),
    "segmentation image of one dimension": lambda rr: rr.SegmentationImage(np.zeros(4, np.uint8)),
    "compressing floats": lambda rr: rr.Image(np.zeros((2, 2), F32)).compress(),
    "compressing rgba": lambda rr: rr.Image(np.zeros((2, 2, 4), np.uint8)).compress(),
    "compressing float depth": lambda rr: rr.DepthImage(np.zeros((2, 2), F32)).compress(),
    "encoded image of nothing": lambda rr: rr.EncodedImage(),
    "encoded image of two sources": lambda rr: rr.EncodedImage(path="a.png", contents=b"1", media_type="image/png"),
    "encoded image without type": lambda rr: rr.EncodedImage(contents=b"1"),
    "encoded image of no file": lambda rr: rr.EncodedImage(path="/does/not/exist.png"),
    "asset of nothing": lambda rr: rr.Asset3D(),
    "asset of no file": lambda rr: rr.Asset3D(path="/does/not/exist.glb"),
    "video frame of nothing": lambda rr: rr.VideoFrameReference(),
    "video frame of two times": lambda rr: rr.VideoFrameReference(1, seconds=2),
    "video codec of text": lambda rr: rr.VideoStream("h999"),
    "mesh with a flat texture": lambda rr: rr.Mesh3D(vertex_positions=[[0, 0, 0]], albedo_texture=np.zeros((2, 2))),
    "mesh with two channels": lambda rr: rr.Mesh3D(vertex_positions=[[0, 0, 0]], albedo_texture=np.zeros((2, 2, 2))),
    "mesh with a texture of bools": lambda rr: rr.Mesh3D(
        vertex_positions=[[0, 0, 0]], albedo_texture=np.zeros((2, 2, 3), bool)
    ),
    "tensor of nothing": lambda rr: rr.Tensor(),
    "tensor with a name too few": lambda rr: rr.Tensor(np.zeros((2, 2)), dim_names=["a"]),
    "tensor of bools": lambda rr: rr.Tensor(np.zeros(2, bool)),
    "tensor data without shape": lambda rr: rr.Tensor(rr.TensorData(buffer=np.zeros(4))),
    "tensor data of other shape": lambda rr: rr.Tensor(rr.TensorData(buffer=np.zeros(4), shape=[5])),
    "bar chart of two dimensions": lambda rr: rr.BarChart(np.zeros((2, 3))),
    "series of a bad marker": lambda rr: rr.SeriesPoints(markers="star"),
    "annotations of text": lambda rr: rr.AnnotationContext("red"),
    "annotation of a bad color": lambda rr: rr.AnnotationContext([(1, "red", "red")]),
    "clear without saying how": lambda rr: rr.Clear(),
    "graph edges of three": lambda rr: rr.GraphEdges([("a", "b", "c")]),
    "graph edges of texts": lambda rr: rr.GraphEdges(["abc"]),
    "geo points of three": lambda rr: rr.GeoPoints(lat_lon=[[1, 2, 3]]),
    "rotation without angle": lambda rr: rr.RotationAxisAngle([0, 0, 1]),
    "rotation with two angles": lambda rr: rr.RotationAxisAngle([0, 0, 1], 1, degrees=2),
    "angle of nothing": lambda rr: rr.Angle(),
    "time of nothing": lambda rr: rr.encodings.TimeInt(),
    "time of two": lambda rr: rr.encodings.TimeInt(seq=1, nanos=2),
    "any values of an object": lambda rr: rr.AnyValues(bad_object=object(), good=1),
    "any values of nothing": lambda rr: rr.AnyValues(),
    "any values of none": lambda rr: rr.AnyValues(bad_none=None, drop_untyped_nones=False, good=1),
    "any values of a matrix": lambda rr: rr.AnyValues(bad_matrix=np.zeros((2, 2)), good=1),
    "any values by position": lambda rr: rr.AnyValues({"a": 1}),
    "any values that change type": lambda rr: rr.AnyValues(bad_change=[1, 2]) and rr.AnyValues(bad_change=["a"]),
    "background of two": lambda rr: rr.bp.archetypes.Background([1, 2, 3], color=[1, 2, 3]),
    "visible ranges of nothing": lambda rr: rr.bp.archetypes.VisibleTimeRanges(),
    "visual bounds of one": lambda rr: rr.bp.archetypes.VisualBounds2D(x_range=[0, 1]),
    "component selector without component": lambda rr: rr.bp.encodings.ComponentColumnSelector("/a"),
}


# Here the official SDK does worse: it fails on its own suggestion, or refuses what is clear.
BETTER: dict[str, tuple[Case, str, str]] = {
    "strips of two numbers": (lambda rr: rr.LineStrips3D([[[1, 2], [3, 4]]]), "warning", "warning"),
    "pinhole without focal length": (lambda rr: rr.Pinhole(width=4, height=4), "warning", "warning"),
    "scale of one number in a list": (lambda rr: rr.Transform3D(scale=[2]), "warning", "ok"),
    "a batch as a field": (lambda rr: rr.Points3D(rr.components.Position3DBatch([1, 2, 3])), "warning", "ok"),
    "columns of a batch": (
        lambda rr: rr.VideoFrameReference.columns(timestamp=rr.components.VideoTimestamp.seconds([1, 2])),
        "warning",
        "ok",
    ),
    "any value of no dimensions": (lambda rr: rr.AnyValues(better_zero=np.array(3.0)), "warning", "ok"),
    "a bytearray": (lambda rr: rr.EncodedImage(contents=bytearray(b"12"), media_type="image/png"), "ok", "ok"),
    "pinhole of numpy focal length": (lambda rr: rr.Pinhole(focal_length=F32(3), width=4, height=4), "warning", "ok"),
    "columns of other lengths": (
        lambda rr: rr.Scalars.columns(scalars=[1, 2, 3]).partition([1, 1]),
        "ok",
        "error",
    ),
}


def loggable_outcome(sdk: Any, case: Case) -> Outcome:
    def call() -> Any:
        made = case(sdk)
        if hasattr(made, "as_component_batches"):
            return batches(made)
        return rows(made) if hasattr(made, "partition") else None

    return outcome(call)


@pytest.mark.parametrize("name", ALIKE)
def test_bad_input_ends_as_with_the_official_sdk(name: str) -> None:
    expected, found = (loggable_outcome(sdk, ALIKE[name]) for sdk in (official, ours))
    assert expected.kind != "ok"
    assert (found.kind, found.value) == (expected.kind, expected.value), (found.messages, expected.messages)


@pytest.mark.parametrize("name", BETTER)
def test_bad_input_ends_better_than_with_the_official_sdk(name: str) -> None:
    case, theirs, mine = BETTER[name]
    expected, found = (loggable_outcome(sdk, case) for sdk in (official, ours))
    assert (expected.kind, found.kind) == (theirs, mine), (found.messages, expected.messages)
    assert found.value != expected.value


@pytest.mark.parametrize("name", ALIKE)
def test_what_is_said_of_bad_input_is_one_short_sentence(name: str) -> None:
    for message in loggable_outcome(ours, ALIKE[name]).messages:
        assert "\n" not in message
        assert len(message) < 260


def test_a_warning_names_the_field_the_data_and_what_was_expected() -> None:
    found = loggable_outcome(ours, lambda rr: rr.Points3D(np.zeros((4, 2))))
    assert found.messages == [
        "Points3D.positions: expected shape (n, 3) or a flat array of a multiple of 3 numbers, got shape (4, 2)"
    ]


def test_a_warning_points_to_the_line_of_the_caller() -> None:
    with pytest.warns(strictness.RerunWarning) as caught:
        ours.Points3D("nowhere")
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", ALIKE)
def test_in_strict_mode_bad_input_raises(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strictness, "_strict", True)
    with pytest.raises((BadData, TypeError, ValueError, OSError)):
        batches(ALIKE[name](ours))


def test_strict_mode_is_a_switch_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strictness, "_strict", False)
    assert not strictness.strict_mode()
    strictness.set_strict_mode(True)
    assert strictness.strict_mode()


@pytest.mark.parametrize(("value", "strict"), [("1", True), ("true", True), ("on", True), ("0", False), ("", False)])
def test_strict_mode_begins_as_the_environment_says(value: str, strict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERUN_STRICT", value)
    assert strictness._strict_from_environment() is strict


def test_a_batch_may_be_strict_by_itself() -> None:
    with pytest.raises(BadData):
        ours.components.RadiusBatch("wide", strict=True)


def test_decorated_functions_warn_and_return_what_was_agreed() -> None:
    @strictness.catch_and_log_exceptions(exception_return_value=7)
    def divide(by: int, strict: bool | None = None) -> int:
        assert strict in (None, True)
        return 1 // by

    assert divide(1) == 1
    with pytest.warns(strictness.RerunWarning, match="ZeroDivisionError"):
        assert divide(0) == 7
    with pytest.raises(ZeroDivisionError):
        divide(0, strict=True)


def test_warnings_are_also_handed_to_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr(strictness, "on_warning", heard.append)
    with pytest.warns(strictness.RerunWarning):
        ours.Scalars("high")
    assert len(heard) == 1
    assert heard[0].startswith("Scalars.scalars: ")
