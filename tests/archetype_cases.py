"""Calls that both SDKs must answer with the same data: `SAMPLES` of every component, `CASES` of construction paths.

Each case takes the SDK, ours or the official one, as `rr`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Case = Callable[[Any], Any]

F32, F64, U8 = np.float32, np.float64, np.uint8
_points = np.arange(12, dtype=F32).reshape(4, 3)
_image = np.arange(4 * 5 * 3, dtype=U8).reshape(4, 5, 3)
_readonly = _points.copy()
_readonly.flags.writeable = False


class ArrayLike:
    """As torch tensors on the CPU are: not numpy, but convertible."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.array.astype(dtype or self.array.dtype)

    def __len__(self) -> int:
        return len(self.array)


class TorchLike(ArrayLike):
    """As torch tensors on a GPU are: only through `numpy(force=True)`."""

    def numpy(self, force: bool = False) -> np.ndarray:
        assert force
        return self.array


def _numbers(*more: Any) -> list[Case]:
    return [
        lambda _: 1,
        lambda _: [0, 1, 2],
        lambda _: (1,),
        lambda _: np.array([3, 1]),
        lambda _: np.array([[3], [1]]),
        lambda _: np.arange(6)[::2],
        lambda _: np.int64(7),
        lambda _: np.uint8(7),
        lambda _: ArrayLike(np.array([1, 2])),
        lambda _: [],
        lambda _: np.array([]),
        *((lambda _, value=value: value) for value in more),
    ]


_FLOATS = _numbers(1.5, [0.25, -1.0], math.inf, [math.nan, 1.0], F32(1.5), F64(-2.5), np.array([1.5, 2.5], F32), True)


def _vectors(width: int, one: str | None = None) -> list[Case]:
    values = np.arange(4 * width, dtype=F64).reshape(4, width)
    forms: list[Any] = [
        values,
        values.astype(F32),
        values.astype(np.int32),
        values[::2],
        values[:, ::-1],
        values.ravel(),
        np.asfortranarray(values),
        values.tolist(),
        [tuple(row) for row in values.tolist()],
        list(values),
        values[0],
        values[0].tolist(),
        ArrayLike(values),
        [],
        np.zeros((0, width)),
        np.zeros(0),
        values.reshape(2, 2, width),
        values.reshape(4, width, 1),
    ]
    cases: list[Case] = [(lambda _, form=form: form) for form in forms]
    if one:
        cases.append(lambda rr: getattr(rr.encodings, one)(values[0]))
        cases.append(lambda rr: [getattr(rr.encodings, one)(row) for row in values])
    return cases


_TEXTS: list[Case] = [
    lambda _: "one",
    lambda _: "gr\u00fc\u00df \u2603 \U0001f916",
    lambda _: "",
    lambda _: ["one", "two"],
    lambda _: ("one",),
    lambda _: [],
    lambda _: np.array(["one", "two"]),
    lambda rr: rr.encodings.Utf8("one"),
    lambda rr: [rr.encodings.Utf8("one"), "two"],
    lambda _: [1, 2.5, None],
    lambda _: 7,
]
_PATHS: list[Case] = [
    lambda _: "/a/b",
    lambda _: ["/a", "b c"],
    lambda rr: rr.encodings.EntityPath("/a"),
    lambda _: [],
]
_BOOLS: list[Case] = [
    lambda _: True,
    lambda _: False,
    lambda _: [True, False, True],
    lambda _: np.array([True, False] * 9),
    lambda _: [1, 0],
    lambda _: 1,
    lambda _: np.bool_(True),
    lambda rr: rr.encodings.Bool(True),
    lambda _: [],
]
_COLORS: list[Case] = [
    lambda _: 0xFF8800FF,
    lambda _: [255, 128, 0],
    lambda _: [255, 128, 0, 64],
    lambda _: (255, 128, 0),
    lambda _: [0xFF0000FF, 0x00FF00FF],
    lambda _: [0xFF0000FF],
    lambda _: [[255, 0, 0], [0, 255, 0]],
    lambda _: [[255, 0, 0, 1], [0, 255, 0, 2]],
    lambda _: [(255, 0, 0), [0, 255, 0, 2]],
    lambda _: [1.0, 0.5, 0.0],
    lambda _: [[1.0, 0.5, 0.0], [0.0, 0.25, 1.0]],
    lambda _: np.array([1.0, 0.5, 0.0, 0.3]),
    lambda _: np.array([[1.0, 0.5, 0.0], [0.0, 0.25, 1.0]], F32),
    lambda _: np.array([255, 128, 0], U8),
    lambda _: np.array([255, 128, 0, 1, 2, 3, 4, 5], U8),
    lambda _: np.array([0xFF0000FF, 0x00FF00FF], np.uint32),
    lambda _: np.array([0xFF0000FF, 0x00FF00FF, 1, 2], np.uint32)[::2],
    lambda _: np.arange(12, dtype=U8).reshape(4, 3),
    lambda _: np.arange(16, dtype=U8).reshape(4, 4),
    lambda _: np.arange(12).reshape(4, 3),
    lambda _: np.arange(16, dtype=U8).reshape(4, 4)[::-1, :3],
    lambda _: [0xFF0000FF, (1, 2, 3), [4, 5, 6, 7]],
    lambda rr: rr.encodings.Rgba32([1, 2, 3]),
    lambda rr: rr.components.Color(0x11223344),
    lambda rr: [rr.components.Color([1, 2, 3]), 0x11223344, (9, 8, 7)],
    lambda _: [],
    lambda _: np.zeros((0, 3), U8),
    lambda _: np.array([]),
    lambda _: np.uint32(5),
    lambda _: 0,
]
_BLOBS: list[Case] = [
    lambda _: b"bytes",
    lambda _: np.arange(5, dtype=U8),
    lambda _: np.arange(10, dtype=U8)[::2],
    lambda _: [b"one", b"three"],
    lambda _: [np.arange(3, dtype=U8), np.arange(2, dtype=U8)],
    lambda _: np.arange(6, dtype=U8).reshape(2, 3),
    lambda _: io.BytesIO(b"file"),
    lambda rr: rr.encodings.Blob(b"blob"),
    lambda rr: [rr.encodings.Blob(b"blob"), rr.encodings.Blob(b"")],
    lambda _: [],
    lambda _: b"",
]
_MATRIX = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
_MATRICES: list[Case] = [
    lambda _: _MATRIX,
    lambda _: np.array(_MATRIX),
    lambda _: np.array(_MATRIX, F32).T,
    lambda _: np.arange(9),
    lambda _: [_MATRIX, _MATRIX],
    lambda _: np.arange(18.0).reshape(2, 3, 3),
    lambda rr: rr.encodings.Mat3x3(_MATRIX),
    lambda rr: rr.encodings.Mat3x3(columns=_MATRIX),
    lambda rr: [rr.encodings.Mat3x3(_MATRIX), rr.encodings.Mat3x3(np.eye(3))],
    lambda _: [],
]
_QUATERNIONS: list[Case] = [
    *_vectors(4),
    lambda rr: rr.Quaternion(xyzw=[0, 0, 0, 1]),
    lambda rr: [rr.Quaternion.identity(), rr.Quaternion(xyzw=np.array([0.5, 0.5, 0.5, 0.5]))],
    lambda rr: rr.Quaternion.invalid(),
]
_AXIS_ANGLES: list[Case] = [
    lambda rr: rr.RotationAxisAngle([0, 0, 1], 1.5),
    lambda rr: rr.RotationAxisAngle([0, 0, 1], degrees=90),
    lambda rr: rr.RotationAxisAngle(axis=np.array([0, 1, 1]), radians=-2),
    lambda rr: rr.RotationAxisAngle((1, 0, 0), rr.Angle(deg=45)),
    lambda rr: [rr.RotationAxisAngle([0, 0, 1], 1), rr.RotationAxisAngle([0, 1, 0], rr.Angle(rad=2))],
    lambda _: [],
]
_RANGES: list[Case] = [
    lambda _: [0, 1],
    lambda _: (0.5, 2.5),
    lambda _: np.array([1.0, 2.0]),
    lambda _: [[0, 1], [2, 3]],
    lambda _: slice(2, 5),
    lambda rr: rr.encodings.Range1D([1, 2]),
]
_STRIP3, _STRIP2 = [[0, 0, 0], [1, 1, 1], [2, 2, 3]], [[0, 0], [1, 1], [2, 3]]


def _strips(strip: list[list[int]], width: int, name: str | None) -> list[Case]:
    cases: list[Case] = [
        lambda _: [strip, strip[:2]],
        lambda _: strip,
        lambda _: [strip],
        lambda _: np.array(strip),
        lambda _: np.array(strip, F32),
        lambda _: np.array([strip, strip], F32),
        lambda _: np.array([strip, strip]),
        lambda _: [np.array(strip), np.array(strip, F32)[:1]],
        lambda _: [np.array(point) for point in strip],
        lambda _: [tuple(map(tuple, strip)), strip],
        lambda _: [],
        lambda _: np.zeros((0, 2, width)),
        lambda _: [np.array(strip)[::-1], np.zeros((0, width))],
    ]
    if name:
        cases.append(lambda rr: getattr(rr.components, name)(strip))
        cases.append(lambda rr: [getattr(rr.components, name)(strip), strip])
    return cases


def _enum(name: str, *variants: str, package: str = "components") -> list[Case]:
    def of(rr: Any) -> Any:
        return getattr(getattr(rr.bp if package.startswith("bp") else rr, package.rpartition(".")[2]), name)

    first, last = variants[0], variants[-1]
    return [
        lambda rr: getattr(of(rr), first),
        lambda _: first,
        lambda _: last.lower(),
        lambda rr: getattr(of(rr), last).value,
        lambda rr: [getattr(of(rr), first), last],
        lambda _: [],
    ]


_TENSORS: list[Case] = [
    *(
        (lambda _, dtype=dtype: np.arange(6).astype(dtype))
        for dtype in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
    ),
    lambda _: np.arange(6.0)[::2],
    lambda _: [1, 2, 3],
    lambda _: [1.5, 2.5],
    lambda rr: rr.encodings.TensorData(array=np.arange(4)),
    lambda rr: rr.encodings.TensorData(shape=[4], buffer=np.arange(4)),
    lambda _: TorchLike(np.arange(4)),
    lambda _: ArrayLike(np.arange(4, dtype=F32)),
]
_ANNOTATIONS: list[Case] = [
    lambda _: [(1, "red", (255, 0, 0)), (2, "green"), (3,)],
    lambda _: [1, 2],
    lambda rr: [rr.AnnotationInfo(1, label="red", color=(255, 0, 0)), rr.AnnotationInfo(id=2)],
    lambda rr: rr.ClassDescription(
        info=rr.AnnotationInfo(1, "person", [1, 2, 3, 4]),
        keypoint_annotations=[(i, f"joint {i}") for i in range(3)],
        keypoint_connections=[(0, 1), (1, 2)],
    ),
    lambda rr: [
        rr.ClassDescription(info=(0, "a"), keypoint_annotations=[rr.AnnotationInfo(5)]),
        rr.ClassDescription(info=1, keypoint_connections=[rr.encodings.KeypointPair(1, 2)]),
        (2, "c"),
    ],
    lambda rr: rr.components.AnnotationContext([(1, "red")]),
    lambda rr: [rr.encodings.ClassDescriptionMapElem(7, rr.ClassDescription(info=7))],
    lambda _: [],
]
_VISIBLE_RANGES: list[Case] = [
    lambda rr: rr.encodings.VisibleTimeRange(
        "frame",
        start=rr.encodings.TimeRangeBoundary.cursor_relative(seq=-5),
        end=rr.encodings.TimeRangeBoundary.infinite(),
    ),
    lambda rr: [
        rr.encodings.VisibleTimeRange("t", range=_time_range(rr)),
        rr.encodings.VisibleTimeRange(
            "u",
            start=rr.encodings.TimeRangeBoundary.absolute(seconds=1.5),
            end=rr.encodings.TimeRangeBoundary.cursor_relative(),
        ),
    ],
]


def _time_range(rr: Any) -> Any:
    boundary = rr.encodings.TimeRangeBoundary
    return rr.encodings.TimeRange(start=boundary.absolute(nanos=7), end=boundary.absolute(seq=9))


def _bp(rr: Any, name: str) -> Any:
    return getattr(rr.bp.encodings, name)


_CHOICES = {
    "components": {
        "AggregationPolicy": ("Off", "MinMaxAverage"),
        "Colormap": ("Grayscale", "Turbo"),
        "EntryKind": ("Dataset", "Table"),
        "FillMode": ("MajorWireframe", "Solid"),
        "GraphType": ("Undirected", "Directed"),
        "InterpolationMode": ("Linear", "StepMid"),
        "MagnificationFilter": ("Nearest", "Bicubic"),
        "MarkerShape": ("Circle", "Asterisk"),
        "MeshFaceRendering": ("DoubleSided", "Back"),
        "PointShading": ("Gradient", "Flat"),
        "TransformRelation": ("ParentFromChild", "ChildFromParent"),
        "VideoCodec": ("AV1", "H264"),
    },
    "bp.components": {
        "BackgroundKind": ("GradientDark", "SolidColor"),
        "ColumnDisplayMode": ("Compact", "Full"),
        "ContainerKind": ("Tabs", "Grid"),
        "Corner2D": ("LeftTop", "RightBottom"),
        "Eye3DKind": ("FirstPerson", "Orbital"),
        "LinkAxis": ("Independent", "LinkToGlobal"),
        "LoopMode": ("Off", "All"),
        "MapProvider": ("OpenStreetMap", "MapboxDark"),
        "PanelState": ("Hidden", "Expanded"),
        "PlayState": ("Paused", "Following"),
        "PointsDisplay": ("OnHover", "Always"),
        "TableLayoutKind": ("Table", "Cards"),
        "TooltipMode": ("Nearest", "All"),
        "ViewFit": ("Original", "FillKeepAspectRatio"),
    },
}

# For each component that is not simply of one of the encodings below: what may be given for it.
OF_COMPONENT: dict[str, list[Case]] = {
    **{
        name: _enum(name, *names, package=package) for package, all_ in _CHOICES.items() for name, names in all_.items()
    },
    "AnnotationContext": _ANNOTATIONS,
    "ChannelMessageCounts": [
        lambda _: [(1, 2), (3, 4)],
        lambda rr: [rr.encodings.ChannelCountPair(1, 2)],
        lambda _: [],
    ],
    "GeoLineString": _strips(_STRIP2, 2, None),
    "LineStrip2D": _strips(_STRIP2, 2, "LineStrip2D"),
    "LineStrip3D": _strips(_STRIP3, 3, "LineStrip3D"),
    "KeyValuePairs": [
        lambda _: {"a": "1", "b": "2"},
        lambda _: [{"a": "1"}, {"b": "2"}],
        lambda rr: rr.components.KeyValuePairs([("a", "1"), {"b": "2"}]),
        lambda _: [[("a", "1"), ("b", "2")], [("c", "3")]],
        lambda _: [],
    ],
    "Timestamp": [lambda _: 5, lambda rr: rr.components.Timestamp(nanos=7), lambda _: [1, 2]],
    "VideoTimestamp": [
        lambda _: 5,
        lambda _: [1, 2],
        lambda rr: rr.components.VideoTimestamp(seconds=1.5),
        lambda rr: [rr.components.VideoTimestamp(nanoseconds=7)],
    ],
    "ColumnOrder": [
        lambda _: ["/a", "/b"],
        lambda rr: rr.bp.components.ColumnOrder(["/c"]),
    ],
    "Scale3D": [
        *_vectors(3, "Vec3D"),
        lambda rr: rr.components.Scale3D(2.5),
        lambda rr: rr.components.Scale3D([1, 2, 3]),
    ],
    "VisualBounds2D": [lambda rr: rr.bp.components.VisualBounds2D(x_range=[0, 1], y_range=[-1, 2.5])],
    "TensorData": _TENSORS,
}

# By encoding: what may be given for a component of it.
OF_ENCODING: dict[str, list[Case]] = {
    "AbsoluteTimeRange": [lambda rr: rr.encodings.AbsoluteTimeRange(1, 5)],
    "Blob": _BLOBS,
    "Bool": _BOOLS,
    "ClassId": _numbers(65535, np.array([1, 2], np.uint16)),
    "DVec2D": [*_vectors(2, "DVec2D")],
    "EntityPath": _PATHS,
    "Float32": [*_FLOATS, lambda rr: rr.encodings.Float32(1.5)],
    "Float64": [*_FLOATS, lambda rr: rr.encodings.Float64(1.5), lambda _: np.arange(3.0), lambda _: 2**60],
    "ImageFormat": [
        lambda rr: rr.encodings.ImageFormat(4, 3, color_model="RGB", channel_datatype="U8"),
        lambda rr: rr.components.ImageFormat(width=4, height=3, pixel_format="NV12"),
        lambda rr: [
            rr.components.ImageFormat(4, 3, channel_datatype=8),
            rr.components.ImageFormat(4, 3, color_model=1),
        ],
    ],
    "IVec3D": [
        lambda _: [[1, -2, 3]],
        lambda _: np.arange(6).reshape(2, 3) - 3,
        lambda rr: rr.encodings.IVec3D([1, 2, 3]),
    ],
    "KeypointId": _numbers(65535),
    "Mat3x3": _MATRICES,
    "Plane3D": [
        lambda rr: rr.components.Plane3D([0, 0, 1], 2.5),
        lambda rr: rr.components.Plane3D.XY,
        lambda _: [0, 1, 0, 5],
    ],
    "Quaternion": _QUATERNIONS,
    "Range1D": _RANGES,
    "Rgba32": _COLORS,
    "RotationAxisAngle": _AXIS_ANGLES,
    "SphericalHarmonics3Rgb": [
        lambda _: np.arange(90, dtype=F32).reshape(2, 15, 3) / 90,
        lambda _: np.arange(45),
        lambda _: np.arange(90).reshape(2, 45),
        lambda rr: rr.encodings.SphericalHarmonics3Rgb(np.zeros((15, 3))),
    ],
    "TensorDimensionIndexSelection": [
        lambda rr: rr.encodings.TensorDimensionIndexSelection(1, 2),
        lambda rr: [rr.encodings.TensorDimensionIndexSelection(1, 2), rr.encodings.TensorDimensionIndexSelection(0, 7)],
    ],
    "TensorDimensionSelection": [lambda _: 1, lambda rr: rr.encodings.TensorDimensionSelection(2, invert=True)],
    "TimeInt": [lambda _: 5, lambda rr: rr.encodings.TimeInt(seconds=1.5)],
    "TimeRange": [_time_range],
    "UInt16": _numbers(65535),
    "UInt32": _numbers(2**32 - 1),
    "UInt64": _numbers(2**64 - 1, [2**63, 1]),
    "UVec3D": [
        lambda _: [[0, 1, 2]],
        lambda _: np.arange(6).reshape(2, 3),
        lambda _: np.arange(6, dtype=np.uint32),
        lambda _: [],
    ],
    "Utf8": _TEXTS,
    "Utf8Pair": [
        lambda _: [("a", "b"), ("b", "c")],
        lambda rr: rr.encodings.Utf8Pair("a", "b"),
        lambda rr: [rr.encodings.Utf8Pair("a", "b"), ("c", "d")],
        lambda _: np.array([["a", "b"], ["c", "d"]]),
        lambda _: [],
    ],
    "Uuid": [lambda _: bytes(range(16)), lambda _: [bytes(range(16)), bytes(16)], lambda _: np.arange(32, dtype=U8)],
    "Vec2D": _vectors(2, "Vec2D"),
    "Vec3D": [*_vectors(3, "Vec3D"), lambda _: _readonly, lambda rr: rr.components.Position3D([1, 2, 3])],
    "ViewCoordinates": [
        lambda rr: rr.components.ViewCoordinates.RDF,
        lambda rr: [rr.encodings.ViewDir.Up, "right", 5],
        lambda rr: rr.encodings.ViewCoordinates(["Up", "Right", "Forward"]),
        lambda _: [1, 3, 5],
    ],
    "VisibleTimeRange": _VISIBLE_RANGES,
    "ColumnType": [
        lambda rr: _bp(rr, "ColumnType")(component="a"),
        lambda rr: _bp(rr, "ColumnType")(component_type_name="b"),
    ],
    "ComponentColumnSelector": [lambda rr: _bp(rr, "ComponentColumnSelector")("/a:b")],
    "FilterByRange": [lambda rr: _bp(rr, "FilterByRange")(1, rr.encodings.TimeInt(seq=4))],
    "FilterIsNotNull": [
        lambda rr: _bp(rr, "FilterIsNotNull")(True, rr.bp.components.ComponentColumnSelector("/a:b")),
        lambda _: "/a:b",
        lambda rr: rr.bp.components.ComponentColumnSelector(entity_path="/a", component="c"),
    ],
    "SelectedColumns": [
        lambda _: ["frame", "/a:b"],
        lambda rr: rr.bp.components.SelectedColumns(["t", "/a:b", "/c:d"]),
    ],
    "SortBy": [lambda rr: _bp(rr, "SortBy")("a"), lambda rr: _bp(rr, "SortBy")("a", direction="descending")],
    "TensorDimensionIndexSlider": [lambda _: [1, 2], lambda rr: _bp(rr, "TensorDimensionIndexSlider")(3)],
    "TextLogColumn": [lambda rr: _bp(rr, "TextLogColumn")("Body"), lambda _: ["LogLevel", "body"]],
    "TimelineColumn": [lambda rr: _bp(rr, "TimelineColumn")("t", visible=False), lambda _: ["t", "u"]],
    "VisualizerComponentMapping": [
        lambda rr: _bp(rr, "VisualizerComponentMapping")("a", "Override"),
        lambda rr: [_bp(rr, "VisualizerComponentMapping")("a", 1, source_component="b", selector=".c")],
    ],
}

_TRIANGLE = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
_K = [[500, 0, 320], [0, 501, 240], [0, 0, 1]]


def construction_paths(file: Path) -> dict[str, Case]:
    """Constructors with arguments that are no fields, or that are worth more than one look. file: some .png."""
    return {
        "points3d": lambda rr: rr.Points3D(_points, radii=0.5, colors=[255, 0, 0], labels="a"),
        "points3d keypoints": lambda rr: rr.Points3D(_points, keypoint_ids=[1, 2, 3, 4]),
        "points3d keypoints of a class": lambda rr: rr.Points3D(_points, keypoint_ids=[1, 2, 3, 4], class_ids=7),
        "points3d positional": lambda rr: rr.Points3D([1, 2, 3]),
        "points3d by name": lambda rr: rr.Points3D(positions=[[1, 2, 3]], point_shading="flat", show_labels=True),
        "points3d radii": lambda rr: rr.Points3D(_points, radii=rr.Radius.ui_points([1, 2, 3, 4])),
        "points2d": lambda rr: rr.Points2D(_points[:, :2], draw_order=3, keypoint_ids=1),
        "points3d from_fields": lambda rr: rr.Points3D.from_fields(keypoint_ids=[1], radii=[]),
        "points3d clear_unset": lambda rr: rr.Points3D.from_fields(clear_unset=True, radii=[1]),
        "arrows3d": lambda rr: rr.Arrows3D(vectors=_points, origins=_points[::-1]),
        "arrows2d": lambda rr: rr.Arrows2D(vectors=[[1, 2]], origins=[0, 0], draw_order=1),
        "boxes2d sizes": lambda rr: rr.Boxes2D(sizes=[[2, 4]], centers=[[1, 1]]),
        "boxes2d mins sizes": lambda rr: rr.Boxes2D(mins=[[0, 0]], sizes=[[2, 4]]),
        "boxes2d mins half_sizes": lambda rr: rr.Boxes2D(mins=[0, 0], half_sizes=[2, 4], draw_order=2),
        "boxes2d half_sizes": lambda rr: rr.Boxes2D(half_sizes=[2, 4], labels=["a"]),
        "boxes2d array of none": lambda rr: rr.Boxes2D(array=[], array_format=rr.Box2DFormat.XYWH),
        "boxes2d array of one": lambda rr: rr.Boxes2D(array=[1, 2, 3, 4], array_format=rr.Box2DFormat.XYXY),
        **{
            f"boxes2d {name}": lambda rr, name=name: rr.Boxes2D(
                array=np.array([[1, 2, 3, 5], [4, 4, 8, 9.5]]), array_format=getattr(rr.Box2DFormat, name)
            )
            for name in ("XYWH", "YXHW", "XYXY", "YXYX", "XCYCWH", "XCYCW2H2")
        },
        "boxes3d sizes": lambda rr: rr.Boxes3D(sizes=[[2, 4, 6]], centers=[[1, 1, 1]]),
        "boxes3d mins": lambda rr: rr.Boxes3D(mins=[[0, 0, 0]], sizes=[[2, 4, 6]], fill_mode="solid"),
        "boxes3d mins half_sizes": lambda rr: rr.Boxes3D(mins=[[0, 0, 0]], half_sizes=[2, 4, 6]),
        "boxes3d quaternions": lambda rr: rr.Boxes3D(half_sizes=_points, quaternions=rr.Quaternion.identity()),
        "boxes3d rotations quat": lambda rr: rr.Boxes3D(half_sizes=_points, rotations=[[0, 0, 0, 1]]),
        "boxes3d rotations quats": lambda rr: rr.Boxes3D(half_sizes=_points, rotations=[rr.Quaternion.identity()]),
        "boxes3d rotations axis": lambda rr: rr.Boxes3D(
            half_sizes=_points, rotations=rr.RotationAxisAngle([0, 0, 1], 1)
        ),
        "boxes3d rotation_axis_angles": lambda rr: rr.Boxes3D(
            half_sizes=_points, rotation_axis_angles=[rr.RotationAxisAngle([0, 0, 1], degrees=9)]
        ),
        "ellipsoids3d radii": lambda rr: rr.Ellipsoids3D(radii=[1, 2], centers=_points[:2]),
        "ellipsoids3d half_sizes": lambda rr: rr.Ellipsoids3D(half_sizes=_points, fill_mode=1, line_radii=0.1),
        "ellipses2d": lambda rr: rr.Ellipses2D(half_sizes=[[1, 2]], draw_order=[1]),
        "capsules3d": lambda rr: rr.Capsules3D(lengths=[1, 2], radii=[3, 4], translations=_points[:2]),
        "cylinders3d": lambda rr: rr.Cylinders3D(lengths=1, radii=2, centers=[0, 0, 0]),
        "strips of one": lambda rr: rr.LineStrips3D(_STRIP3, radii=0.1),
        "transform3d": lambda rr: rr.Transform3D(translation=[1, 2, 3], mat3x3=np.eye(3), relation="ChildFromParent"),
        "transform3d quat": lambda rr: rr.Transform3D(rotation=rr.Quaternion(xyzw=[0, 0, 0, 1])),
        "transform3d quats": lambda rr: rr.Transform3D(rotation=[rr.Quaternion(xyzw=[0, 0, 0, 1])]),
        "transform3d axis": lambda rr: rr.Transform3D(rotation=rr.RotationAxisAngle([0, 0, 1], degrees=30)),
        "transform3d quaternion": lambda rr: rr.Transform3D(quaternion=[0, 0, 0, 1]),
        "transform3d scale number": lambda rr: rr.Transform3D(scale=2),
        "transform3d scale float": lambda rr: rr.Transform3D(scale=np.float32(2.5)),
        "transform3d scale of three": lambda rr: rr.Transform3D(scale=[1, 2, 3]),
        "transform3d empty": lambda rr: rr.Transform3D(),
        "transform3d frames": lambda rr: rr.Transform3D(child_frame="a", parent_frame="b", translation=np.zeros(3)),
        "transform3d matrix columns": lambda rr: rr.Transform3D(mat3x3=rr.encodings.Mat3x3(columns=_MATRIX)),
        "transform3d clear": lambda rr: rr.Transform3D.from_fields(clear_unset=True, scale=[1, 2, 3]),
        "instance poses": lambda rr: rr.InstancePoses3D(translations=_points, scales=[2, 2, 2]),
        "pinhole matrix": lambda rr: rr.Pinhole(image_from_camera=_K, resolution=[640, 480]),
        "pinhole matrix wh": lambda rr: rr.Pinhole(image_from_camera=np.array(_K), width=640, height=480),
        "pinhole focal": lambda rr: rr.Pinhole(focal_length=500, width=640, height=480),
        "pinhole focal f": lambda rr: rr.Pinhole(focal_length=500.5, resolution=[640, 480]),
        "pinhole focals": lambda rr: rr.Pinhole(focal_length=(500, 510), principal_point=(300, 200)),
        "pinhole principal": lambda rr: rr.Pinhole(
            focal_length=[500, 510], principal_point=[300, 200], width=640, height=480
        ),
        "pinhole fov": lambda rr: rr.Pinhole(fov_y=0.9, aspect_ratio=1.7, image_plane_distance=2),
        "pinhole fov camera": lambda rr: rr.Pinhole(fov_y=0.9, aspect_ratio=1.7, camera_xyz=rr.ViewCoordinates.RUB),
        "pinhole looks": lambda rr: rr.Pinhole(focal_length=3, width=4, height=5, color=[1, 2, 3], line_width=0.5),
        "pinhole frames": lambda rr: rr.Pinhole(focal_length=3, width=4, height=5, child_frame="a", parent_frame="b"),
        "view coordinates": lambda rr: rr.ViewCoordinates.RIGHT_HAND_Z_UP,
        "view coordinates component": lambda rr: rr.components.ViewCoordinates.LUF,
        "view coordinates list": lambda rr: rr.ViewCoordinates([1, 3, 5]),
        "view coordinates xyz": lambda rr: rr.ViewCoordinates(xyz=rr.components.ViewCoordinates.RDF),
        "image rgb": lambda rr: rr.Image(_image),
        "image bgr": lambda rr: rr.Image(_image, "BGR"),
        "image color_model": lambda rr: rr.Image(_image, color_model=rr.ColorModel.BGR, opacity=0.5),
        "image rgba": lambda rr: rr.Image(np.zeros((2, 3, 4), F32)),
        "image l": lambda rr: rr.Image(np.zeros((2, 3), np.uint16), draw_order=1, magnification_filter="Linear"),
        "image of one channel": lambda rr: rr.Image(np.zeros((2, 3, 1), U8)),
        "image with leading one": lambda rr: rr.Image(np.zeros((1, 2, 3, 3), U8)),
        "image flipped": lambda rr: rr.Image(_image[:, :, ::-1]),
        "image strided": lambda rr: rr.Image(_image[::2, ::2]),
        "image list": lambda rr: rr.Image([[1, 2], [3, 4]]),
        "image torch": lambda rr: rr.Image(TorchLike(_image)),
        "image pil": _pil_image,
        "image bytes": lambda rr: rr.Image(bytes=b"123456", width=3, height=2, color_model="L", datatype=U8),
        "image bytes u16": lambda rr: rr.Image(
            bytes=bytes(12), width=3, height=2, color_model="L", datatype=rr.ChannelDatatype.U16
        ),
        "image bytes rgb": lambda rr: rr.Image(bytes=bytes(18), width=3, height=2, color_model="rgb", datatype="u8"),
        "image nv12": lambda rr: rr.Image(bytes=bytes(12), width=4, height=2, pixel_format=rr.PixelFormat.NV12),
        "image array nv12": lambda rr: rr.Image(bytes=np.zeros((3, 4), U8), width=4, height=2, pixel_format="NV12"),
        "image with size": lambda rr: rr.Image(_image, width=5, height=4),
        "image compressed": lambda rr: rr.Image(_image).compress(jpeg_quality=80),
        "image compressed l": lambda rr: rr.Image(_image[:, :, 0]).compress(),
        "image from_fields": lambda rr: rr.Image.from_fields(opacity=0.5),
        **{
            f"image {dtype}": lambda rr, dtype=dtype: rr.Image(np.ones((2, 3), dtype))
            for dtype in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
        },
        "depth image": lambda rr: rr.DepthImage(
            np.ones((2, 3), np.uint16), meter=1000, colormap="viridis", depth_range=[0, 9]
        ),
        "depth image f32": lambda rr: rr.DepthImage(np.ones((2, 3, 1), F32), point_fill_ratio=0.5, draw_order=2),
        "depth image compressed": lambda rr: rr.DepthImage(
            np.ones((2, 3), np.uint16), meter=2, depth_range=[0, 9]
        ).compress(),
        "segmentation image": lambda rr: rr.SegmentationImage(np.ones((2, 3), U8), opacity=0.5, draw_order=2),
        "segmentation image i64": lambda rr: rr.SegmentationImage(np.ones((1, 2, 3), np.int64)),
        "encoded image": lambda rr: rr.EncodedImage(contents=b"123", media_type="image/png", opacity=0.5),
        "encoded image path": lambda rr: rr.EncodedImage(path=file),
        "encoded image path type": lambda rr: rr.EncodedImage(path=str(file), media_type="image/jpeg", draw_order=1),
        "encoded image file": lambda rr: rr.EncodedImage(contents=io.BytesIO(b"123"), media_type=rr.MediaType.JPEG),
        "encoded image array": lambda rr: rr.EncodedImage(contents=np.arange(4, dtype=U8), media_type="image/png"),
        "encoded depth image": lambda rr: rr.EncodedDepthImage(b"123", media_type="image/png", meter=1000),
        "asset3d": lambda rr: rr.Asset3D(contents=b"123", albedo_factor=[1, 2, 3]),
        "asset3d path": lambda rr: rr.Asset3D(path=file, media_type=rr.MediaType.GLB),
        "asset audio": lambda rr: rr.AssetAudio(contents=b"123", media_type="audio/mpeg"),
        "asset video": lambda rr: rr.AssetVideo(path=file),
        "video frame": lambda rr: rr.VideoFrameReference(7, video_reference="/v", opacity=1),
        "video frame seconds": lambda rr: rr.VideoFrameReference(seconds=1.25),
        "video frame nanoseconds": lambda rr: rr.VideoFrameReference(nanoseconds=5, draw_order=2),
        "video frame timestamp": lambda rr: rr.VideoFrameReference(rr.components.VideoTimestamp(seconds=2)),
        "video stream": lambda rr: rr.VideoStream("h264", sample=b"123", is_keyframe=True),
        "mesh": lambda rr: rr.Mesh3D(
            vertex_positions=_TRIANGLE, triangle_indices=[0, 1, 2], vertex_colors=[[255, 0, 0]] * 3
        ),
        "mesh texture": lambda rr: rr.Mesh3D(
            vertex_positions=_TRIANGLE, albedo_texture=_image, vertex_texcoords=[[0, 1]] * 3
        ),
        "mesh texture rgba": lambda rr: rr.Mesh3D(vertex_positions=_TRIANGLE, albedo_texture=np.zeros((2, 2, 4), F32)),
        "mesh looks": lambda rr: rr.Mesh3D(
            vertex_positions=_points,
            vertex_normals=_points,
            albedo_factor=0xFF00FFFF,
            face_rendering="front",
            class_ids=3,
        ),
        "tensor": lambda rr: rr.Tensor(np.arange(24).reshape(2, 3, 4)),
        "tensor names": lambda rr: rr.Tensor(np.zeros((2, 3), F32), dim_names=["a", "b"], value_range=[0, 1]),
        "tensor data": lambda rr: rr.Tensor(rr.TensorData(array=np.zeros((2, 3)), dim_names=["a", "b"])),
        "tensor transposed": lambda rr: rr.Tensor(np.arange(6, dtype=U8).reshape(2, 3).T),
        "tensor scalar": lambda rr: rr.Tensor(np.array(3.0)),
        "tensor empty": lambda rr: rr.Tensor(np.zeros((0, 3))),
        "tensor torch": lambda rr: rr.Tensor(TorchLike(np.ones((2, 2), np.float16)), dim_names=("a", "b")),
        "bar chart": lambda rr: rr.BarChart([1, 2, 3], color=[1, 2, 3]),
        "bar chart abscissa": lambda rr: rr.BarChart(np.arange(3.0), abscissa=np.arange(3), widths=[1, 2, 3]),
        "bar chart of one row": lambda rr: rr.BarChart(np.zeros((1, 4))),
        "volume": lambda rr: rr.Volume3D(np.zeros((2, 2, 2), F32), voxel_size=[1, 1, 1], gamma=2, optical_density=3),
        "grid map": lambda rr: rr.GridMap(
            data=bytes(4), format=rr.components.ImageFormat(2, 2, color_model="L", channel_datatype="U8"), cell_size=0.5
        ),
        "voxels": lambda rr: rr.VoxelGridMap([[0, 1, 2]], [1, 1, 1], values=[5], colormap="turbo"),
        "scalars": lambda rr: rr.Scalars(1.5),
        "scalars int": lambda rr: rr.Scalars(3),
        "scalars of many": lambda rr: rr.Scalars([1, 2.5, math.inf]),
        "series lines": lambda rr: rr.SeriesLines(colors=[255, 0, 0], names="a", widths=2, aggregation_policy="Off"),
        "series lines of two": lambda rr: rr.SeriesLines(colors=[[255, 0, 0], [0, 255, 0]], names=["a", "b"]),
        "series points": lambda rr: rr.SeriesPoints(markers="diamond", marker_sizes=3),
        "series points of nothing": lambda rr: rr.SeriesPoints(),
        "series points of two": lambda rr: rr.SeriesPoints(
            markers=["up", rr.components.MarkerShape.Down], visible_series=[True, False]
        ),
        "text log": lambda rr: rr.TextLog("hello", level="INFO", color=0xFF0000FF),
        "text log level": lambda rr: rr.TextLog("hello", level=rr.TextLogLevel.WARN),
        "text document": lambda rr: rr.TextDocument("# hello", media_type=rr.MediaType.MARKDOWN),
        "clear": lambda rr: rr.Clear(recursive=True),
        "clear flat": lambda rr: rr.Clear.flat(),
        "clear recursive": lambda rr: rr.Clear.recursive(),
        "geo points": lambda rr: rr.GeoPoints(lat_lon=[[59.3, 18.1]], radii=[10], colors=[1, 2, 3], class_ids=1),
        "geo lines": lambda rr: rr.GeoLineStrings(lat_lon=[[[1.1, 2], [3, 4]], [[5, 6]]], radii=1),
        "class description": lambda rr: rr.ClassDescription(info=(1, "a", [1, 2, 3])),
        "mcap channel": lambda rr: rr.McapChannel(id=1, topic="/a", message_encoding="cdr", metadata={"a": "b"}),
        "recording info": lambda rr: rr.archetypes.RecordingInfo(start_time=5, name="a"),
        "state change": lambda rr: rr.StateChange(state=["idle"]),
        "any values": lambda rr: rr.AnyValues(
            a=1, b=1.5, c="s", d=[1, 2], e=b"x", f=True, g=None, h=np.arange(3, dtype=F32)
        ),
        "any values nested": lambda rr: rr.AnyValues(
            nested=[[1, 2], [3]], structs=[{"a": 1, "b": "x"}], texts=["a", "b"]
        ),
        "any values numpy": lambda rr: rr.AnyValues(
            n1=np.float32(1), n2=np.array(["a"]), n3=ArrayLike(np.arange(2)), n4=range(3)
        ),
        "any values batch": lambda rr: rr.AnyValues(
            batch=rr.components.ColorBatch([[1, 2, 3]]), one=rr.components.Radius(2)
        ),
        "any values again": lambda rr: rr.AnyValues(typed_first=np.zeros(2, F32)) and rr.AnyValues(typed_first=[1, 2]),
        "any values then none": lambda rr: rr.AnyValues(typed_then=[1.5]) and rr.AnyValues(typed_then=None),
        "any values then empty": lambda rr: rr.AnyValues(typed_empty=["a"]) and rr.AnyValues(typed_empty=[]),
        "any values by field": lambda rr: rr.AnyValues(x=1).with_component_from_data("y", [1, 2]),
        "any values typed": lambda rr: rr.AnyValues(x=1).with_component_override("z", "my.Type", "text"),
        "dynamic archetype": lambda rr: rr.DynamicArchetype("mine", components={"a": 1, "b": [1.5, 2.5], "c": None}),
        "dynamic archetype typed": lambda rr: rr.DynamicArchetype(
            "my.own", components={"a": 1}
        ).with_component_override("b", "t", 2),
        "background": lambda rr: rr.bp.archetypes.Background([1, 2, 3]),
        "background kind": lambda rr: rr.bp.archetypes.Background(rr.bp.components.BackgroundKind.GradientBright),
        "background both": lambda rr: rr.bp.archetypes.Background(kind="SolidColor", color=0xFF),
        "background none": lambda rr: rr.bp.archetypes.Background(),
        "dataframe query": lambda rr: rr.bp.archetypes.DataframeQuery(
            timeline="t",
            filter_by_range=(1, 5),
            filter_is_not_null="/a:b",
            select=["t", "/a:b"],
            entity_order=["/b", "/a"],
        ),
        "dataframe query empty": lambda rr: rr.bp.archetypes.DataframeQuery(apply_latest_at=True, auto_scroll=True),
        "line grid": lambda rr: rr.bp.archetypes.LineGrid3D(
            True, spacing=2, plane=rr.components.Plane3D.XY.with_distance(3)
        ),
        "visible range": lambda rr: rr.bp.archetypes.VisibleTimeRanges(
            timeline="t",
            start=rr.encodings.TimeRangeBoundary.cursor_relative(seq=-1),
            end=rr.encodings.TimeRangeBoundary.cursor_relative(),
        ),
        "visible ranges": lambda rr: rr.bp.archetypes.VisibleTimeRanges(_VISIBLE_RANGES[1](rr)),
        "visible ranges of one": lambda rr: rr.bp.archetypes.VisibleTimeRanges(_VISIBLE_RANGES[0](rr)),
        "visual bounds": lambda rr: rr.bp.archetypes.VisualBounds2D(x_range=[0, 1], y_range=(2, 3)),
        "visual bounds empty": lambda rr: rr.bp.archetypes.VisualBounds2D(),
        "tensor slice": lambda rr: rr.bp.archetypes.TensorSliceSelection(width=1, height=2, slider=[0]),
        "card layout": lambda rr: rr.bp.archetypes.CardLayout(["a", "b"], title="t"),
    }


def _pil_image(rr: Any) -> Any:
    from PIL import Image

    return rr.Image(Image.fromarray(_image))


COLUMNS: dict[str, Case] = {
    "scalars": lambda rr: rr.Scalars.columns(scalars=[1, 2, 3]),
    "scalars of two": lambda rr: rr.Scalars.columns(scalars=np.arange(6.0).reshape(3, 2)),
    "scalars partitioned": lambda rr: rr.Scalars.columns(scalars=np.arange(6.0)).partition([1, 2, 3]),
    "points": lambda rr: rr.Points3D.columns(positions=_points, radii=[1, 2, 3, 4], labels=["a", "b", "c", "d"]),
    "points of many": lambda rr: rr.Points3D.columns(positions=np.zeros((5, 2, 3)), colors=np.zeros((5, 2), np.uint32)),
    "points partitioned": lambda rr: rr.Points3D.columns(positions=_points, colors=_COLORS[17](rr)).partition(
        [3, 0, 1]
    ),
    "transforms": lambda rr: rr.Transform3D.columns(
        translation=_points, quaternion=np.ones((4, 4)), mat3x3=np.ones((4, 3, 3))
    ),
    "strips": lambda rr: rr.LineStrips3D.columns(strips=[_STRIP3, _STRIP3[:2]]),
    "images": lambda rr: rr.Image.columns(buffer=[bytes(4), bytes(5)]),
    "texts": lambda rr: rr.TextLog.columns(text=["a", "b"], level=["INFO", "WARN"]),
    "enums": lambda rr: rr.Boxes3D.columns(half_sizes=_points[:2], fill_mode=["solid", 1]),
    "nothing": lambda rr: rr.Points3D.columns(),
    "empty": lambda rr: rr.Scalars.columns(scalars=[]),
    "video frames": lambda rr: rr.VideoFrameReference.columns_nanos([1, 2, 3]),
    "video frames secs": lambda rr: rr.VideoFrameReference.columns_secs([1, 2, 3]),
    "video frames millis": lambda rr: rr.VideoFrameReference.columns_millis([1, 2, 3]),
    "any values": lambda rr: rr.AnyValues.columns(
        col_a=[1, 2, 3], col_b=["x", "y", "z"], col_c=[[1.5], [2.5, 3.5], []]
    ),
    "any values of arrays": lambda rr: rr.AnyValues.columns(col_d=np.arange(3), col_e=[np.arange(2), np.arange(3)]),
    "any values partitioned": lambda rr: rr.AnyValues.columns(col_f=np.arange(6)).partition([2, 4]),
    "dynamic": lambda rr: rr.DynamicArchetype.columns("mine", components={"col_a": [1, 2], "col_b": [[1], [2, 3]]}),
    "batch": lambda rr: [rr.components.RadiusBatch([1, 2, 3]).partition([1, 2])],
    "described batch": lambda rr: [
        rr.components.RadiusBatch([1, 2, 3]).described(rr.ComponentDescriptor("a", "b", "c")).partition()
    ],
    "component column": lambda rr: [rr.ComponentColumn("x", rr.components.TextBatch(["a", "b"]), lengths=[2])],
}
