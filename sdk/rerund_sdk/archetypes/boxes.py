"""Boxes."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from rerund_sdk.archetype import Visualizable, field, forgiving
from rerund_sdk.components import (
    ClassId,
    Color,
    DrawOrder,
    FillMode,
    FillModeLike,
    HalfSize2D,
    HalfSize3D,
    Position2D,
    Radius,
    RotationAxisAngle,
    RotationAxisAngleBatch,
    RotationQuat,
    RotationQuatBatch,
    ShowLabels,
    Text,
    Translation3D,
)
from rerund_sdk.encodings import (
    BoolLike,
    ClassIdArrayLike,
    Float32ArrayLike,
    QuaternionArrayLike,
    Rgba32ArrayLike,
    RotationAxisAngleArrayLike,
    Utf8ArrayLike,
    Vec2DArrayLike,
    Vec3DArrayLike,
)
from rerund_sdk.errors import BadData
from rerund_sdk.strictness import complain


class Box2DFormat(Enum):
    """What the four numbers of a box in an array are."""

    XYWH = "XYWH"  # left, top, width, height
    YXHW = "YXHW"  # top, left, height, width
    XYXY = "XYXY"  # left, top, right, bottom
    YXYX = "YXYX"  # top, left, bottom, right
    XCYCWH = "XCYCWH"  # center x, center y, width, height
    XCYCW2H2 = "XCYCW2H2"  # center x, center y, half of the width, half of the height


def _centers_and_half_sizes(array: npt.ArrayLike, array_format: Box2DFormat | None) -> tuple[Any, Any]:
    if array_format is None:
        raise BadData("boxes given as array need array_format, which says what the four numbers are")
    array_format = Box2DFormat(array_format)
    boxes = np.asarray(array)
    boxes = boxes.reshape(-1, 4) if np.any(boxes) else np.zeros((0, 4), np.float32)
    first, second = boxes[:, 0:2], boxes[:, 2:4]
    if array_format.value.startswith("Y"):
        first, second = np.flip(first), np.flip(second)
    if array_format in (Box2DFormat.XYWH, Box2DFormat.YXHW):
        half_sizes = second / 2
        return first + half_sizes, half_sizes
    if array_format in (Box2DFormat.XYXY, Box2DFormat.YXYX):
        centers = (first + second) / 2
        return centers, second - centers
    return first, second / 2 if array_format is Box2DFormat.XCYCWH else second


class Boxes2D(Visualizable, visualizer="Boxes2D"):
    """Axis-aligned boxes in the plane.

    Given by sizes or half_sizes with centers or mins, all (n, 2) float32; or by an array (n, 4) in array_format.
    radii: half the line width, scene units, or UI points if negative. draw_order: what lies above what; boxes are at
    10.
    """

    half_sizes: Vec2DArrayLike | None = field(HalfSize2D)
    centers: Vec2DArrayLike | None = field(Position2D, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    draw_order: Float32ArrayLike | None = field(DrawOrder, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)

    def __init__(
        self,
        *,
        sizes: Vec2DArrayLike | None = None,
        mins: Vec2DArrayLike | None = None,
        half_sizes: Vec2DArrayLike | None = None,
        centers: Vec2DArrayLike | None = None,
        array: npt.ArrayLike | None = None,
        array_format: Box2DFormat | None = None,
        radii: Float32ArrayLike | None = None,
        colors: Rgba32ArrayLike | None = None,
        labels: Utf8ArrayLike | None = None,
        show_labels: BoolLike | None = None,
        draw_order: Float32ArrayLike | None = None,
        class_ids: ClassIdArrayLike | None = None,
    ) -> None:
        with forgiving(self):
            if array is not None:
                if not half_sizes is sizes is mins is centers is None:
                    raise BadData("boxes are given as array, or as sizes, half_sizes, mins and centers, not both")
                centers, half_sizes = _centers_and_half_sizes(array, array_format)
            if sizes is not None:
                if half_sizes is not None:
                    raise BadData("boxes are given by sizes or half_sizes, not both")
                half_sizes = np.asarray(sizes, np.float32) / 2
            if mins is not None:
                if centers is not None:
                    raise BadData("boxes are given by mins or centers, not both")
                if half_sizes is None:
                    raise BadData("boxes given by mins also need sizes or half_sizes")
                half_sizes = np.asarray(half_sizes, np.float32)
                centers = np.asarray(mins, np.float32) + half_sizes
            self._set(
                half_sizes=half_sizes,
                centers=centers,
                colors=colors,
                radii=radii,
                labels=labels,
                show_labels=show_labels,
                draw_order=draw_order,
                class_ids=class_ids,
            )


class Boxes3D(Visualizable, visualizer="Boxes3D"):
    """Boxes in space.

    Given by sizes or half_sizes with centers or mins, all (n, 3) float32; mins are corners before rotation. Rotated by
    quaternions (n, 4) x, y, z, w, or by rotation_axis_angles; rotations takes either. radii: half the line width, scene
    units, or UI points if negative.
    """

    half_sizes: Vec3DArrayLike | None = field(HalfSize3D)
    centers: Vec3DArrayLike | None = field(Translation3D, default=None)
    rotation_axis_angles: RotationAxisAngleArrayLike | None = field(RotationAxisAngle, default=None)
    quaternions: QuaternionArrayLike | None = field(RotationQuat, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    fill_mode: FillModeLike | None = field(FillMode, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)

    def __init__(
        self,
        *,
        sizes: Vec3DArrayLike | None = None,
        mins: Vec3DArrayLike | None = None,
        half_sizes: Vec3DArrayLike | None = None,
        centers: Vec3DArrayLike | None = None,
        rotation_axis_angles: RotationAxisAngleArrayLike | None = None,
        quaternions: QuaternionArrayLike | None = None,
        rotations: RotationAxisAngleArrayLike | QuaternionArrayLike | None = None,
        colors: Rgba32ArrayLike | None = None,
        radii: Float32ArrayLike | None = None,
        fill_mode: FillModeLike | None = None,
        labels: Utf8ArrayLike | None = None,
        show_labels: BoolLike | None = None,
        class_ids: ClassIdArrayLike | None = None,
    ) -> None:
        with forgiving(self):
            if sizes is not None:
                if half_sizes is not None:
                    complain("Boxes3D: given by sizes or half_sizes, not both; half_sizes is ignored")
                half_sizes = np.asarray(sizes, np.float32) / 2
            if mins is not None:
                if centers is not None:
                    complain("Boxes3D: given by mins or centers, not both; centers is ignored")
                if half_sizes is None:
                    complain("Boxes3D: given by mins they also need sizes or half_sizes; half_sizes becomes (1, 1, 1)")
                    half_sizes = (1.0, 1.0, 1.0)
                half_sizes = np.asarray(half_sizes, np.float32)
                centers = np.asarray(mins, np.float32) + half_sizes
            if rotations is not None:
                if quaternions is not None or rotation_axis_angles is not None:
                    complain("Boxes3D: rotations is ignored beside quaternions or rotation_axis_angles")
                else:
                    quaternions, rotation_axis_angles = _either_rotation(rotations)
            self._set(
                half_sizes=half_sizes,
                centers=centers,
                rotation_axis_angles=rotation_axis_angles,
                quaternions=quaternions,
                colors=colors,
                radii=radii,
                fill_mode=fill_mode,
                labels=labels,
                show_labels=show_labels,
                class_ids=class_ids,
            )


def _either_rotation(rotations: Any) -> tuple[Any, Any]:
    """`rotations` as quaternions or as axis and angle; the other one is cleared."""
    for batch_class, place in ((RotationQuatBatch, 0), (RotationAxisAngleBatch, 1)):
        try:
            batch = batch_class(rotations, strict=True)
        except Exception:
            continue
        return (batch, []) if place == 0 else ([], batch)
    complain("Boxes3D: rotations are neither quaternions nor axes and angles, and are left out")
    return None, None
