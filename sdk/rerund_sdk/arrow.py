"""Arrow arrays straight from numpy and text.

Not by `pa.array`: where pandas is installed, its first call imports pandas, for some 0.2 s in which rows pile up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_EMPTY = pa.py_buffer(b"")


def numbers(
    arrow_type: pa.DataType, values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None
) -> pa.Array[Any]:
    """C-contiguous `values` of the dtype that `arrow_type` has, without a copy. valid: False is a null, by default
    none.
    """
    nulls = None if valid is None or valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(arrow_type, values.size, [nulls, pa.py_buffer(values)])


def booleans(values: npt.NDArray[np.bool_]) -> pa.Array[Any]:
    """Arrow keeps bools as bits."""
    return pa.Array.from_buffers(pa.bool_(), values.size, [None, pa.py_buffer(np.packbits(values, bitorder="little"))])


def strings(texts: Sequence[str | None]) -> pa.Array[Any]:
    """UTF-8 text. None is a null."""
    encoded = [b"" if text is None else text.encode() for text in texts]
    nulls = None
    if None in texts:
        nulls = pa.py_buffer(np.packbits([text is not None for text in texts], bitorder="little"))
    offsets = pa.py_buffer(_offsets(map(len, encoded)))
    return pa.Array.from_buffers(pa.utf8(), len(encoded), [nulls, offsets, pa.py_buffer(b"".join(encoded))])


def lists(
    arrow_type: pa.DataType,
    counts: Iterable[int],
    values: pa.Array[Any],
    valid: npt.NDArray[np.bool_] | None = None,
) -> pa.Array[Any]:
    """`values` cut into lists of `counts` items. valid: False is a null, by default none."""
    offsets = _offsets(counts)
    nulls = None if valid is None or valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(arrow_type, len(offsets) - 1, [nulls, pa.py_buffer(offsets)], children=[values])


def fixed_size_lists(arrow_type: pa.DataType, count: int, values: pa.Array[Any]) -> pa.Array[Any]:
    return pa.Array.from_buffers(arrow_type, count, [None], children=[values])


def empty(arrow_type: pa.DataType) -> pa.Array[Any]:
    """An array of no items."""
    if pa.types.is_null(arrow_type):
        return pa.nulls(0)
    if isinstance(arrow_type, pa.UnionType | pa.StructType):
        children = [empty(arrow_type.field(number).type) for number in range(arrow_type.num_fields)]
        buffers = [None] if isinstance(arrow_type, pa.StructType) else [None, _EMPTY, _EMPTY]
        return pa.Array.from_buffers(arrow_type, 0, buffers, children=children)
    if isinstance(arrow_type, pa.ListType):
        return lists(arrow_type, (), empty(arrow_type.value_type))
    if isinstance(arrow_type, pa.FixedSizeListType):
        return fixed_size_lists(arrow_type, 0, empty(arrow_type.value_type))
    if pa.types.is_string(arrow_type):
        return strings(())
    return pa.Array.from_buffers(arrow_type, 0, [None, _EMPTY])


def is_among(types: Iterable[type]) -> bool:
    """Whether one of them is a type of Arrow arrays."""
    return any(issubclass(kind, pa.Array) for kind in types)


def has_nulls(array: pa.Array[Any]) -> bool:
    """Whether numbers, text or lists of such have nulls, at any depth."""
    if isinstance(array, pa.ListArray | pa.FixedSizeListArray):
        return array.null_count > 0 or has_nulls(array.flatten())
    return bool(array.null_count)


def copy(array: pa.Array[Any]) -> pa.Array[Any]:
    """The same values in memory of their own: an array may share its with numpy."""
    return pa.concat_arrays([array, array[:0]])  # of a single one it makes no copy


def values_of(array: pa.Array[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The numbers or bools of an array without nulls; shared with it where possible."""
    data = array.buffers()[1]
    start, end = array.offset, array.offset + len(array)
    if dtype == np.bool_:
        return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[start:end].astype(np.bool_)
    return np.frombuffer(data, dtype, count=end)[start:]


def _offsets(counts: Iterable[int]) -> npt.NDArray[np.int32]:
    lengths = np.fromiter(counts, np.int64)
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:], dtype=np.int32)
    return offsets
