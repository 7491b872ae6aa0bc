"""Storage of lists of vectors, such as line strips."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from rerund_sdk import arrow
from rerund_sdk.batch import Cell
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Counts, Values, Vectors, arrow_given, column_with_nulls, lengths_of, shown


class Ragged(NamedTuple):
    """A cell of lists of different lengths: all vectors one after the other, and how many each list has."""

    values: Values
    lengths: Counts


class VectorLists:
    """A list of vectors an instance, such as line strips.

    Cell: an array (n, width): one list; (m, n, width): m lists of n; or Ragged.
    """

    def __init__(self, item: Vectors) -> None:
        self.item = item
        self.arrow_type: pa.DataType = pa.list_(pa.field("item", item.arrow_type, nullable=False))
        self.empty: Cell = Ragged(item.empty, np.empty(0, np.int32))

    def cell(self, data: Any) -> Cell:
        if type(data) is np.ndarray:
            if (
                data.ndim in (2, 3)
                and data.shape[-1:] == self.item.shape
                and data.dtype == self.item.dtype
                and data.flags.c_contiguous
            ):
                return data
            if data.ndim == 3 and len(data):
                return self.item.cell(data).reshape(len(data), -1, *self.item.shape)
        elif (array := arrow_given(data, self.arrow_type)) is not None:
            return self.from_arrow(array)
        return self._convert(data)

    def column(self, cells: Sequence[Cell]) -> tuple[pa.Array[Any], Counts]:
        if arrow.is_among(set(map(type, cells))):
            return column_with_nulls(self, cells)
        ragged = [self._ragged(cell) for cell in cells]
        only = len(ragged) == 1
        values = ragged[0].values if only else np.concatenate([cell.values for cell in ragged])
        lengths = ragged[0].lengths if only else np.concatenate([cell.lengths for cell in ragged])
        counts = np.fromiter((len(cell.lengths) for cell in ragged), np.int32, len(ragged))
        return arrow.lists(self.arrow_type, lengths, self.item.to_arrow(values)), counts

    def owned(self, cell: Cell) -> Cell:
        return cell.copy() if type(cell) is np.ndarray else cell

    def nbytes(self, cell: Cell) -> int:
        return int(cell.values.nbytes + cell.lengths.nbytes if type(cell) is Ragged else cell.nbytes)

    def from_arrow(self, array: pa.Array[Any]) -> Cell:
        if arrow.has_nulls(array):
            return arrow.copy(array)
        lengths = arrow.values_of(array.value_lengths(), np.dtype(np.int32)).copy()
        return Ragged(self.item.from_arrow(array.flatten()), lengths)

    def _ragged(self, cell: Cell) -> Ragged:
        if type(cell) is not np.ndarray:
            return cell  # type: ignore[no-any-return]
        if cell.ndim == 2:
            return Ragged(cell, np.array([len(cell)], np.int32))
        return Ragged(cell.reshape(-1, cell.shape[-1]), np.full(len(cell), cell.shape[1], np.int32))

    def _convert(self, data: Any) -> Cell:
        try:
            lists = list(data)
        except TypeError:
            raise BadData(f"expected a list of lists of vectors, got {shown(data)}") from None
        if not lists:
            return self.empty
        if _is_vector(lists[0]):
            return self.item.cell(lists)  # of a single list
        arrays = [self.item.cell(np.asarray(item) if hasattr(item, "__array__") else item) for item in lists]
        return Ragged(np.concatenate(arrays), lengths_of(arrays))


def _is_vector(data: Any) -> bool:
    if isinstance(data, list | tuple):
        return len(data) > 0 and isinstance(data[0], Number | np.generic)
    return np.ndim(data) == 1
