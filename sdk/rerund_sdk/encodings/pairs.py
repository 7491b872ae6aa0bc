"""Small pairs of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from rerund_sdk.batch import Cell
from rerund_sdk.encoding import batch_of
from rerund_sdk.encodings.numbers import Bool, UInt16, UInt16Like, UInt32, UInt64, UInt64Like
from rerund_sdk.encodings.text import Utf8, Utf8Like
from rerund_sdk.encodings.vectors import Range1D, Range1DLike
from rerund_sdk.errors import BadData
from rerund_sdk.storage import shown
from rerund_sdk.struct_encoding import Member, Struct


def _pairs_cell(data: Any) -> Cell:
    if isinstance(data, np.ndarray):
        if data.ndim != 2 or data.shape[1] != 2:
            raise BadData(f"expected pairs of strings of shape (n, 2), got shape {data.shape}")
        data = data.tolist()
    return Utf8Pair._struct_cell(data)


class Utf8Pair(Struct, members=(Member("first", Utf8), Member("second", Utf8)), cell=_pairs_cell):
    """Two strings. Also given as a tuple; batches also as an array of shape (n, 2)."""

    def __init__(self, first: Utf8Like, second: Utf8Like) -> None:
        self.first = first if isinstance(first, Utf8) else Utf8(first)
        self.second = second if isinstance(second, Utf8) else Utf8(second)

    @classmethod
    def _taken(cls, data: Any) -> Self:
        if isinstance(data, cls):
            return data
        if not hasattr(data, "__len__") or len(data) != 2:
            raise BadData(f"expected a pair of strings, got {shown(data)}")
        return cls(data[0], data[1])


class ChannelCountPair(Struct, members=(Member("channel_id", UInt16), Member("message_count", UInt64))):
    """How many messages a channel has. Also given as a tuple."""

    def __init__(self, channel_id: UInt16Like, message_count: UInt64Like) -> None:
        self.channel_id = channel_id if isinstance(channel_id, UInt16) else UInt16(channel_id)
        self.message_count = message_count if isinstance(message_count, UInt64) else UInt64(message_count)

    @classmethod
    def _taken(cls, data: Any) -> Self:
        return data if isinstance(data, cls) else cls(data[0], data[1])


class Range2D(Struct, members=(Member("x_range", Range1D), Member("y_range", Range1D))):
    """A rectangle: a range in x and one in y."""

    def __init__(self, x_range: Range1DLike, y_range: Range1DLike) -> None:
        self.x_range = _range(x_range)
        self.y_range = _range(y_range)


def _range(data: Range1DLike) -> Range1D:
    return data if isinstance(data, Range1D) else Range1D(Range1D._cell(data).ravel())


class TensorDimensionSelection(Struct, members=(Member("dimension", UInt32), Member("invert", Bool))):
    """A dimension of a tensor, from 0, and whether to show it backwards. Also given as the dimension."""

    def __init__(self, dimension: int, *, invert: bool = False) -> None:
        self.dimension = int(dimension)
        self.invert = bool(invert)

    @classmethod
    def _taken(cls, data: Any) -> Self:
        return data if isinstance(data, cls) else cls(data)


class TensorDimensionIndexSelection(Struct, members=(Member("dimension", UInt32), Member("index", UInt64))):
    """A dimension of a tensor, from 0, and the place in it that is shown."""

    def __init__(self, dimension: int, index: int) -> None:
        self.dimension = int(dimension)
        self.index = int(index)


ChannelCountPairBatch = batch_of(ChannelCountPair)
Range2DBatch = batch_of(Range2D)
TensorDimensionIndexSelectionBatch = batch_of(TensorDimensionIndexSelection)
TensorDimensionSelectionBatch = batch_of(TensorDimensionSelection)
Utf8PairBatch = batch_of(Utf8Pair)

ChannelCountPairLike: TypeAlias = ChannelCountPair | tuple[UInt16Like, UInt64Like]
ChannelCountPairArrayLike: TypeAlias = ChannelCountPair | Sequence[ChannelCountPairLike]
Range2DLike: TypeAlias = Range2D
Range2DArrayLike: TypeAlias = Range2D | Sequence[Range2D]
TensorDimensionIndexSelectionLike: TypeAlias = TensorDimensionIndexSelection
TensorDimensionIndexSelectionArrayLike: TypeAlias = (
    TensorDimensionIndexSelection | Sequence[TensorDimensionIndexSelection]
)
TensorDimensionSelectionLike: TypeAlias = TensorDimensionSelection | int
TensorDimensionSelectionArrayLike: TypeAlias = TensorDimensionSelection | int | Sequence[TensorDimensionSelectionLike]
Utf8PairLike: TypeAlias = Utf8Pair | tuple[Utf8Like, Utf8Like]
Utf8PairArrayLike: TypeAlias = Utf8Pair | Sequence[Utf8PairLike] | npt.NDArray[np.str_]
