"""The manifest of one store in a file: what a reader must know of each chunk to seek instead of scanning.

Form: a record batch of one row a chunk, in file order: where it lies, and its range on each timeline, as a whole and
for each component; and the schema of the recording. Names, types and order of the columns: docs/RRD.md.
Memory: notes are spooled, and the columns lie in a mapped scratch file once they are large; so a store of any number of
chunks can be described.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import msgpack
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rerund_sdk import arrow
from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.chunk_reader import Chunk, Component

_Pair: TypeAlias = tuple[str, ComponentDescriptor]  # a timeline, and a component that lies on it

_SPOOL_BYTES: Final = 1 << 20
_IN_MEMORY_BYTES: Final = 32 << 20  # of columns
_INT64_MIN: Final = -(2**63)  # reserved for static data: read as the next greater
_TIME_TYPES: Final[dict[str, Any]] = {
    "sequence": pa.int64(),
    "duration": pa.duration("ns"),
    "timestamp": pa.timestamp("ns"),
}
_ROW_ID: Final = pa.field(
    "rerun.controls.RowId",
    pa.binary(16),
    nullable=False,
    metadata={
        "rerun:kind": "control",
        "ARROW:extension:name": "rerun.datatypes.TUID",
        "ARROW:extension:metadata": '{"namespace":"row"}',
    },
)
_ARCHETYPE_PREFIXES: Final = ("rerun.archetypes.", "rerun.blueprint.archetypes.", "rerun.")
_UNDERSCORED: Final = str.maketrans(", -.\\", "_____")
_TOMBSTONE: Final = "Clear:is_recursive"
_PROPERTIES: Final = "/__properties"
_STATIC: Final = "rerun:static"
_COUNT_NAMES: Final = ("num_rows", "byte_offset", "byte_size", "byte_size_uncompressed")  # columns of each chunk


class ManifestBuilder:
    """Takes note of the chunks of one store."""

    def __init__(self, scratch_dir: Path) -> None:
        self._spool = tempfile.SpooledTemporaryFile(_SPOOL_BYTES, dir=str(scratch_dir))  # noqa: SIM115 - see close()
        self._chunks = 0
        self._timelines: dict[str, str] = {}  # name -> type, the first one if it changed
        self._components: dict[ComponentDescriptor, None] = {}
        self._pairs: dict[_Pair, None] = {}  # those that some chunk has
        self._numbers: dict[Any, int] = {}  # of timelines and components, as they come: what the spool calls them
        self._recording: dict[tuple[str, str], _RecordingColumn] = {}  # by entity path and component

    def add(self, chunk: Chunk, offset: int, size: int, uncompressed_size: int) -> None:
        """Take note of a chunk whose ArrowMsg body of `size` bytes lies at `offset`."""
        for index in chunk.indexes:
            self._timelines.setdefault(index.timeline, index.type)
        for component in chunk.components:
            self._components.setdefault(component.descriptor)
            self._pairs.update(dict.fromkeys((index.timeline, component.descriptor) for index in chunk.indexes))
            key = (chunk.entity_path, component.descriptor.component)
            column = self._recording.setdefault(key, _RecordingColumn(chunk.entity_path, component))
            column.add(component, static=not chunk.indexes)
        head = (chunk.entity_path, chunk.id, not chunk.indexes, chunk.rows, offset, size, uncompressed_size)
        times = [(self._number(index.timeline), *_range(index.values)) for index in chunk.indexes if chunk.rows]
        components = [(self._number(each.descriptor), self._sparse_ranges(chunk, each)) for each in chunk.components]
        self._spool.write(msgpack.packb((head, times, components)))
        self._chunks += 1

    def _sparse_ranges(self, chunk: Chunk, component: Component) -> list[tuple[int, int, int, int]] | None:
        """(timeline, min, max, count) over the rows that have the component; None if all rows have it."""
        count = chunk.rows - component.column.null_count
        if count == chunk.rows:
            return None
        present = np.asarray(component.column.is_valid())
        return [
            (self._number(index.timeline), *_range(index.values[present]), count) for index in chunk.indexes if count
        ]

    def _number(self, what: str | ComponentDescriptor) -> int:
        return self._numbers.setdefault(what, len(self._numbers))

    def close(self) -> None:
        """Let go of the notes."""
        self._spool.close()

    def schema(self) -> pa.Schema:
        """The recording's schema: row id, timelines, and every component of every entity; sorted by name."""
        fields = [_ROW_ID, *(_timeline_field(name, type_name) for name, type_name in self._timelines.items())]
        fields += [column.field() for column in self._recording.values()]
        return pa.schema(sorted(fields, key=attrgetter("name")))

    def batch(self, scratch: IO[bytes]) -> pa.RecordBatch:
        """The manifest's rows. Large columns lie in `scratch`, an empty file, which must outlive the batch."""
        columns = self._filled(_Columns(self._chunks, self._timelines, self._components, self._pairs, scratch))
        named = list(columns.head_arrays())
        components = sorted(self._components, key=_component_order)
        timelines = sorted(self._timelines)
        for component in components:
            field = _field(pa.bool_(), _STATIC, component, "has_static_data", nullable=False)
            named.append((field, arrow.booleans(columns.static[component])))
        for timeline in timelines:
            time_type = _TIME_TYPES[self._timelines[timeline]]
            start, end, present = columns.times[timeline]
            named.append((_field(time_type, timeline, None, "start"), _array(time_type, start, present)))
            named.append((_field(time_type, timeline, None, "end"), _array(time_type, end, present)))
        for timeline, component in ((t, c) for t in timelines for c in components if (t, c) in self._pairs):
            time_type = _TIME_TYPES[self._timelines[timeline]]
            start, end, count = columns.pairs[timeline, component]
            present = count > 0
            named.append((_field(time_type, timeline, component, "start"), _array(time_type, start, present)))
            named.append((_field(time_type, timeline, component, "end"), _array(time_type, end, present)))
            named.append((_field(pa.uint64(), timeline, component, "num_rows"), _array(pa.uint64(), count, None)))
        return pa.record_batch([array for _, array in named], schema=pa.schema([field for field, _ in named]))

    def _filled(self, columns: _Columns) -> _Columns:
        names = list(self._numbers)
        self._spool.seek(0)
        for row, (head, times, components) in enumerate(msgpack.Unpacker(self._spool, use_list=False)):
            columns.set_head(row, head)
            ranges = [(names[timeline], low, high) for timeline, low, high in times]
            for timeline, low, high in ranges:
                columns.set_time(row, timeline, low, high)
            for number, sparse in components:
                component = names[number]
                columns.static[component][row] = head[2]
                if sparse is None:
                    for timeline, low, high in ranges:
                        columns.set_pair(row, (timeline, component), low, high, head[3])
                else:
                    for timeline, low, high, count in sparse:
                        columns.set_pair(row, (names[timeline], component), low, high, count)
        return columns


class _Columns:
    """The manifest's values, row by row; zero where there is none."""

    def __init__(
        self,
        rows: int,
        timelines: Iterable[str],
        components: Iterable[ComponentDescriptor],
        pairs: Iterable[_Pair],
        scratch: IO[bytes],
    ) -> None:
        timelines, components, pairs = list(timelines), list(components), list(pairs)
        words = rows * (2 * len(timelines) + 3 * len(pairs))
        flags = rows * (len(timelines) + len(components))
        space = _space(8 * words + flags, scratch)
        numbers = space[: 8 * words].view(np.int64).reshape(-1, rows)
        marks = space[8 * words :].view(np.bool_).reshape(-1, rows)
        split = 2 * len(timelines)
        self.times = {
            timeline: (numbers[2 * i], numbers[2 * i + 1], marks[i]) for i, timeline in enumerate(timelines)
        }  # start, end, present
        self.pairs = {
            pair: (numbers[at], numbers[at + 1], numbers[at + 2])
            for pair, at in zip(pairs, range(split, len(numbers), 3), strict=True)
        }  # start, end, count; present where the count is not 0
        self.static = {component: marks[len(timelines) + i] for i, component in enumerate(components)}
        self._entity_paths: list[str] = []
        self._chunk_ids = bytearray()
        self._chunk_is_static = np.zeros(rows, np.bool_)
        self._counts = np.zeros((len(_COUNT_NAMES), rows), np.uint64)

    def set_head(self, row: int, head: tuple[str, bytes, bool, int, int, int, int]) -> None:
        self._entity_paths.append(sys.intern(head[0]))
        self._chunk_ids += head[1]
        self._chunk_is_static[row] = head[2]
        self._counts[:, row] = head[3:]

    def set_time(self, row: int, timeline: str, low: int, high: int) -> None:
        start, end, present = self.times[timeline]
        start[row], end[row], present[row] = low, high, True

    def set_pair(self, row: int, pair: _Pair, low: int, high: int, count: int) -> None:
        start, end, counts = self.pairs[pair]
        start[row], end[row], counts[row] = low, high, count

    def head_arrays(self) -> Iterator[tuple[pa.Field[Any], pa.Array[Any]]]:
        ids = pa.Array.from_buffers(pa.binary(16), len(self._entity_paths), [None, pa.py_buffer(self._chunk_ids)])
        arrays = {
            "entity_path": arrow.strings(self._entity_paths),
            "id": ids,
            "is_static": arrow.booleans(self._chunk_is_static),
        }
        for name, counts in zip(_COUNT_NAMES, self._counts, strict=True):
            arrays[name] = arrow.numbers(pa.uint64(), counts)
        for name, array in arrays.items():
            yield pa.field(f"chunk_{name}", array.type, nullable=False), array


class _RecordingColumn:
    """One component of one entity, in the schema of the recording."""

    def __init__(self, entity_path: str, component: Component) -> None:
        self._entity_path = entity_path
        self._descriptor = component.descriptor
        self._field = component.field
        self._is_static = False
        self._is_empty = True

    def add(self, component: Component, static: bool) -> None:
        self._is_static = self._is_static or static
        self._is_empty = self._is_empty and _is_empty(component.column)

    def field(self) -> pa.Field[Any]:
        metadata = {**(self._field.metadata or {}), b"rerun:kind": b"data", **_descriptor_metadata(self._descriptor)}
        metadata[b"rerun:entity_path"] = self._entity_path.encode()
        for name, holds in (
            (b"rerun:is_static", self._is_static),
            (b"rerun:is_semantically_empty", self._is_empty),
            (b"rerun:is_tombstone", self._descriptor.component == _TOMBSTONE),
        ):
            if holds:
                metadata[name] = b"true"
        stored = self._field.type
        return pa.field(self._name(), stored if _is_list(stored) else pa.list_(stored), metadata=metadata)

    def _name(self) -> str:
        component = self._descriptor.component
        if self._entity_path == _PROPERTIES:
            return f"property:{component}"
        if self._entity_path.startswith(_PROPERTIES + "/"):
            return f"property:{self._entity_path[len(_PROPERTIES) + 1 :]}:{component}"
        return f"{self._entity_path}:{component}"


def _space(size: int, scratch: IO[bytes]) -> npt.NDArray[np.uint8]:
    """`size` zero bytes: in memory, or mapped from `scratch` if they are many."""
    if size <= _IN_MEMORY_BYTES:
        return np.zeros(size, np.uint8)
    return np.memmap(scratch, np.uint8, "w+", shape=(size,))


def _range(values: npt.NDArray[np.int64]) -> tuple[int, int]:
    """(min, max)."""
    return max(int(values.min()), _INT64_MIN + 1), max(int(values.max()), _INT64_MIN + 1)


def _array(arrow_type: Any, values: npt.NDArray[Any], present: npt.NDArray[np.bool_] | None) -> pa.Array[Any]:
    """`values`, not copied, null where not `present`."""
    bitmap = None if present is None else pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(arrow_type, len(values), [bitmap, pa.py_buffer(values)])


def _field(
    arrow_type: Any, index: str, component: ComponentDescriptor | None, what: str, nullable: bool = True
) -> pa.Field[Any]:
    """A column of the manifest."""
    parts = [what] if component is None else [*_short_names(component), what]
    if index != _STATIC:
        parts.insert(0, index)
    name = ":".join(parts).translate(_UNDERSCORED).lstrip("_")
    metadata = {b"rerun:index": index.encode(), **(_descriptor_metadata(component) if component else {})}
    return pa.field(name, arrow_type, nullable, metadata)


def _short_names(descriptor: ComponentDescriptor) -> list[str]:
    if not descriptor.archetype:
        return [descriptor.component]
    prefix = next((prefix for prefix in _ARCHETYPE_PREFIXES if descriptor.archetype.startswith(prefix)), "")
    archetype = descriptor.archetype[len(prefix) :]
    return [archetype, descriptor.component.removeprefix(f"{archetype}:")]


def _descriptor_metadata(descriptor: ComponentDescriptor) -> dict[bytes, bytes]:
    named = {
        b"rerun:component": descriptor.component,
        b"rerun:archetype": descriptor.archetype,
        b"rerun:component_type": descriptor.component_type,
    }
    return {key: text.encode() for key, text in named.items() if text}


def _timeline_field(name: str, type_name: str) -> pa.Field[Any]:
    return pa.field(name, _TIME_TYPES[type_name], metadata={"rerun:kind": "index", "rerun:index_name": name})


def _component_order(descriptor: ComponentDescriptor) -> tuple[str, str, str]:
    return descriptor.archetype or "", descriptor.component, descriptor.component_type or ""


def _is_list(arrow_type: Any) -> bool:
    return bool(pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type))


def _is_empty(column: pa.Array[Any]) -> bool:
    """Whether every row is null or an empty list."""
    if not _is_list(column.type):
        return bool(column.null_count == len(column))
    return len(column.flatten()) == 0
