"""What `log` takes besides our own archetypes: component batches of anybody, also of the official SDK."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from rerund_sdk.batch import Cell, ComponentDescriptor, Field
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Arrow

# Each field and combination of fields is made once, so that rows of the same shape group.
_fields: dict[tuple[ComponentDescriptor, pa.DataType], Field] = {}
_combinations: dict[tuple[int, ...], tuple[Field, ...]] = {}


def row_of_batches(loggable: Any) -> tuple[tuple[Field, ...], tuple[Cell, ...]]:
    """Fields and cells of anything with `as_component_batches()`, of a described batch, or an iterable of them.

    Raises BadData for anything else.
    """
    fields, cells = [], []
    for batch in _described_batches(loggable):
        array = batch.as_arrow_array()
        if array is None:
            continue
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if not isinstance(array, pa.Array):
            raise BadData(f"as_arrow_array() of {type(batch).__name__} gives {type(array).__name__}, no pyarrow array")
        fields.append(_field(_descriptor(batch), array.type))
        cells.append(array)
    return _combinations.setdefault(tuple(map(id, fields)), tuple(fields)), tuple(cells)


def _field(descriptor: ComponentDescriptor, arrow_type: pa.DataType) -> Field:
    field = _fields.get((descriptor, arrow_type))
    return field or _fields.setdefault((descriptor, arrow_type), Field(descriptor, Arrow(arrow_type)))


def _described_batches(loggable: Any) -> Iterable[Any]:
    if hasattr(loggable, "as_component_batches"):
        return loggable.as_component_batches()  # type: ignore[no-any-return]
    if hasattr(loggable, "component_descriptor"):
        return (loggable,)
    if isinstance(loggable, Iterable) and not isinstance(loggable, str | bytes | np.ndarray):
        batches = list(loggable)
        if all(hasattr(batch, "component_descriptor") for batch in batches):
            return batches
        if all(hasattr(batch, "as_component_batches") for batch in batches):
            return [inner for batch in batches for inner in batch.as_component_batches()]
    raise BadData(
        f"expected an archetype, or component batches with descriptors, got {type(loggable).__name__}: "
        "wrap your data, for example in rr.Scalars(...) or rr.AnyValues(name=...)"
    )


def _descriptor(batch: Any) -> ComponentDescriptor:
    descriptor = batch.component_descriptor()
    if isinstance(descriptor, ComponentDescriptor):
        return descriptor
    return ComponentDescriptor(descriptor.component, descriptor.archetype, descriptor.component_type)
