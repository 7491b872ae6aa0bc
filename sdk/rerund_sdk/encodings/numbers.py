"""Encodings of one number or truth value."""

from __future__ import annotations

import math
from typing import Any, ClassVar, SupportsFloat, SupportsInt, TypeAlias

import numpy as np
import numpy.typing as npt

from rerund_sdk.encoding import Encoding, batch_of
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Booleans, Numbers


class _OneNumber(Encoding):
    """Converts to a Python number and to a numpy array of no dimensions."""

    _attribute: ClassVar[str] = "value"

    def _number(self) -> Any:
        return getattr(self, self._attribute)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self._number(), dtype=dtype)

    def __hash__(self) -> int:
        return hash(self._number())


class _Float(_OneNumber):
    value: float

    def __init__(self, value: SupportsFloat) -> None:
        self.value = float(value)

    def __float__(self) -> float:
        return float(self._number())


class _Int(_OneNumber):
    value: int

    def __init__(self, value: SupportsInt) -> None:
        self.value = int(value)

    def __int__(self) -> int:
        return int(self._number())


class Float32(_Float, storage=Numbers(np.float32)):
    """A 32-bit float."""


class Float64(_Float, storage=Numbers(np.float64)):
    """A 64-bit float."""


class UInt16(_Int, storage=Numbers(np.uint16)):
    """An integer from 0 to 65535."""


class UInt32(_Int, storage=Numbers(np.uint32)):
    """A 32-bit integer without sign."""


class UInt64(_Int, storage=Numbers(np.uint64)):
    """A 64-bit integer without sign."""


class Bool(Encoding, storage=Booleans()):
    """True or false."""

    value: bool

    def __init__(self, value: BoolLike) -> None:
        self.value = bool(value)

    def __bool__(self) -> bool:
        return self.value

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.value, dtype=dtype)


class ClassId(_Int, storage=Numbers(np.uint16)):
    """The id of a class in an annotation context, 0 to 65535."""

    _attribute = "id"
    id: int

    def __init__(self, id: ClassIdLike) -> None:
        self.id = int(id)


class KeypointId(_Int, storage=Numbers(np.uint16)):
    """The id of a keypoint within its class, 0 to 65535."""

    _attribute = "id"
    id: int

    def __init__(self, id: KeypointIdLike) -> None:
        self.id = int(id)


class Angle(_OneNumber, storage=Numbers(np.float32)):
    """An angle, given in radians (rad) or degrees (deg)."""

    _attribute = "radians"
    radians: float

    def __init__(self, rad: float | None = None, deg: float | None = None) -> None:
        if rad is None and deg is None:
            raise BadData("an Angle needs rad or deg")
        self.radians = float(rad) if rad is not None else math.radians(float(deg))  # type: ignore[arg-type]

    def __float__(self) -> float:
        return self.radians


class TimeInt(_Int, storage=Numbers(np.int64)):
    """A point or span of time: a sequence number (seq), or nanoseconds (nanos), which may be given in seconds."""

    def __init__(self, *, seq: int | None = None, seconds: float | None = None, nanos: int | None = None) -> None:
        if sum(given is not None for given in (seq, seconds, nanos)) != 1:
            raise BadData("a time needs exactly one of seq, seconds and nanos")
        if seq is not None:
            self.value = int(seq)
        else:
            self.value = int(nanos) if nanos is not None else int(seconds * 1e9)  # type: ignore[operator]


class VideoTimestamp(_Int, storage=Numbers(np.int64)):
    """A place in a video, in nanoseconds since its start."""

    _attribute = "timestamp_ns"
    timestamp_ns: int

    def __init__(self, timestamp_ns: VideoTimestampLike) -> None:
        self.timestamp_ns = int(timestamp_ns)


AngleBatch = batch_of(Angle)
BoolBatch = batch_of(Bool)
ClassIdBatch = batch_of(ClassId)
Float32Batch = batch_of(Float32)
Float64Batch = batch_of(Float64)
KeypointIdBatch = batch_of(KeypointId)
TimeIntBatch = batch_of(TimeInt)
UInt16Batch = batch_of(UInt16)
UInt32Batch = batch_of(UInt32)
UInt64Batch = batch_of(UInt64)
VideoTimestampBatch = batch_of(VideoTimestamp)

AngleLike: TypeAlias = Angle | float
AngleArrayLike: TypeAlias = Angle | npt.ArrayLike
BoolLike: TypeAlias = Bool | bool
BoolArrayLike: TypeAlias = Bool | npt.ArrayLike
ClassIdLike: TypeAlias = ClassId | int
ClassIdArrayLike: TypeAlias = ClassId | npt.ArrayLike
Float32Like: TypeAlias = Float32 | float
Float32ArrayLike: TypeAlias = Float32 | npt.ArrayLike
Float64Like: TypeAlias = Float64 | float
Float64ArrayLike: TypeAlias = Float64 | npt.ArrayLike
KeypointIdLike: TypeAlias = KeypointId | int
KeypointIdArrayLike: TypeAlias = KeypointId | npt.ArrayLike
TimeIntLike: TypeAlias = TimeInt | int
TimeIntArrayLike: TypeAlias = TimeInt | npt.ArrayLike
UInt16Like: TypeAlias = UInt16 | int
UInt16ArrayLike: TypeAlias = UInt16 | npt.ArrayLike
UInt32Like: TypeAlias = UInt32 | int
UInt32ArrayLike: TypeAlias = UInt32 | npt.ArrayLike
UInt64Like: TypeAlias = UInt64 | int
UInt64ArrayLike: TypeAlias = UInt64 | npt.ArrayLike
VideoTimestampLike: TypeAlias = VideoTimestamp | int
VideoTimestampArrayLike: TypeAlias = VideoTimestamp | npt.ArrayLike
