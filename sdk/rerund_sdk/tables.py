"""From the chunks of a recording to Arrow tables: selecting, ordering, joining and filling rows.

Every component column holds one list of instances for each row. If the rows of one component have several Arrow types,
each further type gets a column of its own, named `component[type]`: nothing is converted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rerund_sdk import wire
from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.chunk import list_array, offsets_of
from rerund_sdk.chunk_reader import Chunk, Component
from rerund_sdk.time import DURATION, SEQUENCE, TIMESTAMP, duration_nanos, timestamp_nanos

TimeBound: TypeAlias = "int | float | datetime | timedelta | np.datetime64 | np.timedelta64 | None"
Wanted: TypeAlias = "Callable[[ComponentDescriptor], bool] | None"

ROW_ID: Final = "row_id"

_INDEX_TYPES: Final = {SEQUENCE: pa.int64(), DURATION: pa.duration("ns"), TIMESTAMP: pa.timestamp("ns")}
_TO_INT: Final[dict[str, Callable[[Any], int]]] = {
    SEQUENCE: int,
    DURATION: duration_nanos,
    TIMESTAMP: timestamp_nanos,
}
_LOWEST: Final = -(2**63)
_HIGHEST: Final = 2**63 - 1


class TimeRange(NamedTuple):
    """A range of one timeline, both ends included."""

    timeline: str
    low: int
    high: int

    @staticmethod
    def of(timeline: str, type_name: str, start: TimeBound, end: TimeBound) -> TimeRange:
        """Raises BadData if a bound is of another type than the timeline."""
        to_int = _TO_INT[type_name]
        low = _LOWEST if start is None else to_int(start)
        return TimeRange(timeline, low, _HIGHEST if end is None else to_int(end))

    def from_beginning(self) -> TimeRange:
        return self._replace(low=_LOWEST)

    def overlaps(self, ranges: Sequence[wire.TimeRange]) -> bool:
        return any(
            range_.timeline == self.timeline and range_.min <= self.high and range_.max >= self.low for range_ in ranges
        )

    def contains(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        return (values >= self.low) & (values <= self.high)

    def slice(self, table: pa.Table) -> pa.Table:
        return table.filter(pa.array(self.contains(_int64s(table[self.timeline]))))


def ranges(chunk: Chunk) -> Iterator[wire.TimeRange]:
    """Where a chunk with rows lies on its timelines."""
    for index in chunk.indexes:
        yield wire.TimeRange(index.timeline, index.type, int(index.values.min()), int(index.values.max()))


def batch(chunk: Chunk, wanted: Wanted, time_range: TimeRange | None) -> pa.RecordBatch:
    """The rows of `chunk` in `time_range`, and of its components those that are `wanted`."""
    columns: list[pa.Array[Any]] = [chunk.row_id_column]
    fields = [pa.field(ROW_ID, pa.binary(16), nullable=False)]
    for index in chunk.indexes:
        arrow_type = _INDEX_TYPES[index.type]
        columns.append(pa.array(index.values).cast(arrow_type))
        fields.append(pa.field(index.timeline, arrow_type, metadata={"rerun:kind": "index"}))
    for component in chunk.components:
        if wanted is None or wanted(component.descriptor):
            columns.append(lists_of_items(component.column))
            fields.append(_field(component, columns[-1].type))
    schema = pa.schema(fields, {"rerun:entity_path": chunk.entity_path})
    rows = pa.RecordBatch.from_arrays(columns, schema=schema)
    if time_range is None:
        return rows
    values = [index.values for index in chunk.indexes if index.timeline == time_range.timeline]
    keep = time_range.contains(values[0]) if values else np.zeros(chunk.rows, bool)
    return rows if keep.all() else rows.filter(pa.array(keep))


def lists_of_items(column: pa.Array[Any]) -> pa.Array[Any]:
    """`column` as lists whose items are nullable and named `item`: all that writers differ in. A null stays one."""
    if not pa.types.is_list(column.type):
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        return list_array(column.drop_null(), offsets_of(valid.astype(np.int32)), valid)
    wanted = pa.list_(pa.field("item", column.type.value_type))
    if column.type == wanted and column.type.value_field.name == "item":
        return column
    bitmap, offsets = column.buffers()[:2]
    return pa.ListArray.from_buffers(
        wanted, len(column), [bitmap, offsets], children=[column.values], offset=column.offset
    )


def _field(component: Component, arrow_type: pa.DataType) -> pa.Field[Any]:
    descriptor = component.descriptor
    metadata = {"rerun:kind": "data", "rerun:component": descriptor.component}
    if descriptor.archetype:
        metadata["rerun:archetype"] = descriptor.archetype
    if descriptor.component_type:
        metadata["rerun:component_type"] = descriptor.component_type
    return pa.field(descriptor.component, arrow_type, metadata=metadata)


def sorted_rows(batches: Sequence[pa.RecordBatch], timeline: str | None) -> pa.Table:
    """The rows of one entity by time, and where that is equal (or without a timeline) as they were logged."""
    if not batches:
        return pa.table({ROW_ID: pa.array([], pa.binary(16))})
    types: dict[str, list[pa.DataType]] = {}
    tables = [pa.Table.from_batches([_with_own_names(rows, types)]).replace_schema_metadata() for rows in batches]
    table = pa.concat_tables(tables, promote_options="default")
    nanos, counter = _row_ids(table[ROW_ID])
    keys = [counter, nanos] if timeline is None else [counter, nanos, _int64s(table[timeline])]
    return _taken(table, np.lexsort(keys))


def _with_own_names(rows: pa.RecordBatch, types: dict[str, list[pa.DataType]]) -> pa.RecordBatch:
    """`rows`, a column renamed if one of its name has another type; a timeline is cast, as Rerun does it."""
    columns, names = [], []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        known = types.setdefault(field.name, [])
        if field.type not in known:
            known.append(field.type)
        if _is_index(field):
            column = column.cast(pa.int64()).cast(known[0])
            names.append(field.name)
        else:
            first = field.type == known[0]
            names.append(field.name if first else f"{field.name}[{field.type.value_type}]")
        columns.append(column)
    fields = [
        field.with_name(name).with_type(column.type)
        for field, name, column in zip(rows.schema, names, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def joined(tables: Mapping[str, pa.Table], timeline: str | None, *, with_entity: bool) -> pa.Table:
    """One table of the sorted rows of several entities.

    On a timeline the n-th rows that entities have at the same time share a row; without one, no rows do.
    with_entity: begin the names of component columns with the entity path.
    """
    if with_entity:
        tables = {path: _with_prefix(table, path) for path, table in tables.items()}
    if len(tables) == 1:
        return _without_row_id(next(iter(tables.values())))
    keys = [_keys(table, timeline) for table in tables.values()]
    every = np.concatenate(keys) if keys else np.empty((0, 2), np.uint64)
    unique, group = np.unique(every, axis=0, return_inverse=True)
    columns: dict[str, pa.ChunkedArray[Any]] = {}
    fields: dict[str, pa.Field[Any]] = {}
    first = 0
    for table in tables.values():
        groups = group.reshape(-1)[first : first + len(table)]
        first += len(table)
        place = np.full(len(unique), -1)
        place[groups] = np.arange(len(table))
        rows = _without_row_id(table).take(pa.array(place, mask=place < 0))
        for field in rows.schema:
            column = rows[field.name]
            columns[field.name] = _first_valid(columns[field.name], column) if field.name in columns else column
            fields[field.name] = field
    order = sorted(columns, key=lambda name: not _is_index(fields[name]))
    return pa.table([columns[name] for name in order], schema=pa.schema([fields[name] for name in order]))


def _keys(table: pa.Table, timeline: str | None) -> npt.NDArray[Any]:
    """Two numbers a row, by whose equality rows are joined and by whose order they are sorted."""
    if timeline is None:
        return np.stack(_row_ids(table[ROW_ID]), axis=1)
    times = _int64s(table[timeline])
    starts = np.flatnonzero(np.append(True, times[1:] != times[:-1])) if len(times) else np.empty(0, np.int64)
    number = np.arange(len(times)) - np.repeat(starts, np.diff(np.append(starts, len(times))))
    return np.stack([times, number], axis=1)


def _first_valid(one: pa.ChunkedArray[Any], other: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Of an index column that both entities have."""
    one = one.combine_chunks()
    return pa.chunked_array([pc.coalesce(one, other.cast(one.type).combine_chunks())])


def latest(table: pa.Table) -> pa.Table:
    """One row: the last value of each component that was logged at all."""
    columns, fields = [], []
    for field in table.schema:
        if field.name == ROW_ID or _is_index(field):
            continue
        valid = np.flatnonzero(table[field.name].is_valid().to_numpy())
        if len(valid):
            columns.append(table[field.name].slice(int(valid[-1]), 1))
            fields.append(field)
    return pa.table(columns, schema=pa.schema(fields))


def filled(table: pa.Table, static: Mapping[str, pa.Table], *, with_entity: bool) -> pa.Table:
    """Each null replaced by the last value before; static components, one row an entity, replace all of theirs."""
    columns = {}
    for field in table.schema:
        column = table[field.name]
        if not _is_index(field) and column.null_count:
            valid = column.is_valid().to_numpy()
            latest_row = np.maximum.accumulate(np.where(valid, np.arange(len(valid)), -1))
            column = column.take(pa.array(latest_row, mask=latest_row < 0))
        columns[field.name] = (field, column)
    first_row = pa.array(np.zeros(len(table), np.int64))
    for path, held in static.items():
        for field in held.schema:
            name = f"{path}:{field.name}" if with_entity else field.name
            columns[name] = (field.with_name(name), held[field.name].take(first_row))
    fields = [field for field, _ in columns.values()]
    return pa.table([column for _, column in columns.values()], schema=pa.schema(fields))


def flattened(table: pa.Table) -> pa.Table:
    """Columns of at most one instance a row as plain columns; an empty list becomes a null."""
    for number, field in enumerate(table.schema):
        if not pa.types.is_list(field.type):
            continue
        lists = table[field.name].combine_chunks()
        offsets = lists.offsets.to_numpy()
        lengths = np.where(lists.is_valid().to_numpy(zero_copy_only=False), np.diff(offsets), 0)
        if (lengths <= 1).all():
            values = lists.values.take(pa.array(offsets[:-1], mask=lengths == 0))
            table = table.set_column(number, pa.field(field.name, values.type, metadata=field.metadata), values)
    return table


def _with_prefix(table: pa.Table, path: str) -> pa.Table:
    names = [
        field.name if field.name == ROW_ID or _is_index(field) else f"{path}:{field.name}" for field in table.schema
    ]
    return table.rename_columns(names)


def _without_row_id(table: pa.Table) -> pa.Table:
    return table.drop_columns([ROW_ID])


def _is_index(field: pa.Field[Any]) -> bool:
    return (field.metadata or {}).get(b"rerun:kind") == b"index"


def _taken(table: pa.Table, order: npt.NDArray[np.int64]) -> pa.Table:
    return table if (order == np.arange(len(order))).all() else table.take(pa.array(order))


def _int64s(column: pa.ChunkedArray[Any]) -> npt.NDArray[np.int64]:
    return np.asarray(column.cast(pa.int64()).to_numpy())


def _row_ids(column: pa.ChunkedArray[Any]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Nanoseconds and counters."""
    array = column.combine_chunks()
    buffer = array.buffers()[1]
    parts = np.frombuffer(buffer, ">u8", count=2 * len(array), offset=16 * array.offset) if len(array) else np.empty(0)
    numbers = parts.reshape(-1, 2).astype(np.uint64)
    return numbers[:, 0], numbers[:, 1]
