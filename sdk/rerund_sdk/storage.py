"""How the instances of a component type are kept in cells and become Arrow: one class for each shape of data.

A storage turns what a caller gave into a cell (`cell`, eager and checked) and cells of many rows into one Arrow array
(`column`, one numpy or pyarrow call where possible).

Rule: a cell is either the very object that the caller gave, or shares no memory with it. So only a cell that *is* the
caller's own numpy array is borrowed, and `owned` copies exactly that.
Rule: whatever `cell` lets through, `column` can turn into Arrow; it runs later, where there is no caller to tell.
Rule: what has nulls is an Arrow array in any storage's cell, since numpy has none; only Arrow arrays bring them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rerund_sdk import arrow, shared_memory
from rerund_sdk.batch import Cell, Storage
from rerund_sdk.errors import BadData

Counts: TypeAlias = npt.NDArray[np.int32]
Values: TypeAlias = npt.NDArray[Any]

MAX_BLOB_BYTES = 2**31 - 1  # Arrow lists have 32-bit offsets
_SMALL_BYTES: Final = 16 * 1024  # below it, bytes are cheaper than an array


class TypeStorage(Storage, Protocol):
    """What the types of the catalogue need of their storage, besides what the logging path needs."""

    @property
    def empty(self) -> Cell:
        """No instances: what clears a component."""

    def cell(self, data: Any) -> Cell:
        """What a caller gave as a cell, checked. Raises BadData."""

    def from_arrow(self, array: pa.Array[Any]) -> Cell:
        """The instances of an array of `arrow_type` as a cell, nulls included."""


def shown(data: Any) -> str:
    """`data` in a few words, for an error."""
    if isinstance(data, np.ndarray):
        return f"an array of shape {data.shape} and dtype {data.dtype}"
    text = repr(data)
    return f"{type(data).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def to_numpy(data: Any) -> Values:
    """`data` as an array, without a copy where possible: numpy, torch, DLPack, PIL, anything that `asarray` takes."""
    if isinstance(data, np.ndarray):
        return data
    if callable(numpy := getattr(data, "numpy", None)):  # torch, also on a GPU
        try:
            return np.asarray(numpy(force=True))
        except TypeError:
            return np.asarray(data)
    if hasattr(data, "__dlpack__") and not hasattr(data, "__array__"):
        return np.from_dlpack(data)
    return np.asarray(data)


def new_array(data: Any, dtype: np.dtype[Any]) -> Values:
    """A C-contiguous copy of `data` as `dtype`."""
    try:
        if hasattr(data, "__dlpack__") and not hasattr(data, "__array__"):
            data = np.from_dlpack(data)
        return np.array(data, dtype=dtype, order="C")
    except (ValueError, TypeError, OverflowError, BufferError, RuntimeError) as error:
        raise BadData(f"cannot make {dtype} numbers of {shown(data)}: {error}") from error


def arrow_given(data: Any, arrow_type: pa.DataType) -> pa.Array[Any] | None:
    """The Arrow array that `data` is, or offers as batches and components do, if it is of `arrow_type`."""
    if not isinstance(data, pa.Array):
        as_arrow_array = getattr(data, "as_arrow_array", None)
        if as_arrow_array is None:
            return None
        data = as_arrow_array()
    return data if isinstance(data, pa.Array) and data.type == arrow_type else None


def _bytes_of(cell: Cell) -> memoryview | None:
    return cell.data.cast("B") if type(cell) is np.ndarray and cell.size else None


def _ones(count: int) -> Counts:
    return np.ones(count, np.int32)


def lengths_of(cells: Sequence[Any]) -> Counts:
    return np.fromiter(map(len, cells), np.int32, len(cells))


def column_with_nulls(storage: Storage, cells: Sequence[Cell]) -> tuple[pa.Array[Any], Counts]:
    """The column of cells of which some are Arrow arrays."""
    arrays = [cell if isinstance(cell, pa.Array) else storage.column([cell])[0] for cell in cells]
    return pa.concat_arrays(arrays), lengths_of(arrays)


class Vectors:
    """Instances of a fixed shape, such as positions.

    Cell: an array of shape (n, *shape), C-contiguous; or the bytes of one (of a field of an archetype, or owned): small
    arrays take thrice the time to be copied and put together with others.
    """

    def __init__(self, dtype: npt.DTypeLike, *shape: int) -> None:
        self.dtype = np.dtype(dtype)
        self.shape = shape
        self.ndim = 1 + len(shape)
        self.empty: Cell = np.empty((0, *shape), self.dtype)
        self._instance_bytes = self.dtype.itemsize * math.prod(shape)
        self._nesting = [pa.from_numpy_dtype(self.dtype)]  # from the innermost type to that of one instance
        for size in reversed(shape):
            self._nesting.append(pa.list_(pa.field("item", self._nesting[-1], nullable=False), size))
        self.arrow_type: pa.DataType = self._nesting[-1]
        if self.dtype.kind == "f" and len(shape) == 1 and self.dtype.itemsize in (4, 8):
            self._pack = struct.Struct(f"={shape[0]}{'f' if self.dtype.itemsize == 4 else 'd'}").pack

    def quick_cell(self) -> Callable[[Any], Cell]:
        """A `cell` that makes bytes of a small array, and of one instance given as a list of Python numbers.

        That is cheaper than to borrow the array, or to make one.
        """
        if not hasattr(self, "_pack"):
            return self.cell
        pack, size, cell, dtype, shape = self._pack, self.shape[0], self.cell, self.dtype, self.shape
        ndarray, small = np.ndarray, _SMALL_BYTES

        def bytes_or_array(data: Any) -> Cell:
            kind = type(data)
            if kind is ndarray and data.dtype is dtype and data.shape[1:] == shape and data.nbytes < small:
                return data.tobytes()  # in C order, however it lies in memory
            if (kind is list or kind is tuple) and len(data) == size:
                try:
                    return pack(*data)
                except (struct.error, TypeError, OverflowError):
                    pass  # several instances, or numbers that need a closer look
            return cell(data)

        return bytes_or_array

    def cell(self, data: Any) -> Cell:
        if (
            type(data) is np.ndarray
            and data.dtype == self.dtype
            and data.shape[1:] == self.shape
            and data.ndim == self.ndim
            and data.flags.c_contiguous
        ):
            return data
        return self._convert(data)

    def column(self, cells: Sequence[Cell]) -> tuple[pa.Array[Any], Counts]:
        kinds = set(map(type, cells))
        if kinds == {bytes}:
            return self.to_arrow(self._unpacked(shared_memory.joined(cells))), lengths_of(cells) // self._instance_bytes
        if arrow.is_among(kinds):
            return column_with_nulls(self, cells)
        if len(kinds) > 1:
            cells = [self._unpacked(cell) if type(cell) is bytes else cell for cell in cells]
        return self.to_arrow(cells[0] if len(cells) == 1 else shared_memory.concatenated(cells)), lengths_of(cells)

    def packed(self, cell: Cell) -> bytes | memoryview | None:
        """The cell as Arrow has it; None if it is empty, or an Arrow array."""
        return cell if type(cell) is bytes else _bytes_of(cell)

    def _unpacked(self, cell: bytes | Values) -> Values:
        return np.frombuffer(cell, self.dtype).reshape(-1, *self.shape)

    def owned(self, cell: Cell) -> Cell:
        if type(cell) is not np.ndarray:
            return cell
        return cell.tobytes() if cell.nbytes < _SMALL_BYTES else cell.copy()

    def nbytes(self, cell: Cell) -> int:
        return len(cell) if type(cell) is bytes else int(cell.nbytes)

    def to_arrow(self, values: Values) -> pa.Array[Any]:
        """`values`, of shape (n, *shape) and C-contiguous, without a copy."""
        array = arrow.numbers(self._nesting[0], values)
        for depth, nested in enumerate(self._nesting[1:], start=1):
            array = arrow.fixed_size_lists(nested, math.prod(values.shape[: self.ndim - depth]), array)
        return array

    def from_arrow(self, array: pa.Array[Any]) -> Cell:
        if arrow.has_nulls(array):
            return arrow.copy(array)
        length = len(array)
        for _ in self.shape:
            array = array.flatten()
        return arrow.values_of(array, self.dtype).reshape(length, *self.shape).copy()

    def _convert(self, data: Any) -> Cell:
        if (array := arrow_given(data, self.arrow_type)) is not None:
            return self.from_arrow(array)
        values = new_array(data, self.dtype)
        self._check_shape(values)
        return values.reshape(-1, *self.shape)

    def _check_shape(self, values: Values) -> None:
        """(n, *shape) as a rule; also flat, of a multiple of that many numbers, and with extra dimensions of size 1."""
        size = math.prod(self.shape)
        if values.ndim >= 2:
            wide = [extent for extent in values.shape[1:] if extent != 1]
            fits = size in ((wide or [1])[-1], math.prod(wide[-len(self.shape) :]))
        else:
            fits = values.ndim == 1 and values.size % size == 0
        if not fits:
            expected = ", ".join(str(extent) for extent in self.shape)
            raise BadData(
                f"expected shape (n, {expected}) or a flat array of a multiple of {size} numbers, "
                f"got shape {values.shape}"
            )


_FORMATS = {"f": {2: "e", 4: "f", 8: "d"}, "i": {1: "b", 2: "h", 4: "i", 8: "q"}, "u": {1: "B", 2: "H", 4: "I", 8: "Q"}}
_NUMBER_TYPES = frozenset((float, int))  # not bool, which is an int by inheritance


class Numbers(Vectors):
    """One number an instance. Cell: a Python number (one instance), or an array of shape (n,), C-contiguous."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        super().__init__(dtype)
        limits: Any = np.finfo(self.dtype) if self.dtype.kind == "f" else np.iinfo(self.dtype)
        number = float if self.dtype.kind == "f" else int
        self._low, self._high = number(limits.min), number(limits.max)
        self._is_integer = number is int
        self._pack_number = struct.Struct(f"={_FORMATS[self.dtype.kind][self.dtype.itemsize]}").pack

    def cell(self, data: Any) -> Cell:
        kind = type(data)
        if kind is float or kind is int:
            if self._low <= data <= self._high:  # not for nan and inf, which become arrays
                return int(data) if kind is float and self._is_integer else data
        elif kind is np.ndarray:
            if data.dtype == self.dtype and data.ndim == 1 and data.flags.c_contiguous:
                return data
        elif isinstance(data, np.generic):
            number = data.item()
            if type(number) in _NUMBER_TYPES and self._low <= number <= self._high:
                return int(number) if self._is_integer else number
        return self._convert(data)

    def column(self, cells: Sequence[Cell]) -> tuple[pa.Array[Any], Counts]:
        kinds = set(map(type, cells))
        if arrow.is_among(kinds):
            return column_with_nulls(self, cells)
        if kinds <= _NUMBER_TYPES:
            return self.to_arrow(np.array(cells, self.dtype)), _ones(len(cells))
        if kinds & _NUMBER_TYPES:
            cells = [self._pack_number(cell) if type(cell) in _NUMBER_TYPES else cell for cell in cells]
        return super().column(cells)

    def packed(self, cell: Cell) -> bytes | memoryview | None:
        return self._pack_number(cell) if type(cell) in _NUMBER_TYPES else super().packed(cell)

    def nbytes(self, cell: Cell) -> int:
        return self.dtype.itemsize if type(cell) in _NUMBER_TYPES else super().nbytes(cell)

    def _check_shape(self, values: Values) -> None:
        pass  # numbers are taken from arrays of any shape


class Booleans(Vectors):
    """One truth value an instance. Cell: a bool (one instance), or an array of bools of shape (n,)."""

    def __init__(self) -> None:
        super().__init__(np.bool_)

    def cell(self, data: Any) -> Cell:
        if data is True or data is False:
            return data
        return super().cell(data)

    def column(self, cells: Sequence[Cell]) -> tuple[pa.Array[Any], Counts]:
        kinds = set(map(type, cells))
        if arrow.is_among(kinds):
            return column_with_nulls(self, cells)
        if np.ndarray not in kinds:
            return self.to_arrow(np.array(cells, np.bool_)), _ones(len(cells))
        return super().column([cell if type(cell) is np.ndarray else np.array([cell]) for cell in cells])

    def packed(self, cell: Cell) -> bytes | None:  # noqa: ARG002 - truth values are bits in Arrow
        return None

    def owned(self, cell: Cell) -> Cell:
        return cell.copy() if type(cell) is np.ndarray else cell

    def nbytes(self, cell: Cell) -> int:
        return int(getattr(cell, "nbytes", 1))

    def to_arrow(self, values: Values) -> pa.Array[Any]:
        return arrow.booleans(values)

    def _check_shape(self, values: Values) -> None:
        pass


class Text:
    """One string an instance. Cell: a str (one instance), or a list of str, in which None is a null."""

    arrow_type: pa.DataType = pa.utf8()
    empty: Cell = []  # noqa: RUF012  # nobody changes a cell

    def cell(self, data: Any) -> Cell:
        if type(data) is str:
            return data if data.isascii() else _encodable(data)
        if isinstance(data, str):
            return _encodable(str(data))
        if (array := arrow_given(data, self.arrow_type)) is not None:
            return self.from_arrow(array)
        if isinstance(data, np.ndarray) or (hasattr(data, "__array__") and hasattr(data, "__len__")):
            data = np.asarray(data).ravel().tolist()
        if isinstance(data, Sequence | set | frozenset):
            return [_encodable(str(item)) for item in data]
        return _encodable(str(data))

    def column(self, cells: Sequence[Cell]) -> tuple[pa.Array[Any], Counts]:
        if list not in set(map(type, cells)):
            return arrow.strings(cells), _ones(len(cells))
        lists = [cell if type(cell) is list else [cell] for cell in cells]
        return arrow.strings(list(chain.from_iterable(lists))), lengths_of(lists)

    def owned(self, cell: Cell) -> Cell:
        return cell

    def nbytes(self, cell: Cell) -> int:
        return len(cell) if type(cell) is str else sum(len(text or "") for text in cell) + 8 * len(cell)

    def from_arrow(self, array: pa.Array[Any]) -> Cell:
        return array.to_pylist()


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadData(f"text cannot be written as UTF-8: {error}") from error
    return text


class Blobs:
    """Bytes. Cell: one buffer of bytes, or 1-D uint8 array (one instance), or a list of such."""

    arrow_type: pa.DataType = pa.list_(pa.field("item", pa.uint8(), nullable=False))
    empty: Cell = []  # noqa: RUF012  # nobody changes a cell

    def cell(self, data: Any) -> Cell:
        cell = self._convert(data)
        if self.nbytes(cell) > MAX_BLOB_BYTES:
            raise BadData(f"a blob of {self.nbytes(cell)} bytes, over the limit of {MAX_BLOB_BYTES}: split it")
        return cell

    def column(self, cells: Sequence[Cell]) -> tuple[pa.Array[Any], Counts]:
        if arrow.is_among(set(map(type, cells))):
            return column_with_nulls(self, cells)
        counts = np.fromiter((len(cell) if type(cell) is list else 1 for cell in cells), np.int32, len(cells))
        blobs = list(chain.from_iterable(cell if type(cell) is list else (cell,) for cell in cells))
        values = arrow.numbers(pa.uint8(), np.frombuffer(_one_piece(blobs), np.uint8))
        return arrow.lists(self.arrow_type, map(len, blobs), values), counts

    def packed(self, cell: Cell) -> bytes | memoryview | None:
        """One blob; None if the cell is something else."""
        return cell if type(cell) is bytes else _bytes_of(cell)

    def owned(self, cell: Cell) -> Cell:
        return cell.copy() if type(cell) is np.ndarray else cell

    def nbytes(self, cell: Cell) -> int:
        if isinstance(cell, pa.Array):
            return int(cell.nbytes)
        return sum(map(len, cell)) if type(cell) is list else len(cell)

    def from_arrow(self, array: pa.Array[Any]) -> Cell:
        if arrow.has_nulls(array):
            return arrow.copy(array)
        return [arrow.values_of(item.values, np.dtype(np.uint8)).tobytes() for item in array]

    def _convert(self, data: Any) -> Cell:
        if type(data) is bytes:
            return data
        if isinstance(data, np.ndarray):
            if data.ndim == 1 and data.dtype == np.uint8 and data.flags.c_contiguous:
                return data if len(data) else []
            rows = new_array(data, np.dtype(np.uint8))
            return rows.tobytes() if rows.ndim <= 1 else [row.tobytes() for row in rows]
        if isinstance(data, bytearray | memoryview):
            return bytes(data)
        if (array := arrow_given(data, self.arrow_type)) is not None:
            return self.from_arrow(array)
        if callable(read := getattr(data, "read", None)):
            return self._convert(read())
        if isinstance(data, Sequence) and not isinstance(data, str):
            return [_one_blob(item) for item in data]
        return _one_blob(data)


def _one_piece(blobs: list[Any]) -> Any:
    """The blobs one after the other; this is their only copy."""
    if len(blobs) == 1:
        return blobs[0]
    if set(map(type, blobs)) <= {bytes}:
        return shared_memory.joined(blobs)
    return shared_memory.concatenated([np.frombuffer(blob, np.uint8) for blob in blobs])


def _one_blob(data: Any) -> bytes:
    if isinstance(data, bytes):
        return data
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    if isinstance(data, str):
        raise BadData(f"expected bytes or an array of uint8, got {shown(data)}: encode it")
    return new_array(data, np.dtype(np.uint8)).tobytes()


class Arrow:
    """Anything nested: structs, unions, lists of them. Cell: an Arrow array of the type, which nobody can change."""

    def __init__(self, arrow_type: pa.DataType) -> None:
        self.arrow_type = arrow_type

    @cached_property
    def empty(self) -> Cell:
        return arrow.empty(self.arrow_type)

    def cell(self, data: Any) -> Cell:
        if (array := arrow_given(data, self.arrow_type)) is not None:
            return array
        raise BadData(f"expected an Arrow array of type {self.arrow_type}, got {shown(data)}")

    def column(self, cells: Sequence[Cell]) -> tuple[pa.Array[Any], Counts]:
        return cells[0] if len(cells) == 1 else pa.concat_arrays(cells), lengths_of(cells)

    def owned(self, cell: Cell) -> Cell:
        return cell

    def nbytes(self, cell: Cell) -> int:
        return int(cell.nbytes)

    def from_arrow(self, array: pa.Array[Any]) -> Cell:
        return array
