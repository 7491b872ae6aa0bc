"""Transforms, cameras and coordinate systems."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from rerund_sdk import encodings
from rerund_sdk.archetype import Archetype, Visualizable, field, forgiving
from rerund_sdk.components import (
    AxisLength,
    Color,
    ImagePlaneDistance,
    PinholeProjection,
    Radius,
    Resolution,
    RotationAxisAngle,
    RotationQuat,
    Scale3D,
    ShowLabels,
    TransformFrameId,
    TransformMat3x3,
    TransformRelation,
    TransformRelationLike,
    Translation3D,
)
from rerund_sdk.components import (
    ViewCoordinates as ViewCoordinatesComponent,
)
from rerund_sdk.conventions import ViewCoordinatesConventions
from rerund_sdk.encodings import (
    BoolLike,
    Float32Like,
    Mat3x3ArrayLike,
    Mat3x3Like,
    QuaternionArrayLike,
    QuaternionLike,
    Rgba32Like,
    RotationAxisAngleArrayLike,
    RotationAxisAngleLike,
    Utf8Like,
    Vec2DLike,
    Vec3DArrayLike,
    Vec3DLike,
    ViewCoordinatesLike,
)
from rerund_sdk.errors import BadData
from rerund_sdk.strictness import complain

_SMALLEST_HALF_ANGLE = 1.19209e-07  # of a field of view: no division by zero


class Transform3D(Archetype):
    """Where a child frame is in its parent: scaled first, then multiplied by mat3x3, rotated, and moved.

    translation: (3,), scene units. rotation: Quaternion or RotationAxisAngle, or one of quaternion (4,) x, y, z, w and
    rotation_axis_angle. scale: one number or (3,). mat3x3: (3, 3), by rows. relation: by default the transform gives
    places in the parent's space from those in the child's. child_frame, parent_frame: names of the frames, instead of
    the entity and its parent.
    """

    translation: Vec3DLike | None = field(Translation3D, default=None)
    rotation_axis_angle: RotationAxisAngleLike | None = field(RotationAxisAngle, default=None)
    quaternion: QuaternionLike | None = field(RotationQuat, default=None)
    scale: Vec3DLike | Float32Like | None = field(Scale3D, default=None)
    mat3x3: Mat3x3Like | None = field(TransformMat3x3, default=None)
    relation: TransformRelationLike | None = field(TransformRelation, default=None)
    child_frame: Utf8Like | None = field(TransformFrameId, default=None)
    parent_frame: Utf8Like | None = field(TransformFrameId, default=None)

    def __init__(
        self,
        *,
        translation: Vec3DLike | None = None,
        rotation: QuaternionLike | RotationAxisAngleLike | None = None,
        rotation_axis_angle: RotationAxisAngleLike | None = None,
        quaternion: QuaternionLike | None = None,
        scale: Vec3DLike | Float32Like | None = None,
        mat3x3: Mat3x3Like | None = None,
        from_parent: bool | None = None,
        relation: TransformRelationLike | None = None,
        child_frame: Utf8Like | None = None,
        parent_frame: Utf8Like | None = None,
    ) -> None:
        with forgiving(self):
            if rotation is not None:
                if quaternion is not None or rotation_axis_angle is not None:
                    raise BadData("rotation stands for quaternion or rotation_axis_angle: give only one of the three")
                if _is_a(rotation, encodings.RotationAxisAngle):
                    rotation_axis_angle = rotation  # type: ignore[assignment]
                elif _is_a(rotation, encodings.Quaternion):
                    quaternion = rotation  # type: ignore[assignment]
                else:
                    raise BadData(
                        "rotation takes a Quaternion or a RotationAxisAngle: give numbers as quaternion=[x, y, z, w]"
                    )
            if scale is not None and np.size(scale) == 1:
                scale = Scale3D(scale)
            if from_parent is not None:
                warnings.warn("from_parent is deprecated: use relation", DeprecationWarning, stacklevel=2)
                if relation is not None:
                    raise BadData("from_parent and relation say the same: give only relation")
                relation = TransformRelation.ChildFromParent if from_parent else None
            self._set(
                translation=translation,
                rotation_axis_angle=rotation_axis_angle,
                quaternion=quaternion,
                scale=scale,
                mat3x3=mat3x3,
                relation=relation,
                child_frame=child_frame,
                parent_frame=parent_frame,
            )


def _is_a(rotation: Any, encoding: type) -> bool:
    return isinstance(rotation, encoding) or (
        isinstance(rotation, list | tuple) and len(rotation) > 0 and isinstance(rotation[0], encoding)
    )


class InstancePoses3D(Archetype):
    """Poses in which everything at the entity is drawn, once for each; children are not affected.

    Each pose scales, multiplies by mat3x3, rotates and moves, in this order. translations, scales: (n, 3).
    quaternions: (n, 4) x, y, z, w. mat3x3: (n, 3, 3), by rows.
    """

    translations: Vec3DArrayLike | None = field(Translation3D, default=None)
    rotation_axis_angles: RotationAxisAngleArrayLike | None = field(RotationAxisAngle, default=None)
    quaternions: QuaternionArrayLike | None = field(RotationQuat, default=None)
    scales: Vec3DArrayLike | None = field(Scale3D, default=None)
    mat3x3: Mat3x3ArrayLike | None = field(TransformMat3x3, default=None)


class TransformAxes3D(Visualizable, visualizer="TransformAxes3D"):
    """Shows a transform as three arrows. axis_length: scene units. show_frame: also write the frame's name."""

    axis_length: Float32Like = field(AxisLength, kw_only=False)
    show_frame: BoolLike | None = field(ShowLabels, default=None)


class CoordinateFrame(Archetype):
    """Which named frame the entity's data is in."""

    frame: Utf8Like = field(TransformFrameId, kw_only=False)


class ViewCoordinates(Archetype, ViewCoordinatesConventions):
    """Which way the axes of a space point, for example `ViewCoordinates.RIGHT_HAND_Z_UP`. Log it static.

    xyz: three directions, for +X, +Y and +Z.
    """

    xyz: ViewCoordinatesLike = field(ViewCoordinatesComponent, kw_only=False)


class Pinhole(Visualizable, visualizer="Cameras"):
    """A camera without distortion.

    Given by image_from_camera (3, 3), by rows, in pixels; or by focal_length, one number or two, in pixels; or by
    fov_y in radians with aspect_ratio, width / height. resolution: (2,) width and height in pixels, or width and
    height. By default principal_point is the middle. camera_xyz: which way the camera's axes point, by default RDF.
    image_plane_distance, line_width: how it is drawn, in scene units.
    """

    image_from_camera: Mat3x3Like | None = field(PinholeProjection)
    resolution: Vec2DLike | None = field(Resolution, default=None)
    camera_xyz: ViewCoordinatesLike | None = field(ViewCoordinatesComponent, default=None)
    child_frame: Utf8Like | None = field(TransformFrameId, default=None)
    parent_frame: Utf8Like | None = field(TransformFrameId, default=None)
    image_plane_distance: float | None = field(ImagePlaneDistance, default=None)
    color: Rgba32Like | None = field(Color, default=None)
    line_width: Float32Like | None = field(Radius, default=None)

    def __init__(
        self,
        *,
        image_from_camera: Mat3x3Like | None = None,
        resolution: Vec2DLike | None = None,
        camera_xyz: ViewCoordinatesLike | None = None,
        width: float | None = None,
        height: float | None = None,
        focal_length: float | npt.ArrayLike | None = None,
        principal_point: npt.ArrayLike | None = None,
        fov_y: float | None = None,
        aspect_ratio: float | None = None,
        child_frame: Utf8Like | None = None,
        parent_frame: Utf8Like | None = None,
        image_plane_distance: float | None = None,
        color: Rgba32Like | None = None,
        line_width: Float32Like | None = None,
    ) -> None:
        with forgiving(self):
            if resolution is None and width is not None and height is not None:
                resolution = [width, height]
            elif resolution is not None and (width is not None or height is not None):
                complain("Pinhole: width and height are ignored beside resolution")
            if image_from_camera is None:
                if fov_y is not None and aspect_ratio is not None:
                    focal_length = 0.5 / math.tan(max(fov_y * 0.5, _SMALLEST_HALF_ANGLE))
                    resolution = [aspect_ratio, 1.0]
                image_from_camera = _projection(focal_length, principal_point, resolution)
            elif not focal_length is principal_point is fov_y is aspect_ratio is None:
                complain("Pinhole: focal_length, principal_point and fov_y are ignored beside image_from_camera")
            self._set(
                image_from_camera=image_from_camera,
                resolution=resolution,
                camera_xyz=camera_xyz,
                child_frame=child_frame,
                parent_frame=parent_frame,
                image_plane_distance=image_plane_distance,
                color=color,
                line_width=line_width,
            )


def _projection(
    focal_length: npt.ArrayLike | None, principal_point: npt.ArrayLike | None, resolution: Vec2DLike | None
) -> list[list[Any]]:
    size = None if resolution is None else np.asarray(resolution, np.float32).reshape(-1)
    if focal_length is None:
        if size is None:
            raise BadData("a Pinhole needs image_from_camera, focal_length, or fov_y with aspect_ratio")
        complain("Pinhole: neither image_from_camera nor focal_length was given; the focal length is guessed")
        focal_length = float(size[0] * size[1]) ** 0.5
    if principal_point is None:
        if size is None:
            raise BadData("a Pinhole given by focal_length also needs principal_point, resolution, or width and height")
        principal_point = size / 2
    focal = np.asarray(focal_length, np.float64).reshape(-1)
    center = np.asarray(principal_point, np.float64).reshape(-1)
    if focal.size not in (1, 2) or center.size < 2:
        raise BadData(
            f"focal_length has one or two numbers and principal_point two, got {focal.size} and {center.size}"
        )
    return [[focal[0], 0, center[0]], [0, focal[-1], center[1]], [0, 0, 1]]
