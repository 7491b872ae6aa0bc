"""Places, sizes, directions and transforms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from rerund_sdk import encodings
from rerund_sdk.columns import DescribedComponentBatch
from rerund_sdk.conventions import ViewCoordinatesConventions
from rerund_sdk.encoding import Choice, Component, batch_of
from rerund_sdk.encodings import DVec2D, Float32, Float32Like, Float64, UInt32, Utf8, Vec2D, Vec3D, Vec3DLike
from rerund_sdk.vector_lists import VectorLists


class AxisLength(Float32, Component):
    """How long the axes of a transform are drawn, in scene units."""


class CellSize(Float32, Component):
    """The side of a square cell of a map, in scene units."""


class GeoLineString(Component, storage=VectorLists(DVec2D._storage)):  # type: ignore[arg-type]
    """A line on the globe: (n, 2) degrees of latitude and longitude."""

    def __init__(self, *, lat_lon: npt.ArrayLike) -> None:
        self.lat_lon = DVec2D._cell(lat_lon)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.lat_lon, dtype=dtype)

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return iter(self.lat_lon)


class HalfSize2D(Vec2D, Component):
    """Half of the width and height of a box, or the radii of an ellipse, in scene units."""


class HalfSize3D(Vec3D, Component):
    """Half of the extent of a box along each axis, or the radii of an ellipsoid, in scene units."""


class ImagePlaneDistance(Float32, Component):
    """How far from the camera its image plane is drawn, in scene units."""


class LatLon(DVec2D, Component):
    """A place on the globe: latitude and longitude in degrees (EPSG:4326)."""


class Length(Float32, Component):
    """A length, in scene units."""


class _LineStrip(Component):
    points: npt.NDArray[np.float32]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.points, dtype=dtype)

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)


class LineStrip2D(_LineStrip, storage=VectorLists(Vec2D._storage)):  # type: ignore[arg-type]
    """Connected points: (n, 2) floats."""

    def __init__(self, points: npt.ArrayLike) -> None:
        self.points = Vec2D._cell(points)


class LineStrip3D(_LineStrip, storage=VectorLists(Vec3D._storage)):  # type: ignore[arg-type]
    """Connected points: (n, 3) floats."""

    def __init__(self, points: npt.ArrayLike) -> None:
        self.points = Vec3D._cell(points)


class LinearSpeed(Float64, Component):
    """A speed, in scene units a second."""


class PinholeProjection(encodings.Mat3x3, Component):
    """From camera coordinates to pixels: focal lengths on the diagonal, the principal point in the last column."""


class Plane3D(encodings.Plane3D, Component):
    """An infinite plane."""


class Position2D(Vec2D, Component):
    """A place in the plane."""


class Position3D(Vec3D, Component):
    """A place in space."""


class Radius(Float32, Component):
    """A radius: in scene units if positive, in UI points if negative."""

    @staticmethod
    def ui_points(radii: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Radii in UI points, which stay as large on the screen when one zooms."""
        return -np.abs(np.asarray(radii, np.float32))


class Range1D(encodings.Range1D, Component):
    """A range of values."""


class Resolution(Vec2D, Component):
    """Width and height of an image sensor, in pixels."""


class RotationAxisAngle(encodings.RotationAxisAngle, Component):
    """A rotation about an axis."""


class RotationQuat(encodings.Quaternion, Component):
    """A rotation as a quaternion x, y, z, w."""


class Scale3D(Vec3D, Component):
    """A scale: one number for all axes, or one each."""

    def __init__(self, uniform_or_per_axis: Vec3DLike | Float32Like | None = True) -> None:
        scale = np.asarray(1.0 if uniform_or_per_axis is None else uniform_or_per_axis, np.float32)
        super().__init__(np.full(3, scale) if scale.size == 1 else scale)


class SphericalHarmonics3Rgb(encodings.SphericalHarmonics3Rgb, Component):
    """How the colour of a Gaussian splat depends on the direction it is seen from."""


class SphericalHarmonicsDegree(UInt32, Component):
    """The highest degree of spherical harmonics in use, 0 to 3."""


class Texcoord2D(Vec2D, Component):
    """A place in a texture: (0, 0) is its top left, (1, 1) its bottom right corner."""


class TransformFrameId(Utf8, Component):
    """The name of a coordinate frame."""


class TransformMat3x3(encodings.Mat3x3, Component):
    """The linear part of an affine transform."""


class TransformRelation(Choice):
    """Which way a transform goes between an entity and its parent."""

    ParentFromChild = 1
    ChildFromParent = 2


class Translation3D(Vec3D, Component):
    """A shift in space, in scene units."""


class TriangleIndices(encodings.UVec3D, Component):
    """A triangle: the indices of its three vertices."""


class ValueRange(encodings.Range1D, Component):
    """The range of values that a colormap spans."""


class Vector2D(Vec2D, Component):
    """A direction with a length in the plane."""


class Vector3D(Vec3D, Component):
    """A direction with a length in space."""


class ViewCoordinates(encodings.ViewCoordinates, ViewCoordinatesConventions, Component):
    """Where +X, +Y and +Z point. All conventions have names, such as `ViewCoordinates.RDF`: right, down, forward."""

    ViewDir: ClassVar[type[encodings.ViewDir]] = encodings.ViewDir

    def as_component_batches(self) -> list[DescribedComponentBatch]:
        """Logged by itself it is the archetype."""
        from rerund_sdk import archetypes

        return archetypes.ViewCoordinates(self).as_component_batches()


class VoxelIndex(encodings.IVec3D, Component):
    """Which voxel of a grid: three integers."""


class VoxelSize(Vec3D, Component):
    """The extent of a voxel along each axis, in scene units."""


class VoxelValue(Float32, Component):
    """The value of a voxel."""


AxisLengthBatch = batch_of(AxisLength)
CellSizeBatch = batch_of(CellSize)
GeoLineStringBatch = batch_of(GeoLineString)
HalfSize2DBatch = batch_of(HalfSize2D)
HalfSize3DBatch = batch_of(HalfSize3D)
ImagePlaneDistanceBatch = batch_of(ImagePlaneDistance)
LatLonBatch = batch_of(LatLon)
LengthBatch = batch_of(Length)
LineStrip2DBatch = batch_of(LineStrip2D)
LineStrip3DBatch = batch_of(LineStrip3D)
LinearSpeedBatch = batch_of(LinearSpeed)
PinholeProjectionBatch = batch_of(PinholeProjection)
Plane3DBatch = batch_of(Plane3D)
Position2DBatch = batch_of(Position2D)
Position3DBatch = batch_of(Position3D)
RadiusBatch = batch_of(Radius)
Range1DBatch = batch_of(Range1D)
ResolutionBatch = batch_of(Resolution)
RotationAxisAngleBatch = batch_of(RotationAxisAngle)
RotationQuatBatch = batch_of(RotationQuat)
Scale3DBatch = batch_of(Scale3D)
SphericalHarmonics3RgbBatch = batch_of(SphericalHarmonics3Rgb)
SphericalHarmonicsDegreeBatch = batch_of(SphericalHarmonicsDegree)
Texcoord2DBatch = batch_of(Texcoord2D)
TransformFrameIdBatch = batch_of(TransformFrameId)
TransformMat3x3Batch = batch_of(TransformMat3x3)
TransformRelationBatch = batch_of(TransformRelation)
Translation3DBatch = batch_of(Translation3D)
TriangleIndicesBatch = batch_of(TriangleIndices)
ValueRangeBatch = batch_of(ValueRange)
Vector2DBatch = batch_of(Vector2D)
Vector3DBatch = batch_of(Vector3D)
ViewCoordinatesBatch = batch_of(ViewCoordinates)
VoxelIndexBatch = batch_of(VoxelIndex)
VoxelSizeBatch = batch_of(VoxelSize)
VoxelValueBatch = batch_of(VoxelValue)

GeoLineStringLike: TypeAlias = GeoLineString | npt.ArrayLike
GeoLineStringArrayLike: TypeAlias = GeoLineString | Sequence[GeoLineStringLike] | npt.ArrayLike
LineStrip2DLike: TypeAlias = LineStrip2D | npt.ArrayLike
LineStrip2DArrayLike: TypeAlias = LineStrip2D | Sequence[LineStrip2DLike] | npt.ArrayLike
LineStrip3DLike: TypeAlias = LineStrip3D | npt.ArrayLike
LineStrip3DArrayLike: TypeAlias = LineStrip3D | Sequence[LineStrip3DLike] | npt.ArrayLike
TransformRelationLike: TypeAlias = TransformRelation | str | int
TransformRelationArrayLike: TypeAlias = TransformRelationLike | Sequence[TransformRelationLike]
