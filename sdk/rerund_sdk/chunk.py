"""Rows of one entity, column by column, into one Arrow record batch and one .rrd message.

Rows share a chunk if they agree in entity path, timelines and the Arrow types of their components, as Rerun groups
them; components that a row lacks are null lists there. Inside a chunk row ids rise.

The schema part of the Arrow stream is the same for all chunks of one `Layout` but for the chunk id, which is text of
fixed length in it: it is encoded once and the id is written over a copy.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rerund_sdk.batch import ComponentDescriptor, Field, Row
from rerund_sdk.chunk_template import LARGE_BYTES, MOST_ROWS, Template, template_of
from rerund_sdk.messages import COMPRESSION_NONE, ArrowMsgWriter
from rerund_sdk.rrd import Kind
from rerund_sdk.series import Rows
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.time import DURATION, LOG_TIME, SEQUENCE, TIMESTAMP, TimePoint
from rerund_sdk.tuid import TUID_SIZE, TuidClock, chunk_id_text, tuid_parts
from rerund_sdk.wire import IndexEntry, TimeRange

if TYPE_CHECKING:
    from rerund_sdk.chunk_reader import Chunk

SORBET_VERSION: Final = "0.1.3"  # of the chunk format: what Rerun 0.39 and 0.40 know, and 0.41 reads as its own
END_OF_STREAM: Final = b"\xff\xff\xff\xff\0\0\0\0"

_ROW_ID_TYPE: Final = pa.binary(TUID_SIZE)
_ROW_ID_METADATA: Final = {
    "rerun:kind": "control",
    "ARROW:extension:name": "rerun.datatypes.TUID",
    "ARROW:extension:metadata": '{"namespace":"row"}',
    "rerun:is_sorted": "true",
}
_INDEX_TYPES: Final = {SEQUENCE: pa.int64(), DURATION: pa.duration("ns"), TIMESTAMP: pa.timestamp("ns")}
_SEEN_BEFORE_TEMPLATE: Final = 3  # messages of a kind
_WORTH_A_TEMPLATE: Final = 10  # uses; one that fits less often is not made again
_MOST_TEMPLATES: Final = 1000
_MOST_SCHEMAS: Final = 10_000  # each some kilobytes; beyond that, entities come so seldom that they are made anew
_PLACEHOLDER_ID: Final = "chunk_" + "0" * 32

Int64s: TypeAlias = "npt.NDArray[np.int64]"


class TimeColumn(NamedTuple):
    """All rows' values on one timeline."""

    name: str
    type: str  # of rerund_sdk.time
    values: Int64s

    def range(self) -> TimeRange:
        return TimeRange(self.name, self.type, int(self.values.min()), int(self.values.max()))

    def is_sorted(self) -> bool:
        return len(self.values) < 2 or bool((self.values[1:] >= self.values[:-1]).all())


class ComponentColumn(NamedTuple):
    """All rows' lists of instances of one component."""

    descriptor: ComponentDescriptor
    lists: Any  # pa.ListArray: one list a row, null where a row has none


class ChunkEncoder:
    """Makes the messages of one store; used by one thread."""

    def __init__(self, writer: ArrowMsgWriter) -> None:
        self._writer = writer
        self._ids = TuidClock()
        self._schemas: dict[tuple[Any, ...], _EncodedSchema] = {}
        self._templates: dict[Hashable, Template | None] = {}  # by kind of rows; None: there can be none
        self._seen: dict[Hashable, int] = {}  # messages of kinds that are not yet among them

    def encode_rows(self, rows: Sequence[Row], log_time: bool) -> list[EncodedMessage]:
        """Messages that hold `rows`, which are in the order of their `log` calls; log_time: add that timeline."""
        return [self._encode_group(group, log_time) for group in _grouped(rows)]

    def encode_columns(
        self,
        entity_path: str,
        times: Sequence[TimeColumn],
        components: Sequence[ComponentColumn],
        chunk_id: bytes | None = None,
    ) -> EncodedMessage:
        """One message that holds ready-made columns of equal length. chunk_id: None for a new one."""
        row_count = len(components[0].lists)
        first_id = self._ids.next()
        nanos = np.full(row_count, int.from_bytes(first_id[:8], "big"))
        counters = self._ids.reserve(row_count) + np.arange(row_count)
        return self._encode(entity_path, nanos, counters, times, components, chunk_id)

    def encode_as_is(self, chunk: Chunk) -> EncodedMessage:
        """A chunk that was made elsewhere, with its ids."""
        schema, batch = chunk.batch.schema.serialize().to_pybytes(), chunk.batch.serialize()
        times = [TimeColumn(*index) for index in chunk.indexes]
        payload = [schema, memoryview(batch), END_OF_STREAM]
        return self._message(payload, chunk.id, chunk.entity_path, chunk.rows, times)

    def encode_series(self, rows: Rows, log_time: bool) -> EncodedMessage:
        """One message that holds rows of one series."""
        if rows.count <= MOST_ROWS and rows.series.timelines is not None:
            return self._encode_few(rows, log_time)
        return self._encode_series(rows, log_time)

    def _encode_few(self, rows: Rows, log_time: bool) -> EncodedMessage:
        """By a template, once some messages of the kind were made. One for all entities, if they can share it."""
        for kind_of in (_shared_kind, _own_kind):
            kind = kind_of(rows, log_time)
            template = self._templates.get(kind)
            if template is not None:
                if message := template.message(rows, self._ids):
                    return message
                del self._templates[kind]
                if template.used < _WORTH_A_TEMPLATE:
                    self._templates[kind] = None
                break
            if kind not in self._templates:
                self._note(kind, rows, log_time)
                break
        return self._encode_series(rows, log_time)

    def _note(self, kind: Hashable, rows: Rows, log_time: bool) -> None:
        """There is another message of a kind that has no template; make one if that is worth it by now."""
        seen = self._seen.pop(kind, 0) + 1
        if seen <= _SEEN_BEFORE_TEMPLATE:
            if len(self._seen) >= _MOST_TEMPLATES:
                self._seen.clear()
            self._seen[kind] = seen
            return
        if len(self._templates) >= _MOST_TEMPLATES:
            self._templates.clear()
        self._templates[kind] = None
        template = template_of(rows, log_time, self._ids, lambda marked: self._encode_series(marked, log_time))
        if template is not None:
            self._templates[kind if template.is_shared else _own_kind(rows, log_time)] = template

    def _encode_series(self, rows: Rows, log_time: bool) -> EncodedMessage:
        series = rows.series
        nanos = np.array(rows.nanos(), np.int64)
        times = [
            TimeColumn(name, type_name, np.array(rows.times(number), np.int64))
            for number, (name, type_name) in enumerate(series.timelines or ())
        ]
        components = [
            ComponentColumn(field.descriptor, full_lists(field, rows.cells(number)))
            for number, field in enumerate(series.fields)
        ]
        is_static = series.timelines is None
        return self._encode_logged(series.path, nanos, times, components, log_time and not is_static)

    def _encode_group(self, rows: Sequence[Row], log_time: bool) -> EncodedMessage:
        entity_path, _, time, _, _ = rows[0]
        nanos = np.fromiter(map(_LOG_NANOS, rows), np.int64, len(rows))
        components = _component_columns(rows)
        return self._encode_logged(entity_path, nanos, _time_columns(rows), components, log_time and time is not None)

    def _encode_logged(
        self,
        entity_path: str,
        nanos: Int64s,
        times: list[TimeColumn],
        components: list[ComponentColumn],
        log_time: bool,
    ) -> EncodedMessage:
        if log_time and not any(time.name == LOG_TIME for time in times):
            times.append(TimeColumn(LOG_TIME, TIMESTAMP, nanos))
            times.sort(key=_time_name)
        components.sort(key=_component_name)
        row_id_nanos = np.maximum.accumulate(nanos)  # the clock may have been set back; row ids rise all the same
        counters = self._ids.reserve(len(nanos)) + np.arange(len(nanos))
        return self._encode(entity_path, row_id_nanos, counters, times, components)

    def _encode(
        self,
        entity_path: str,
        row_id_nanos: Int64s,
        row_id_counters: Int64s,
        times: Sequence[TimeColumn],
        components: Sequence[ComponentColumn],
        chunk_id: bytes | None = None,
    ) -> EncodedMessage:
        row_count = len(row_id_nanos)
        row_ids = np.empty((row_count, 2), ">u8")
        row_ids[:, 0] = row_id_nanos
        row_ids[:, 1] = row_id_counters
        arrays = [pa.Array.from_buffers(_ROW_ID_TYPE, row_count, [None, pa.py_buffer(row_ids)])]
        arrays += [
            pa.Array.from_buffers(_INDEX_TYPES[t.type], row_count, [None, pa.py_buffer(t.values)]) for t in times
        ]
        arrays += [component.lists for component in components]

        schema = self._schema(entity_path, times, components)
        batch = pa.RecordBatch.from_arrays(arrays, schema=schema.schema)
        chunk_id = chunk_id or self._ids.next()
        payload = schema.large_payload(batch, chunk_id) if _is_large(components) else schema.payload(batch, chunk_id)
        return self._message(payload, chunk_id, entity_path, row_count, times)

    def _message(
        self,
        payload: list[bytes | memoryview],
        chunk_id: bytes,
        entity_path: str,
        row_count: int,
        times: Sequence[TimeColumn],
    ) -> EncodedMessage:
        size = sum(map(len, payload))
        is_static = not times
        head = self._writer.head(chunk_id, is_static, size, size, COMPRESSION_NONE)
        ranges = tuple(time.range() for time in times) if row_count else ()
        entry = IndexEntry(Kind.ARROW, len(head) + size, chunk_id, entity_path, row_count, is_static, ranges)
        return EncodedMessage(entry, (head + payload[0], *payload[1:]))

    def _schema(
        self, entity_path: str, times: Sequence[TimeColumn], components: Sequence[ComponentColumn]
    ) -> _EncodedSchema:
        key = (
            entity_path,
            *((time.name, time.type, time.is_sorted()) for time in times),
            *((component.descriptor, component.lists.type) for component in components),
        )
        encoded = self._schemas.get(key)
        if encoded is None:
            if len(self._schemas) >= _MOST_SCHEMAS:
                self._schemas.clear()
            encoded = self._schemas[key] = _EncodedSchema(entity_path, times, components)
        return encoded


def _shared_kind(rows: Rows, log_time: bool) -> Hashable:
    """Rows that agree in this differ in their path alone, and in what is in their cells."""
    series = rows.series
    return rows.count, log_time, id(series.timelines), id(series.fields), len(series.path_bytes)


def _own_kind(rows: Rows, log_time: bool) -> Hashable:
    return rows.count, log_time, rows.series


class _EncodedSchema:
    """An Arrow schema and its IPC bytes, into which the chunk id is put."""

    def __init__(self, entity_path: str, times: Sequence[TimeColumn], components: Sequence[ComponentColumn]) -> None:
        fields = [pa.field("rerun.controls.RowId", _ROW_ID_TYPE, nullable=False, metadata=_ROW_ID_METADATA)]
        fields += [_index_field(time) for time in times]
        fields += [_component_field(component) for component in components]
        metadata = {"rerun:id": _PLACEHOLDER_ID, "rerun:entity_path": entity_path, "sorbet:version": SORBET_VERSION}
        self.schema = pa.schema(fields, metadata)
        self._before, self._after = self.schema.serialize().to_pybytes().split(_PLACEHOLDER_ID.encode())

    def payload(self, batch: pa.RecordBatch, chunk_id: bytes) -> list[bytes | memoryview]:
        """The Arrow stream that holds `batch`."""
        schema = b"".join((self._before, chunk_id_text(tuid_parts(chunk_id)), self._after))
        return [schema, memoryview(batch.serialize()), END_OF_STREAM]

    def large_payload(self, batch: pa.RecordBatch, chunk_id: bytes) -> list[bytes | memoryview]:
        """The same without a copy of the batch's buffers: worth it where they are large."""
        parts = _Parts()
        with pa.ipc.new_stream(pa.PythonFile(parts, "w"), self.schema) as writer:
            writer.write_batch(batch)
        payload = parts.joined()
        payload[0] = bytes(payload[0]).replace(_PLACEHOLDER_ID.encode(), chunk_id_text(tuid_parts(chunk_id)), 1)
        return payload


class _Parts:
    """A file that keeps what is written to it as it is; Arrow hands its buffers over without a copy."""

    closed = False

    def __init__(self) -> None:
        self._written: list[Any] = []

    def write(self, part: Any) -> int:
        self._written.append(part)
        return len(part)

    def flush(self) -> None:
        pass

    def joined(self) -> list[bytes | memoryview]:
        """What was written, small parts joined."""
        parts: list[bytes | memoryview] = []
        small: list[Any] = []
        for part in self._written:
            if len(part) < LARGE_BYTES:
                small.append(part)
                continue
            parts += [b"".join(small), memoryview(part)]
            small.clear()
        parts.append(b"".join(small))
        return parts


def _is_large(components: Sequence[ComponentColumn]) -> bool:
    return any(component.lists.nbytes >= LARGE_BYTES for component in components)


def _index_field(time: TimeColumn) -> pa.Field[Any]:
    metadata = {"rerun:kind": "index", "rerun:index_name": time.name}
    if time.is_sorted():
        metadata["rerun:is_sorted"] = "true"  # believed unchecked by readers, so only when it is certain
    return pa.field(time.name, _INDEX_TYPES[time.type], metadata=metadata)


def _component_field(column: ComponentColumn) -> pa.Field[Any]:
    descriptor = column.descriptor
    metadata = {"rerun:kind": "data", "rerun:component": descriptor.component}
    if descriptor.archetype:
        metadata["rerun:archetype"] = descriptor.archetype
    if descriptor.component_type:
        metadata["rerun:component_type"] = descriptor.component_type
    return pa.field(descriptor.component, column.lists.type, metadata=metadata)


_LOG_NANOS: Final = itemgetter(1)
_TIME: Final = itemgetter(2)
_FIELDS: Final = itemgetter(3)
_CELLS: Final = itemgetter(4)
_TIME_VALUES: Final = itemgetter(1)  # of a TimePoint


def _grouped(rows: Sequence[Row]) -> Iterable[list[Row]]:
    """The rows that share a chunk: of one path, on the same timelines, with the same Arrow types."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        path, _, time, fields, _ = row
        types = tuple([field.storage.arrow_type for field in fields])
        groups.setdefault((path, None if time is None else time[0], types), []).append(row)
    return groups.values()


def _time_columns(rows: Sequence[Row]) -> list[TimeColumn]:
    first: TimePoint | None = _TIME(rows[0])
    if first is None or not first[0]:
        return []
    columns = zip(*map(_TIME_VALUES, map(_TIME, rows)), strict=True)
    return [
        TimeColumn(name, type_name, np.array(values, np.int64))
        for (name, type_name), values in zip(first[0], columns, strict=True)
    ]


def _component_columns(rows: Sequence[Row]) -> list[ComponentColumn]:
    first = _FIELDS(rows[0])
    if all(fields is first for fields in map(_FIELDS, rows)):
        columns = [
            ComponentColumn(field.descriptor, full_lists(field, cells))
            for field, cells in zip(first, zip(*map(_CELLS, rows), strict=True), strict=True)
        ]
    else:
        all_fields = {id(field): field for fields in map(_FIELDS, rows) for field in fields}
        columns = [ComponentColumn(field.descriptor, _sparse_lists(field, rows)) for field in all_fields.values()]
    return columns


def _time_name(column: TimeColumn) -> str:
    return column.name


def _component_name(column: ComponentColumn) -> str:
    return column.descriptor.component


def full_lists(field: Field, cells: Sequence[Any]) -> Any:
    """One list for each cell, none of them null."""
    values, lengths = field.storage.column(cells)
    return list_array(values, offsets_of(lengths))


def _sparse_lists(field: Field, rows: Sequence[Row]) -> Any:
    """One list for each row, null where a row lacks the field."""
    cells = [_cell(field, row) for row in rows]
    present = np.array([cell is not None for cell in cells])
    values, present_lengths = field.storage.column([cell for cell in cells if cell is not None])
    lengths = np.zeros(len(rows), np.int32)
    lengths[present] = present_lengths
    return list_array(values, offsets_of(lengths), present)


def _cell(field: Field, row: Row) -> Any:
    for own, cell in zip(_FIELDS(row), _CELLS(row), strict=True):
        if own is field:
            return cell
    return None


def offsets_of(lengths: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Arrow list offsets of lists of these lengths."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def list_array(values: Any, offsets: npt.NDArray[np.int32], valid: npt.NDArray[np.bool_] | None = None) -> Any:
    """A ListArray as chunks have it: list nullable, its item named `item` and nullable."""
    bitmap = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.ListArray.from_buffers(
        pa.list_(pa.field("item", values.type, nullable=True)),
        len(offsets) - 1,
        [bitmap, pa.py_buffer(offsets)],
        children=[values],
    )
