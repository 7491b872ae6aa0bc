"""Tensors: an array of any number of dimensions and of any numeric type, perhaps with names of its dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rerund_sdk import arrow
from rerund_sdk.batch import Cell
from rerund_sdk.encoding import Encoding, batch_of
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Arrow, Counts, arrow_given, to_numpy
from rerund_sdk.strictness import complain


def _list_of(arrow_type: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("item", arrow_type, nullable=False))


_DTYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
_TYPE_ID = {np.dtype(name): number for number, name in enumerate(_DTYPES, start=1)}
_BUFFER = pa.dense_union(
    [pa.field("_null_markers", pa.null())]
    + [
        pa.field(f"{dtype.kind.upper()}{8 * dtype.itemsize}", _list_of(pa.from_numpy_dtype(dtype)), nullable=False)
        for dtype in _TYPE_ID
    ]
)
_TENSOR = pa.struct(
    [
        pa.field("shape", _list_of(pa.uint64()), nullable=False),
        pa.field("names", _list_of(pa.utf8())),
        pa.field("buffer", _BUFFER),
    ]
)


def _supported(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    dtype = values.dtype.newbyteorder("=")
    if dtype not in _TYPE_ID:
        raise BadData(f"a tensor of dtype {values.dtype}: tensors are of integers or floats of 8 to 64 bits")
    return np.asarray(values, dtype, order="C")


def _buffers_to_arrow(buffers: Sequence[npt.NDArray[Any]]) -> pa.Array[Any]:
    """Arrays of any supported types as one union array."""
    type_ids = np.array([_TYPE_ID[buffer.dtype] for buffer in buffers], np.int8)
    places = np.zeros(len(buffers), np.int32)  # of each buffer among those of its type
    children: list[pa.Array[Any]] = [pa.nulls(0)]
    for dtype, type_id in _TYPE_ID.items():
        mine = [buffer for buffer in buffers if buffer.dtype == dtype]
        places[type_ids == type_id] = np.arange(len(mine))
        flat = mine[0].reshape(-1) if len(mine) == 1 else np.concatenate([np.empty(0, dtype), *map(np.ravel, mine)])
        values = arrow.numbers(pa.from_numpy_dtype(dtype), flat)
        children.append(arrow.lists(_BUFFER.field(type_id).type, [buffer.size for buffer in mine], values))
    return pa.Array.from_buffers(
        _BUFFER, len(buffers), [None, pa.py_buffer(type_ids), pa.py_buffer(places)], children=children
    )


def _shapes_to_arrow(tensors: Sequence[Any]) -> pa.Array[Any]:
    extents = np.array([extent for tensor in tensors for extent in tensor.shape], np.uint64)
    shapes = (len(tensor.shape) for tensor in tensors)
    return arrow.lists(_TENSOR.field("shape").type, shapes, arrow.numbers(pa.uint64(), extents))


def _names_to_arrow(tensors: Sequence[Any]) -> pa.Array[Any]:
    names = [None if type(tensor) is np.ndarray else tensor.names for tensor in tensors]
    flat = arrow.strings([name for item in names for name in item or ()])
    valid = np.array([item is not None for item in names])
    return arrow.lists(_TENSOR.field("names").type, (len(item or ()) for item in names), flat, valid)


class _Tensors:
    """Cell: an array, C-contiguous and of a supported type; or TensorData, whose arrays nobody changes; or a list."""

    arrow_type: pa.DataType = _TENSOR
    empty: Cell = []  # noqa: RUF012  # nobody changes a cell

    def cell(self, data: Any) -> Cell:
        if isinstance(data, TensorData):
            return data
        if (array := arrow_given(data, self.arrow_type)) is not None:
            return self.from_arrow(array)
        if isinstance(data, list | tuple) and data and isinstance(data[0], TensorData):
            if len(data) > 1:
                raise BadData(f"expected one tensor, got {len(data)}: tensors do not come in batches")
            return data[0]
        values = to_numpy(data)
        tensor = _supported(values)
        return tensor if tensor is data or not np.may_share_memory(tensor, values) else tensor.copy()

    def column(self, cells: Sequence[Cell]) -> tuple[pa.Array[Any], Counts]:
        counts = np.fromiter((len(cell) if type(cell) is list else 1 for cell in cells), np.int32, len(cells))
        tensors = [tensor for cell in cells for tensor in (cell if type(cell) is list else [cell])]
        buffers = [tensor if type(tensor) is np.ndarray else tensor.buffer.inner for tensor in tensors]
        members = [_shapes_to_arrow(tensors), _names_to_arrow(tensors), _buffers_to_arrow(buffers)]
        return pa.StructArray.from_arrays(members, fields=list(_TENSOR)), counts

    def owned(self, cell: Cell) -> Cell:
        return cell.copy() if type(cell) is np.ndarray else cell

    def nbytes(self, cell: Cell) -> int:
        if type(cell) is list:
            return sum(map(self.nbytes, cell))
        return int(cell.nbytes if type(cell) is np.ndarray else cell.buffer.inner.nbytes)

    def from_arrow(self, array: pa.Array[Any]) -> Cell:
        return [_tensor_of(scalar) for scalar in array]


def _tensor_of(scalar: Any) -> TensorData:
    values = scalar["buffer"].value.values.to_numpy(zero_copy_only=False).copy()
    return TensorData(shape=scalar["shape"].as_py(), buffer=values, dim_names=scalar["names"].as_py())


class TensorBuffer(Encoding, storage=Arrow(_BUFFER)):
    """The numbers of a tensor, flat."""

    def __init__(self, inner: npt.ArrayLike) -> None:
        self.inner: npt.NDArray[Any] = np.asarray(inner).flatten()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.inner, dtype=dtype)


def _buffer_cell(data: Any) -> Cell:
    if (array := arrow_given(data, _BUFFER)) is not None:
        return array
    inner = data.inner if isinstance(data, TensorBuffer) else TensorBuffer(data).inner
    return _buffers_to_arrow([_supported(inner)])


TensorBuffer._cell = staticmethod(_buffer_cell)


class TensorData(Encoding, storage=_Tensors()):
    """A tensor: an array of any shape, or a flat buffer with its shape; dim_names has one name a dimension."""

    def __init__(
        self,
        *,
        shape: Sequence[int] | None = None,
        buffer: TensorBufferLike | None = None,
        array: TensorLike | None = None,
        dim_names: Sequence[str] | None = None,
    ) -> None:
        if (array is None) == (buffer is None):
            raise BadData("a tensor needs either array, or buffer with shape")
        if array is not None:
            values = to_numpy(array)
            if shape is not None and tuple(shape) != values.shape:
                complain(f"TensorData: the array has shape {values.shape}, so shape = {tuple(shape)} is ignored")
            shape = values.shape
        elif shape is None:
            raise BadData("a tensor given as buffer needs its shape")
        else:
            values = buffer.inner if isinstance(buffer, TensorBuffer) else np.asarray(buffer)
        if values.size != prod(shape):
            raise BadData(
                f"a tensor of shape {tuple(shape)} has {prod(shape)} numbers, but the buffer has {values.size}"
            )
        self.shape: npt.NDArray[np.uint64] = np.asarray(shape, np.uint64)
        self.buffer = TensorBuffer(_supported(values))
        self.names = self._checked_names(dim_names)

    def numpy(self, force: bool = False) -> npt.NDArray[Any]:  # noqa: ARG002  # as torch has it
        """The array in its shape."""
        return self.buffer.inner.reshape(*map(int, self.shape))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.numpy(), dtype=dtype)

    def _checked_names(self, dim_names: Sequence[str] | None) -> list[str] | None:
        if not dim_names:
            return None
        if len(dim_names) != len(self.shape):
            complain(f"TensorData: {len(dim_names)} dim_names for {len(self.shape)} dimensions; the names are left out")
            return None
        return [str(name) for name in dim_names]


TensorBufferBatch = batch_of(TensorBuffer)
TensorDataBatch = batch_of(TensorData)

TensorLike: TypeAlias = npt.ArrayLike  # also torch tensors
TensorBufferLike: TypeAlias = TensorBuffer | npt.ArrayLike
TensorBufferArrayLike: TypeAlias = TensorBuffer | npt.ArrayLike
TensorDataLike: TypeAlias = TensorData | TensorLike
TensorDataArrayLike: TypeAlias = TensorData | TensorLike | Sequence[TensorData]
