"""Ellipses, ellipsoids, capsules, cylinders and Gaussian splats."""

from __future__ import annotations

import numpy as np

from rerund_sdk.archetype import Visualizable, field, forgiving
from rerund_sdk.components import (
    ClassId,
    Color,
    DrawOrder,
    FillMode,
    FillModeLike,
    HalfSize2D,
    HalfSize3D,
    Length,
    Position2D,
    Position3D,
    Radius,
    RotationAxisAngle,
    RotationQuat,
    Scale3D,
    ShowLabels,
    SphericalHarmonics3Rgb,
    SphericalHarmonicsDegree,
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
    SphericalHarmonics3RgbArrayLike,
    UInt32Like,
    Utf8ArrayLike,
    Vec2DArrayLike,
    Vec3DArrayLike,
)
from rerund_sdk.strictness import complain


class Ellipses2D(Visualizable, visualizer="Ellipses2D"):
    """Axis-aligned ellipses in the plane.

    half_sizes: (n, 2) float32, the radii along x and y. centers: (n, 2), by default (0, 0). line_radii: half the line
    width, scene units, or UI points if negative. draw_order: what lies above what.
    """

    half_sizes: Vec2DArrayLike | None = field(HalfSize2D, default=None)
    centers: Vec2DArrayLike | None = field(Position2D, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    line_radii: Float32ArrayLike | None = field(Radius, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    draw_order: Float32ArrayLike | None = field(DrawOrder, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)


class Ellipsoids3D(Visualizable, visualizer="Ellipsoids3D"):
    """Ellipsoids and spheres.

    half_sizes: (n, 3) float32, the radii along each axis; or radii: (n,) for spheres. centers: (n, 3). Rotated by
    quaternions (n, 4) x, y, z, w, or by rotation_axis_angles. line_radii: half the line width, scene units, or UI
    points if negative.
    """

    half_sizes: Vec3DArrayLike | None = field(HalfSize3D)
    centers: Vec3DArrayLike | None = field(Translation3D, default=None)
    rotation_axis_angles: RotationAxisAngleArrayLike | None = field(RotationAxisAngle, default=None)
    quaternions: QuaternionArrayLike | None = field(RotationQuat, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    line_radii: Float32ArrayLike | None = field(Radius, default=None)
    fill_mode: FillModeLike | None = field(FillMode, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)

    def __init__(
        self,
        *,
        half_sizes: Vec3DArrayLike | None = None,
        radii: Float32ArrayLike | None = None,
        centers: Vec3DArrayLike | None = None,
        rotation_axis_angles: RotationAxisAngleArrayLike | None = None,
        quaternions: QuaternionArrayLike | None = None,
        colors: Rgba32ArrayLike | None = None,
        line_radii: Float32ArrayLike | None = None,
        fill_mode: FillModeLike | None = None,
        labels: Utf8ArrayLike | None = None,
        show_labels: BoolLike | None = None,
        class_ids: ClassIdArrayLike | None = None,
    ) -> None:
        with forgiving(self):
            if radii is not None:
                if half_sizes is not None:
                    complain("Ellipsoids3D: given by radii or half_sizes, not both; half_sizes is ignored")
                half_sizes = np.repeat(np.asarray(radii, np.float32)[:, np.newaxis], 3, axis=1)
            self._set(
                half_sizes=half_sizes,
                centers=centers,
                rotation_axis_angles=rotation_axis_angles,
                quaternions=quaternions,
                colors=colors,
                line_radii=line_radii,
                fill_mode=fill_mode,
                labels=labels,
                show_labels=show_labels,
                class_ids=class_ids,
            )


class Capsules3D(Visualizable, visualizer="Capsules3D"):
    """Capsules: cylinders that end in half spheres, along +Z from (0, 0, 0) before they are rotated and moved.

    lengths: (n,) float32 between the centers of the half spheres. radii: (n,). line_radii: half the line width, scene
    units, or UI points if negative.
    """

    lengths: Float32ArrayLike | None = field(Length, default=None)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    translations: Vec3DArrayLike | None = field(Translation3D, default=None)
    rotation_axis_angles: RotationAxisAngleArrayLike | None = field(RotationAxisAngle, default=None)
    quaternions: QuaternionArrayLike | None = field(RotationQuat, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    line_radii: Float32ArrayLike | None = field(Radius, default=None)
    fill_mode: FillModeLike | None = field(FillMode, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)


class Cylinders3D(Visualizable, visualizer="Cylinders3D"):
    """Cylinders along Z around their centers before they are rotated.

    lengths, radii: (n,) float32, scene units. line_radii: half the line width, scene units, or UI points if negative.
    """

    lengths: Float32ArrayLike | None = field(Length, default=None)
    radii: Float32ArrayLike | None = field(Radius, default=None)
    centers: Vec3DArrayLike | None = field(Translation3D, default=None)
    rotation_axis_angles: RotationAxisAngleArrayLike | None = field(RotationAxisAngle, default=None)
    quaternions: QuaternionArrayLike | None = field(RotationQuat, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    line_radii: Float32ArrayLike | None = field(Radius, default=None)
    fill_mode: FillModeLike | None = field(FillMode, default=None)
    labels: Utf8ArrayLike | None = field(Text, default=None)
    show_labels: BoolLike | None = field(ShowLabels, default=None)
    class_ids: ClassIdArrayLike | None = field(ClassId, default=None)


class GaussianSplats3D(Visualizable, visualizer="GaussianSplats3D"):
    """Gaussian splats.

    centers, scales: (n, 3) float32. quaternions: (n, 4) x, y, z, w. colors: of degree 0, with opacity as alpha.
    sh_coefficients: (n, 15, 3) float16, of degrees 1 to 3, which spherical_harmonics_degree limits.
    """

    centers: Vec3DArrayLike = field(Position3D, kw_only=False)
    scales: Vec3DArrayLike | None = field(Scale3D, default=None)
    quaternions: QuaternionArrayLike | None = field(RotationQuat, default=None)
    colors: Rgba32ArrayLike | None = field(Color, default=None)
    sh_coefficients: SphericalHarmonics3RgbArrayLike | None = field(SphericalHarmonics3Rgb, default=None)
    spherical_harmonics_degree: UInt32Like | None = field(SphericalHarmonicsDegree, default=None)
