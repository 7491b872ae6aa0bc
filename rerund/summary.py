"""What a recording has of each entity, counted from its index when somebody asks, each record once.

Memory grows with the number of entities and timelines, not with history.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np

from rerund.index import FIRST, NO_TIMELINE, REPEATED, STATIC, Index, Records
from rerund.index_names import NO_ENTITY
from rerund_sdk import rrd


class TimelineSummary(NamedTuple):
    """What an entity has on one timeline."""

    timeline: str
    type: str  # "sequence" | "duration" (ns) | "timestamp" (ns since the epoch)
    min: int
    max: int


class EntitySummary(NamedTuple):
    """What the index knows of one entity."""

    entity_path: str
    messages: int
    rows: int
    bytes: int
    static: bool  # some of it is static
    timelines: tuple[TimelineSummary, ...]


class _Counts:
    __slots__ = ("bytes", "messages", "ranges", "rows", "static")

    def __init__(self) -> None:
        self.messages = self.rows = self.bytes = 0
        self.static = False
        self.ranges: dict[int, tuple[int, int]] = {}  # timeline number -> (min, max)


class Summary:
    """The counts of one recording's entities."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._counts: dict[int, _Counts] = {}  # by entity number
        self._counted: list[int] = []  # records of each segment
        self._lock = threading.Lock()  # two may ask at once

    def entities(self) -> list[EntitySummary]:
        """Every entity, by path."""
        with self._lock:
            self._catch_up()
            names = self._index.names.names
            counted = [(number, counts) for number, counts in self._counts.items() if names[number] != NO_ENTITY]
            summaries = [_entity_summary(names, number, counts) for number, counts in counted]
        return sorted(summaries)

    def _catch_up(self) -> None:
        segments = list(self._index.segments)
        self._counted += [0] * (len(segments) - len(self._counted))
        for number, segment in enumerate(segments):
            for records in segment.blocks(self._counted[number]):
                self._counted[number] += len(records)
                self._count(records[(records["kind"] == rrd.Kind.ARROW) & ((records["flags"] & REPEATED) == 0)])

    def _count(self, records: Records) -> None:
        firsts = records[(records["flags"] & FIRST) != 0]
        entities, inverse = np.unique(firsts["entity"], return_inverse=True)
        messages = np.bincount(inverse, minlength=len(entities))
        rows = np.bincount(inverse, firsts["rows"], minlength=len(entities))
        sizes = np.bincount(inverse, firsts["size"], minlength=len(entities))
        static = np.bincount(inverse, (firsts["flags"] & STATIC) != 0, minlength=len(entities))
        for at, entity in enumerate(entities.tolist()):
            counts = self._counts.setdefault(entity, _Counts())
            counts.messages += int(messages[at])
            counts.rows += int(rows[at])
            counts.bytes += int(sizes[at])
            counts.static |= bool(static[at])
        self._count_ranges(records[records["timeline"] != NO_TIMELINE])

    def _count_ranges(self, records: Records) -> None:
        keys = records["entity"].astype(np.uint64) << np.uint64(16) | records["timeline"].astype(np.uint64)
        unique, inverse = np.unique(keys, return_inverse=True)
        lows = np.full(len(unique), np.iinfo(np.int64).max)
        highs = np.full(len(unique), np.iinfo(np.int64).min)
        np.minimum.at(lows, inverse, records["min"])
        np.maximum.at(highs, inverse, records["max"])
        for key, low, high in zip(unique.tolist(), lows.tolist(), highs.tolist(), strict=True):
            ranges = self._counts[key >> 16].ranges
            old_low, old_high = ranges.get(key & 0xFFFF, (low, high))
            ranges[key & 0xFFFF] = (min(low, old_low), max(high, old_high))


def _entity_summary(names: list[tuple[str, ...]], number: int, counts: _Counts) -> EntitySummary:
    timelines = []
    for number_of_timeline, (low, high) in counts.ranges.items():
        timeline, kind = names[number_of_timeline]
        timelines.append(TimelineSummary(timeline, kind, low, high))
    return EntitySummary(
        names[number][0], counts.messages, counts.rows, counts.bytes, counts.static, tuple(sorted(timelines))
    )
