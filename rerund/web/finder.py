"""Finds and opens the chunks of an entity by time, through the index: how a page looks into a recording of any size.

Form: of each segment the range of every (entity, timeline) is known, and of those used lately also the records, grouped
by it. Opened chunks are kept up to a size. So memory grows with entities and segments, not with history, and what is
asked for again and again, the present mostly, costs neither disk nor decompression.
Used on query threads; one lock guards each finder, as nothing under it takes long.
"""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rerund.describe import open_chunk
from rerund.index import FIRST, NO_TIMELINE, RECORD_DTYPE, REPEATED, Records, SegmentIndex
from rerund.recording import Recording
from rerund_sdk import rrd
from rerund_sdk.chunk_reader import Chunk

_KEPT_RECORDS: Final = 256 * 1024  # of index records in memory; 64 bytes each
_KEPT_CHUNK_BYTES: Final = 24 << 20
_CHUNK_OVERHEAD: Final = 16 * 1024  # of a chunk in memory: schema, metadata, columns
_SAMPLED_SEGMENTS: Final = 8
_SAMPLED_CHUNKS: Final = 32
_TAIL_RECORDS: Final = 4096  # of a growing segment that wait to be grouped

Int64s = npt.NDArray[np.int64]


class Found(NamedTuple):
    """A chunk that may have what was asked for."""

    segment: int  # place in the list of segments
    offset: int
    size: int
    rows: int
    low: int  # its range on the timeline; 0 if it is static
    high: int


class Finder:
    """The chunks of one recording."""

    def __init__(self, recording: Recording) -> None:
        recording.open()
        self._recording = recording
        self._index = recording.index
        self._segments: list[_Segment] = []
        self._components: dict[str, dict[str, pa.Field[Any]]] = {}  # by entity and name
        self._looked_at: dict[str, int] = {}  # rows of an entity when it was last looked at for components
        self._loaded: OrderedDict[int, None] = OrderedDict()  # segments with records in memory, the latest used last
        self._timelines: dict[str, list[int]] = {}  # numbers of a timeline, one for each type it was used with
        self._named = 0  # names that were looked at for timelines
        self._chunks: OrderedDict[tuple[int, int], Chunk] = OrderedDict()
        self._chunk_bytes = 0
        self._share = recording.caches
        if self._share is not None:
            self._share.join(self)
        self._lock = threading.Lock()

    def temporal(
        self, entity: str, timeline: str, low: int, high: int, *, earliest_first: bool = False
    ) -> Iterator[Found]:
        """Chunks that may have rows at `low` to `high`: by their end, the latest first, or by their start."""
        with self._lock:
            ranges = [
                (segment, key, reach)
                for segment, view in enumerate(self._caught_up())
                for key in self._keys(entity, timeline)
                if (reach := view.range_of(key, low, high)) is not None
            ]
        # a heap of (place in time, tie-breaker, chunks that are left; None: not looked at yet)
        heap: list[tuple[int, int, list[Found] | None]] = [
            (first if earliest_first else -last, number, None) for number, (_, _, (first, last)) in enumerate(ranges)
        ]
        heapq.heapify(heap)
        while heap:
            _, number, chunks = heapq.heappop(heap)
            if chunks is None:
                segment, key, _ = ranges[number]
                chunks = self._of_segment(segment, key, low, high, earliest_first)
            else:
                yield chunks.pop()
            if chunks:
                heapq.heappush(heap, (chunks[-1].low if earliest_first else -chunks[-1].high, number, chunks))

    def static(self, entity: str) -> list[Found]:
        """The entity's static chunks, in log order."""
        key = self._number(entity) << 16 | NO_TIMELINE
        with self._lock:
            segments = [n for n, view in enumerate(self._caught_up()) if view.range_of(key, 0, 0) is not None]
        return [found for segment in segments for found in self._of_segment(segment, key, 0, 0)]

    def ends(self, entity: str) -> list[Found]:
        """The first and the last chunk of an entity, in log order."""
        number = self._number(entity)
        with self._lock:
            segments = self._segments_with(number)
            if not segments:
                return []
            first, last = self._records(segments[0], number), self._records(segments[-1], number)
        return [_found(segments[0], first[0]), _found(segments[-1], last[-1])]

    def _samples(self, entity: str) -> list[Found]:
        """Some chunks of an entity, spread over its history; all if they are few."""
        number = self._number(entity)
        found: list[Found] = []
        with self._lock:
            segments = self._segments_with(number)
            for segment in _some(segments, _SAMPLED_SEGMENTS):
                records = self._records(segment, number)
                wanted = _SAMPLED_CHUNKS // min(len(segments), _SAMPLED_SEGMENTS)
                found += [_found(segment, records[at]) for at in _some(range(len(records)), wanted)]
        return found

    def open(self, found: Found, *, keep: bool = True) -> Chunk:
        """The chunk itself. `keep`: it will be looked at again. Raises BadRrd, OSError."""
        key = (found.segment, found.offset)
        with self._lock:
            if chunk := self._chunks.get(key):
                self._chunks.move_to_end(key)
                return chunk
        with self._recording.log.segments[found.segment].path.open("rb") as file:
            file.seek(found.offset)
            chunk = open_chunk(file.read(found.size))
        with self._lock:
            self._learn(chunk)
            if keep and self._chunks.setdefault(key, chunk) is chunk:
                self._chunk_bytes += _size(chunk)
                while self._chunk_bytes > self._most(_KEPT_CHUNK_BYTES) and len(self._chunks) > 1:
                    self._chunk_bytes -= _size(self._chunks.popitem(last=False)[1])
        return chunk

    def components(self, entity: str, rows: int = 0) -> dict[str, pa.Field[Any]]:
        """What an entity is made of, as far as samples of it and the chunks that were opened tell.

        rows: that it has now; it is looked at again when there are twice as many.
        """
        looked_at = self._looked_at.get(entity)
        if looked_at is None or rows >= 2 * looked_at:
            for found in self._samples(entity) if looked_at is None else self.ends(entity):
                self.open(found, keep=False)
            self._looked_at[entity] = max(rows, 1)
        return self._components.get(entity, {})

    def _learn(self, chunk: Chunk) -> None:
        """Under the lock; others may read meanwhile, so what they hold is never changed."""
        known = self._components.get(chunk.entity_path, {})
        if any(component.descriptor.component not in known for component in chunk.components):
            fields = {component.descriptor.component: component.field for component in chunk.components}
            self._components[chunk.entity_path] = {**known, **fields}

    def changed_since(self, seen: list[int]) -> tuple[list[int], set[str]]:
        """(how far the index is now, which entities came since it was `seen`)"""
        names = self._index.names.names
        now = self._index.counts()
        numbers: set[int] = set()
        for number, records in enumerate(now):
            start = seen[number] if number < len(seen) else 0
            if start < records:
                numbers.update(_chunks_only(self._index.segments[number].read(start))["entity"].tolist())
        return now, {names[number][0] for number in numbers}

    def _segments_with(self, entity: int) -> list[int]:
        """Under the lock."""
        return [number for number, view in enumerate(self._caught_up()) if view.has_entity(entity)]

    def _caught_up(self) -> list[_Segment]:
        """All segments, with what came since the last look. Under the lock."""
        last = max(0, len(self._segments) - 1)  # all before it were final when they were looked at
        for index in list(self._index.segments)[len(self._segments) :]:
            self._segments.append(_Segment(index))
        for view in self._segments[last:]:
            view.catch_up()
        return self._segments

    def _records(self, segment: int, entity: int) -> Records:
        """One for each chunk of an entity, in log order. Under the lock."""
        records = self._use(segment).of_keys(entity << 16, (entity + 1) << 16)
        records = records[(records["flags"] & FIRST) != 0]
        chunks: Records = records[np.argsort(records["offset"], kind="stable")]
        return chunks

    def _of_segment(self, segment: int, key: int, low: int, high: int, earliest_last: bool = False) -> list[Found]:
        """What a segment has there: by its end, the latest last, or by its start, the earliest last."""
        with self._lock:
            records = self._use(segment).of_keys(key, key + 1)
        records = records[(records["max"] >= low) & (records["min"] <= high)]
        order = -records["min"] if earliest_last else records["max"]
        if (order[1:] < order[:-1]).any():
            records = records[np.argsort(order, kind="stable")]
        columns = (records[name].tolist() for name in ("offset", "size", "rows", "min", "max"))
        return [Found(segment, *fields) for fields in zip(*columns, strict=True)]

    def _use(self, segment: int) -> _Segment:
        """A segment whose records are in memory; the ones used longest ago make room. Under the lock."""
        view = self._segments[segment]
        view.load()
        self._loaded[segment] = None
        self._loaded.move_to_end(segment)
        most = self._most(_KEPT_RECORDS * RECORD_DTYPE.itemsize) // RECORD_DTYPE.itemsize
        while len(self._loaded) > 1 and sum(self._segments[n].loaded for n in self._loaded) > most:
            self._segments[self._loaded.popitem(last=False)[0]].unload()
        return view

    def _most(self, kept_bytes: int) -> int:
        """How much of `kept_bytes` may be kept: pages into many recordings share the memory for it."""
        return kept_bytes if self._share is None else min(kept_bytes, self._share.each // 2)

    def _number(self, entity: str) -> int:
        return self._index.names.find(entity)

    def _keys(self, entity: str, timeline: str) -> list[int]:
        """One, unless the timeline was used with different types."""
        names = self._index.names.names
        for number in range(self._named, len(names)):
            if len(name := names[number]) == 2:
                self._timelines.setdefault(name[0], []).append(number)
        self._named = len(names)
        entity_key = self._number(entity) << 16
        return [entity_key | number for number in self._timelines.get(timeline, ())]


class _Segment:
    """What the index of one segment says of chunks, by key: entity number << 16 | timeline number."""

    def __init__(self, index: SegmentIndex) -> None:
        self._index = index
        self._seen = 0  # records that the ranges count
        self._keys = self._lows = self._highs = np.empty(0, np.int64)  # range of each key, keys rising
        self._grouped: Records | None = None  # by key, each in log order
        self._grouped_keys = self._keys
        self._tail: list[Records] = []

    @property
    def loaded(self) -> int:
        """Records in memory."""
        return 0 if self._grouped is None else len(self._grouped) + sum(map(len, self._tail))

    def catch_up(self) -> None:
        """Look at what was added since."""
        count = self._index.records
        if count <= self._seen:
            return
        added = self._index.read(self._seen)
        self._seen += len(added)
        added = _chunks_only(added)
        self._keys, self._lows, self._highs = _ranges(
            np.concatenate((self._keys, _keys_of(added))),
            np.concatenate((self._lows, added["min"])),
            np.concatenate((self._highs, added["max"])),
        )
        if self._grouped is not None:
            self._tail.append(added)
            if sum(map(len, self._tail)) > _TAIL_RECORDS:
                self.unload()
                self.load()

    def load(self) -> None:
        """Have the records in memory."""
        if self._grouped is None:
            records = _chunks_only(self._index.read()[: self._seen])
            self._grouped = records[np.argsort(_keys_of(records), kind="stable")]
            self._grouped_keys = _keys_of(self._grouped)

    def unload(self) -> None:
        self._grouped = None
        self._tail = []

    def range_of(self, key: int, low: int, high: int) -> tuple[int, int] | None:
        """Where on its timeline a key begins and ends, if it may have something between `low` and `high`."""
        at = int(np.searchsorted(self._keys, key))
        if at == len(self._keys) or self._keys[at] != key or self._lows[at] > high or self._highs[at] < low:
            return None
        return int(self._lows[at]), int(self._highs[at])

    def has_entity(self, number: int) -> bool:
        at = int(np.searchsorted(self._keys, number << 16))
        return at < len(self._keys) and int(self._keys[at]) >> 16 == number

    def of_keys(self, first: int, behind: int) -> Records:
        """The records of the keys from `first` up to, not with, `behind`."""
        assert self._grouped is not None
        start, end = np.searchsorted(self._grouped_keys, (first, behind))
        found = [self._grouped[start:end]]
        for tail in self._tail:
            keys = _keys_of(tail)
            found.append(tail[(keys >= first) & (keys < behind)])
        return np.concatenate(found) if len(found) > 1 else found[0]


def said(column: pa.Array[Any]) -> npt.NDArray[np.bool_]:
    """In which rows a column says something: those that are not null."""
    validity = column.buffers()[0]
    if validity is None or not column.null_count:
        return np.ones(len(column), np.bool_)
    return _bits(validity, column.offset, len(column))


def plain(column: pa.Array[Any]) -> npt.NDArray[Any]:
    """The numbers of a column, nulls as they lie there. Not as Arrow would do it: that loads all of pandas, 45 MB."""
    data = column.buffers()[1]
    if data is None:
        return np.zeros(len(column))
    if pa.types.is_boolean(column.type):
        return _bits(data, column.offset, len(column))
    return np.frombuffer(data, column.type.to_pandas_dtype())[column.offset : column.offset + len(column)]


def _bits(buffer: pa.Buffer, start: int, count: int) -> npt.NDArray[np.bool_]:
    bits = np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little")
    return bits[start : start + count].astype(np.bool_)


def _size(chunk: Chunk) -> int:
    """About how much memory it takes."""
    return int(chunk.batch.nbytes) + _CHUNK_OVERHEAD


def _some(items: Sequence[int], most: int) -> Sequence[int]:
    """At most `most` of them, evenly spread, the ends among them."""
    if len(items) <= most:
        return items
    return [items[at] for at in np.linspace(0, len(items) - 1, most).astype(int).tolist()]


def _found(segment: int, record: Any) -> Found:
    return Found(segment, *(int(record[name]) for name in ("offset", "size", "rows", "min", "max")))


def _keys_of(records: Records) -> Int64s:
    keys: Int64s = records["entity"].astype(np.int64) << 16 | records["timeline"]
    return keys


def _chunks_only(records: Records) -> Records:
    """Without store infos and the like, and without what a segment repeats of earlier ones."""
    chunks: Records = records[(records["kind"] == rrd.Kind.ARROW) & ((records["flags"] & REPEATED) == 0)]
    return chunks


def _ranges(keys: Int64s, lows: Int64s, highs: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Each key once, rising, with its range."""
    if not len(keys):
        return keys, lows, highs
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return keys[starts], np.minimum.reduceat(lows[order], starts), np.maximum.reduceat(highs[order], starts)
