"""The course of a number over time, in no more points than a plot has room for.

Of each bin of time the first, the last, the least and the greatest value are kept, where they were: what a plot of all
points would show. The numbers of chunks are kept up to a size, so asking again costs little.
Limit: one answer takes only so long, so it may have opened some of the chunks, the newest and others spread over the
range; it says how many that leaves, and who asks again gets those too.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rerund.web.finder import Finder, Found, plain, said
from rerund_sdk.chunk_reader import Chunk

LONGEST_SECS: Final = 0.1  # that one answer opens chunks
_LEAST_OPENED: Final = 32  # by one answer, however long it takes
_NEWEST: Final = 16  # that are opened before all others: who follows live sees the end first
MOST_LINES: Final = 16  # of one component: the instances of a row
_KEPT_POINTS: Final = 1_000_000  # 16 bytes each
_PART_POINTS: Final = 40  # that a part counts beside its own, for what it takes to keep it

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Part: TypeAlias = "tuple[Int64s, Floats]"  # times; one row of values for each, one column for each line
_NO_PART: Final[Part] = (np.empty(0, np.int64), np.empty((0, 1)))


class Series(NamedTuple):
    """Points in order of time; of several lines if the component has several instances."""

    times: Int64s
    values: Floats  # NaN: nothing
    chunks: int  # in the range
    missing: int  # of them, not looked into


class Numbers:
    """The numbers in one recording's chunks. Used on query threads."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._parts: OrderedDict[tuple[int, int, str, str], Part] = OrderedDict()  # the latest used last
        self._points = 0
        self._lock = threading.Lock()

    def series(self, entity: str, component: str, timeline: str, low: int, high: int, bins: int) -> Series:
        """A component between `low` and `high`, with a neighbour on each side. Raises BadRrd, OSError."""
        found = list(self._finder.temporal(entity, timeline, low, high))
        parts = [self._known(each, component, timeline) for each in found]
        unknown = [at for at, part in enumerate(parts) if part is None]
        give_up = time.monotonic() + LONGEST_SECS
        opened = 0
        for at in _spread(unknown):
            if opened >= _LEAST_OPENED and time.monotonic() > give_up:
                break
            parts[at] = self._open(found[at], component, timeline)
            opened += 1
        times, values = _joined([part for part in parts if part is not None and len(part[0])])
        # of the rows outside the range one on each side, so that lines reach the edges of the plot
        start = max(0, int(np.searchsorted(times, low)) - 1)
        end = int(np.searchsorted(times, high, "right")) + 1
        kept = thinned(times[start:end], values[start:end], bins)
        return Series(times[start:end][kept], values[start:end][kept], len(found), len(unknown) - opened)

    def _known(self, found: Found, component: str, timeline: str) -> Part | None:
        key = (found.segment, found.offset, component, timeline)
        with self._lock:
            part = self._parts.get(key)
            if part is not None:
                self._parts.move_to_end(key)
            return part

    def _open(self, found: Found, component: str, timeline: str) -> Part:
        part = _part(self._finder.open(found, keep=False), component, timeline)
        with self._lock:
            self._parts[found.segment, found.offset, component, timeline] = part
            self._points += len(part[0]) + _PART_POINTS
            while self._points > _KEPT_POINTS:
                self._points -= len(self._parts.popitem(last=False)[1][0]) + _PART_POINTS
        return part


def _spread(places: list[int]) -> Iterator[int]:
    """All of them: the first, then the others in an order of which every beginning is spread over the whole."""
    yield from places[:_NEWEST]
    places = places[_NEWEST:]
    count = len(places)
    step = 1 << max(0, count - 1).bit_length()
    yield from places[:1]
    while step > 1:
        half = step // 2
        yield from (places[at] for at in range(half, count, step))
        step = half


def _joined(parts: list[Part]) -> Part:
    """All points in order of time."""
    if not parts:
        return _NO_PART
    lines = max(values.shape[1] for _, values in parts)
    times = np.concatenate([times for times, _ in parts])
    values = np.concatenate([_widened(values, lines) for _, values in parts])
    if (times[1:] < times[:-1]).any():
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    return times, values


def thinned(times: Int64s, values: Floats, bins: int) -> Int64s:
    """Which points to keep: of each bin the first, the last, the least and the greatest of each line."""
    count = len(times)
    if count <= 4 * bins:
        return np.arange(count)
    span = int(times[-1]) - int(times[0]) or 1
    number = ((times - times[0]).astype(np.float64) * (bins / span)).astype(np.int64)
    starts = np.flatnonzero(np.append(True, number[1:] != number[:-1]))
    ends = np.append(starts[1:], count) - 1
    kept = [starts, ends]
    for line in values.T:
        kept += [_extreme(line, number, starts, np.fmin), _extreme(-line, number, starts, np.fmin)]
    return np.unique(np.concatenate(kept))


def _extreme(line: Floats, number: Int64s, starts: Int64s, least: Any) -> Int64s:
    """Of each bin the first place of its least value."""
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(line))))
    at = np.flatnonzero(line == least.reduceat(line, starts)[group])
    _, first = np.unique(number[at], return_index=True)
    places: Int64s = at[first]
    return places


def _part(chunk: Chunk, component: str, timeline: str) -> Part:
    """The rows of a chunk that have numbers; copies, so that the chunk itself can go."""
    times = next((index.values for index in chunk.indexes if index.timeline == timeline), None)
    column = next((each.column for each in chunk.components if each.descriptor.component == component), None)
    if times is None or column is None:
        return _NO_PART
    if not pa.types.is_list(column.type):
        return times.copy(), _floats(column).reshape(-1, 1)
    offsets = plain(column.offsets).astype(np.int64)
    lengths = np.where(said(column), np.diff(offsets), 0)
    values = _floats(column.values)
    if (lengths == 1).all():
        return times.copy(), values[offsets[0] : offsets[-1]].reshape(-1, 1)
    lines = min(int(lengths.max(initial=0)), MOST_LINES)
    if not lines:
        return _NO_PART
    table = np.full((len(lengths), lines), np.nan)
    for line in range(lines):
        has = lengths > line
        table[has, line] = values[offsets[:-1][has] + line]
    return times[lengths > 0], table[lengths > 0]


def _floats(column: pa.Array[Any]) -> Floats:
    """Null is NaN."""
    floats = plain(column).astype(np.float64)
    if column.null_count:
        floats[~said(column)] = np.nan
    return floats


def _widened(values: Floats, lines: int) -> Floats:
    missing = lines - values.shape[1]
    return np.pad(values, ((0, 0), (0, missing)), constant_values=np.nan) if missing else values
