"""Encodings of a fixed number of numbers: vectors, matrices, quaternions, ranges."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from rerund_sdk.batch import Cell
from rerund_sdk.encoding import Encoding, batch_of
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Vectors, new_array, shown
from rerund_sdk.strictness import complain


class _Vector(Encoding):
    """One attribute that is an array, converted to the storage's dtype."""

    _attribute: ClassVar[str]

    def _keep(self, values: npt.ArrayLike) -> None:
        setattr(self, self._attribute, new_array(values, self._storage.dtype))  # type: ignore[attr-defined]

    def _values(self) -> npt.NDArray[Any]:
        return getattr(self, self._attribute)  # type: ignore[no-any-return]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self._values(), dtype=dtype) if copy else np.asarray(self._values(), dtype=dtype)

    def __len__(self) -> int:
        return len(self._values())


class _XY(_Vector):
    _attribute = "xy"
    xy: npt.NDArray[Any]

    def __init__(self, xy: npt.ArrayLike) -> None:
        self._keep(xy)


class _XYZ(_Vector):
    _attribute = "xyz"
    xyz: npt.NDArray[Any]

    def __init__(self, xyz: npt.ArrayLike) -> None:
        self._keep(xyz)


class _XYZW(_Vector):
    _attribute = "xyzw"
    xyzw: npt.NDArray[Any]

    def __init__(self, xyzw: npt.ArrayLike) -> None:
        self._keep(xyzw)


class Vec2D(_XY, storage=Vectors(np.float32, 2)):
    """Two 32-bit floats."""


class Vec3D(_XYZ, storage=Vectors(np.float32, 3)):
    """Three 32-bit floats."""


class Vec4D(_XYZW, storage=Vectors(np.float32, 4)):
    """Four 32-bit floats."""


class DVec2D(_XY, storage=Vectors(np.float64, 2)):
    """Two 64-bit floats."""


class UVec2D(_XY, storage=Vectors(np.uint32, 2)):
    """Two 32-bit integers without sign."""


class UVec3D(_XYZ, storage=Vectors(np.uint32, 3)):
    """Three 32-bit integers without sign."""


class UVec4D(_XYZW, storage=Vectors(np.uint32, 4)):
    """Four 32-bit integers without sign."""


class IVec3D(_XYZ, storage=Vectors(np.int32, 3)):
    """Three 32-bit integers."""


class Quaternion(_Vector, storage=Vectors(np.float32, 4)):
    """A rotation as a quaternion: x, y, z, w, with the real part last. Need not be normalised."""

    _attribute = "xyzw"
    xyzw: npt.NDArray[np.float32]

    def __init__(self, *, xyzw: npt.ArrayLike) -> None:
        self._keep(xyzw)

    @staticmethod
    def identity() -> Quaternion:
        """No rotation."""
        return Quaternion(xyzw=[0, 0, 0, 1])

    @staticmethod
    def invalid() -> Quaternion:
        """All zeros, which no viewer applies."""
        return Quaternion(xyzw=[0, 0, 0, 0])


def _range_cell(data: Any) -> Cell:
    if isinstance(data, slice):
        if data.step not in (None, 1):
            raise BadData(f"a range has no steps, got {shown(data)}: give its two ends")
        data = [data.start, data.stop]
    return Range1D._storage.cell(data)


class Range1D(_Vector, storage=Vectors(np.float64, 2), cell=_range_cell):
    """A range from its first to its second number. Batches also take slices."""

    _attribute = "range"
    range: npt.NDArray[np.float64]

    def __init__(self, range: npt.ArrayLike) -> None:
        self._keep(range)


class Plane3D(_Vector, storage=Vectors(np.float32, 4)):
    """An infinite plane: all points p with dot(normal, p) = distance. Batches take rows of (x, y, z, distance)."""

    _attribute = "xyzd"
    xyzd: npt.NDArray[np.float32]

    XY: ClassVar[Plane3D]
    YZ: ClassVar[Plane3D]
    ZX: ClassVar[Plane3D]

    def __init__(self, normal: npt.ArrayLike, distance: float | None = None) -> None:
        self._keep([*Vec3D._storage.cell(normal).ravel(), 0.0 if distance is None else distance])

    def normal(self) -> npt.NDArray[np.float32]:
        return self.xyzd[:3]

    def distance(self) -> float:
        return float(self.xyzd[3])

    def with_distance(self, distance: float) -> Plane3D:
        """The parallel plane at another distance."""
        return Plane3D(self.normal(), distance)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _name_planes(cls)


def _name_planes(cls: type[Plane3D]) -> None:
    cls.YZ, cls.ZX, cls.XY = cls([1, 0, 0]), cls([0, 1, 0]), cls([0, 0, 1])


_name_planes(Plane3D)


class _SquareMatrix(_Vector):
    """Given by rows or by columns, kept column by column."""

    _attribute = "flat_columns"
    _side: ClassVar[int]
    flat_columns: npt.NDArray[np.float32]

    def __init__(self, rows: Any = None, *, columns: Any = None) -> None:
        if rows is not None and columns is not None:
            complain(f"{type(self).__name__}: both rows and columns were given; the columns are ignored")
        if rows is None and columns is None:
            complain(f"{type(self).__name__}: neither rows nor columns were given; it becomes the identity")
            rows = np.identity(self._side)
        if isinstance(rows, _SquareMatrix):
            self.flat_columns = rows.flat_columns
        elif rows is not None:
            self.flat_columns = self._square(rows).T.ravel()
        else:
            self.flat_columns = self._square(columns).ravel()

    def _square(self, data: Any) -> npt.NDArray[np.float32]:
        values = new_array(data, np.dtype(np.float32))
        if values.size != self._side**2:
            side = self._side
            raise BadData(f"expected {side} rows of {side} numbers, or {side**2} numbers, got shape {values.shape}")
        return values.reshape(self._side, self._side)

    @classmethod
    def _matrices(cls, data: Any) -> Cell:
        """One matrix, given by rows, or a list of them. Arrow arrays hold them column by column."""
        if isinstance(data, _SquareMatrix):
            return data.flat_columns.reshape(1, -1)
        if hasattr(data, "as_arrow_array") or hasattr(data, "type"):
            return cls._storage.cell(data)
        if isinstance(data, list | tuple) and any(isinstance(item, _SquareMatrix) for item in data):
            return np.stack([cls(item).flat_columns for item in data])
        values = new_array(data, np.dtype(np.float32))
        side = cls._side
        if values.size and (values.size % side**2 or (values.ndim >= 3 and values.shape[-2:] != (side, side))):
            raise BadData(f"expected matrices of shape ({side}, {side}), given by rows, got shape {values.shape}")
        if values.ndim < 3 and values.size not in (0, side**2) and values.shape[-1] != side**2:
            raise BadData(f"expected matrices of shape ({side}, {side}), given by rows, got shape {values.shape}")
        return np.ascontiguousarray(values.reshape(-1, side, side).transpose(0, 2, 1)).reshape(-1, side**2)


class Mat3x3(_SquareMatrix):
    """A 3x3 matrix of 32-bit floats, given by its rows, or by its columns."""

    _side = 3


class Mat4x4(_SquareMatrix):
    """A 4x4 matrix of 32-bit floats, given by its rows, or by its columns."""

    _side = 4


Mat3x3._storage, Mat3x3._cell = Vectors(np.float32, 9), Mat3x3._matrices
Mat4x4._storage, Mat4x4._cell = Vectors(np.float32, 16), Mat4x4._matrices


def _harmonics_cell(data: Any) -> Cell:
    storage = SphericalHarmonics3Rgb._storage
    if hasattr(data, "as_arrow_array") or hasattr(data, "type"):
        return storage.cell(data)
    values = new_array(data, np.dtype(np.float16))
    flat = values.ndim == 1 and values.size % 45 == 0
    if not (values.shape[-2:] == (15, 3) or values.shape[-1:] == (45,) or flat):
        raise BadData(f"expected coefficients of shape (n, 15, 3) or (n, 45), got shape {values.shape}")
    return values.reshape(-1, 15, 3)


class SphericalHarmonics3Rgb(_Vector, storage=Vectors(np.float16, 15, 3), cell=_harmonics_cell):
    """Spherical harmonics of degrees 1 to 3: 15 coefficients for each of red, green, blue; (15, 3) 16-bit floats."""

    _attribute = "coefficients"
    coefficients: npt.NDArray[np.float16]

    def __init__(self, coefficients: npt.ArrayLike) -> None:
        self._keep(coefficients)


def _uuid_cell(data: Any) -> Cell:
    if isinstance(data, bytes):
        data = np.frombuffer(data, np.uint8)
    elif isinstance(data, list | tuple) and data and isinstance(data[0], bytes):
        data = np.frombuffer(b"".join(data), np.uint8)
    return Uuid._storage.cell(data)


class Uuid(_Vector, storage=Vectors(np.uint8, 16), cell=_uuid_cell):
    """A 16-byte id, as bytes or 16 numbers."""

    _attribute = "bytes"
    bytes: npt.NDArray[np.uint8]

    def __init__(self, bytes: Any) -> None:
        self._keep(_uuid_cell(bytes).ravel())


DVec2DBatch = batch_of(DVec2D)
IVec3DBatch = batch_of(IVec3D)
Mat3x3Batch = batch_of(Mat3x3)
Mat4x4Batch = batch_of(Mat4x4)
Plane3DBatch = batch_of(Plane3D)
QuaternionBatch = batch_of(Quaternion)
Range1DBatch = batch_of(Range1D)
SphericalHarmonics3RgbBatch = batch_of(SphericalHarmonics3Rgb)
UVec2DBatch = batch_of(UVec2D)
UVec3DBatch = batch_of(UVec3D)
UVec4DBatch = batch_of(UVec4D)
UuidBatch = batch_of(Uuid)
Vec2DBatch = batch_of(Vec2D)
Vec3DBatch = batch_of(Vec3D)
Vec4DBatch = batch_of(Vec4D)

DVec2DLike: TypeAlias = DVec2D | npt.ArrayLike
DVec2DArrayLike: TypeAlias = DVec2D | npt.ArrayLike
IVec3DLike: TypeAlias = IVec3D | npt.ArrayLike
IVec3DArrayLike: TypeAlias = IVec3D | npt.ArrayLike
Mat3x3Like: TypeAlias = Mat3x3 | npt.ArrayLike
Mat3x3ArrayLike: TypeAlias = Mat3x3 | npt.ArrayLike
Mat4x4Like: TypeAlias = Mat4x4 | npt.ArrayLike
Mat4x4ArrayLike: TypeAlias = Mat4x4 | npt.ArrayLike
Plane3DLike: TypeAlias = Plane3D | npt.ArrayLike
Plane3DArrayLike: TypeAlias = Plane3D | npt.ArrayLike
QuaternionLike: TypeAlias = Quaternion | npt.ArrayLike
QuaternionArrayLike: TypeAlias = Quaternion | npt.ArrayLike
Range1DLike: TypeAlias = Range1D | npt.ArrayLike | slice
Range1DArrayLike: TypeAlias = Range1D | npt.ArrayLike | slice
SphericalHarmonics3RgbLike: TypeAlias = SphericalHarmonics3Rgb | npt.ArrayLike
SphericalHarmonics3RgbArrayLike: TypeAlias = SphericalHarmonics3Rgb | npt.ArrayLike
UVec2DLike: TypeAlias = UVec2D | npt.ArrayLike
UVec2DArrayLike: TypeAlias = UVec2D | npt.ArrayLike
UVec3DLike: TypeAlias = UVec3D | npt.ArrayLike
UVec3DArrayLike: TypeAlias = UVec3D | npt.ArrayLike
UVec4DLike: TypeAlias = UVec4D | npt.ArrayLike
UVec4DArrayLike: TypeAlias = UVec4D | npt.ArrayLike
UuidLike: TypeAlias = Uuid | npt.ArrayLike | bytes
UuidArrayLike: TypeAlias = Uuid | npt.ArrayLike | bytes
Vec2DLike: TypeAlias = Vec2D | npt.ArrayLike
Vec2DArrayLike: TypeAlias = Vec2D | npt.ArrayLike
Vec3DLike: TypeAlias = Vec3D | npt.ArrayLike
Vec3DArrayLike: TypeAlias = Vec3D | npt.ArrayLike
Vec4DLike: TypeAlias = Vec4D | npt.ArrayLike
Vec4DArrayLike: TypeAlias = Vec4D | npt.ArrayLike
