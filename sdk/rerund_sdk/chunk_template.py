"""The message of a few rows of a series, made without Arrow: the bytes of an earlier one with other values in them.

Most programs log now and then, so most batches have one row of each entity, or a few: Arrow takes as long for those as
for hundreds. All such messages have the same bytes but for ids, times, cells and the entity path, if there are as many
rows, if their times rise, if each cell either has always the same size or is always the same, and if the path is as
long.

Form: a message is encoded once in the usual way, of rows of marks: random bytes in the place of values. What lies
between the marks is kept. Rule: each mark must be found exactly once, or else there is no template.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from rerund_sdk.rrd import Kind
from rerund_sdk.series import Rows, Series
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.time import LOG_TIME, TIMESTAMP
from rerund_sdk.tuid import TuidClock, chunk_id_text, tuid_parts
from rerund_sdk.wire import IndexEntry, TimeRange

MOST_ROWS: Final = 64  # beyond which Arrow is hardly slower
LARGE_BYTES: Final = 64 * 1024  # of a cell: below it a copy costs less than a part of its own
_ID_IN_HEAD: Final = struct.Struct("<QBQ").pack
_ROW_ID: Final = struct.Struct(">QQ").pack
_INT64: Final = struct.Struct("<q").pack
_MIN_MARK_BYTES: Final = 4  # shorter ones could be found by chance
_MIN_PATH_BYTES: Final = 8  # the marks of paths are letters, not any bytes
_RANDOM_BYTES: Final = 4096  # that a mark has at the most; the rest of it is zero
_MOST_CONSTANT_BYTES: Final = 1024

Pack = Callable[[Any], "bytes | memoryview | None"]


class Template:
    """For so many rows of a series; or of any series that differs in its path alone."""

    def __init__(
        self, rows: Rows, log_time: bool, packs: list[Pack], sizes: list[int], found: _Found, is_shared: bool
    ) -> None:
        """packs: what makes a value of a cell, one a field. sizes: of these values. is_shared: it fits other paths."""
        series, count = rows.series, rows.count
        self.used = 0  # times
        self.is_shared = is_shared
        self._series = series
        self._count = count
        self._first_cell = series.width - len(packs)
        self._cells = list(zip(range(self._first_cell, series.width), packs, sizes, strict=True))
        self._pieces: list[Any] = [piece for part in found.parts for piece in (part, b"")][:-1]  # room for the slots
        self._in_order = itemgetter(*found.order)
        self._has_large = any(size * count >= LARGE_BYTES for size in sizes)
        self._int64s = struct.Struct(f"<{count}q").pack
        timelines: list[tuple[str, str, int]] = [(*each, n) for n, each in enumerate(series.timelines or ())]
        if log_time and not any(name == LOG_TIME for name, _, _ in timelines):
            timelines.append((LOG_TIME, TIMESTAMP, len(timelines)))
        self._ranges = sorted(timelines)  # with the numbers of their values; that of log_time comes last

    def message(self, rows: Rows, ids: TuidClock) -> EncodedMessage | None:
        """The message of these rows; None if they are not like the template's."""
        chunk_id, counter = ids.next(), ids.reserve(self._count)
        read = self._one(rows.data, counter) if self._count == 1 else self._many(rows.data, counter)
        if read is None:
            return None
        series = rows.series
        message = self._filled((*_chunk_id_forms(chunk_id), *read.slots, series.path_bytes))
        first, last = read.first, read.last
        ranges = tuple([TimeRange(name, type_name, first[n], last[n]) for name, type_name, n in self._ranges])
        entry = IndexEntry(Kind.ARROW, sum(map(len, message)), chunk_id, series.path, self._count, not ranges, ranges)
        self.used += 1
        return EncodedMessage(entry, message)

    def _one(self, data: Sequence[Any], counter: int) -> _Read | None:
        """The slots of the only row; most messages have one, at the pace of a robot. counter: of its id."""
        values = []
        for number, pack, size in self._cells:
            value = pack(data[number])
            if value is None or len(value) != size:
                return None
            values.append(value)
        times = (*data[1 : self._first_cell], data[0])
        return _Read((_ROW_ID(data[0], counter), *map(_INT64, times), *values), times, times)

    def _many(self, data: list[Any], counter: int) -> _Read | None:
        """Those of several rows. counter: of the first id."""
        width = self._series.width
        values = []
        for number, pack, size in self._cells:
            value = _joined(list(map(pack, data[number::width])), size)
            if value is None:
                return None
            values.append(value)
        times = [data[number::width] for number in (*range(1, self._first_cell), 0)]
        if any(each != sorted(each) for each in times):
            return None
        slots = (_row_ids(times[-1], counter), *[self._int64s(*each) for each in times], *values)
        return _Read(slots, [each[0] for each in times], [each[-1] for each in times])

    def _filled(self, slots: Sequence[Any]) -> tuple[bytes | memoryview, ...]:
        """The bytes with the slots in them; what is large is a part of its own and not copied."""
        pieces = self._pieces.copy()
        pieces[1::2] = self._in_order(slots)
        if not self._has_large:
            return (b"".join(pieces),)
        data: list[bytes | memoryview] = []
        small: list[Any] = []
        for piece in pieces:
            if len(piece) < LARGE_BYTES:
                small.append(piece)
            else:
                data += (b"".join(small), piece)
                small = []
        data.append(b"".join(small))
        return tuple(data)


class _Read(NamedTuple):
    """What is put into a template."""

    slots: tuple[Any, ...]  # but for the chunk's id and the path: row ids, times, values
    first: Sequence[int]  # times, by the number of their timeline
    last: Sequence[int]


class _Constant:
    """A cell that is always the same: it takes no slot."""

    def __init__(self, cell: Any) -> None:
        self._cell = cell

    def __call__(self, cell: Any) -> bytes | None:
        return b"" if cell is self._cell or _is_same(cell, self._cell) else None


def _is_same(one: Any, another: Any) -> bool:
    """Whether two cells have the same bytes: Arrow's own comparison takes 0.0 for -0.0."""
    if not isinstance(another, pa.Array):
        return type(one) is type(another) and bool(one == another)
    if not isinstance(one, pa.Array) or _form(one) != _form(another):
        return False
    return all(mine is None or mine.equals(yours) for mine, yours in zip(one.buffers(), another.buffers(), strict=True))


def _form(array: pa.Array[Any]) -> tuple[Any, ...]:
    return array.type, len(array), array.offset, [buffer is None for buffer in array.buffers()]


def _joined(values: list[Any], size: int) -> bytes | memoryview | None:
    """One after another; None if not all of them have that size."""
    for value in values:
        if value is None or len(value) != size:
            return None
    return values[0] if len(values) == 1 else b"".join(values)


def _row_ids(nanos: Sequence[int], first: int) -> bytes:
    """first: of their counters."""
    return b"".join([_ROW_ID(time, counter) for counter, time in enumerate(nanos, first)])


def _chunk_id_forms(chunk_id: bytes) -> tuple[bytes, bytes]:
    """As it stands in a message's head, and in the schema."""
    nanos, counter = parts = tuid_parts(chunk_id)
    return _ID_IN_HEAD(nanos, 0x11, counter), chunk_id_text(parts)


def template_of(
    rows: Rows, log_time: bool, ids: TuidClock, encode: Callable[[Rows], EncodedMessage]
) -> Template | None:
    """For as many rows like these, which share a series; None if there can be none. encode: the usual way."""
    series, count = rows.series, rows.count
    width, first_cell = series.width, series.width - len(series.fields)
    packs: list[Pack] = []
    marks: list[list[Any]] = [_rising_marks(count) for _ in range(first_cell)]
    for number, field in enumerate(series.fields, first_cell):
        pack, cells = _pack_and_marks(field.storage, rows.data[number::width])
        if pack is None:
            return None
        packs.append(pack)
        marks.append(cells)
    path = _mark_of_path(series.path)
    marked = Series(path or series.path, series.timelines, series.fields)
    counter = ids.reserve(0)
    message = encode(Rows(marked, [cell for row in zip(*marks, strict=True) for cell in row], count))
    nanos, *times = marks[:first_cell]
    slots = [*_chunk_id_forms(message.entry.chunk_id), _row_ids(nanos, counter)]
    slots += [struct.pack(f"<{count}q", *each) for each in (*times, nanos)]
    log_time_slot = len(slots) - 1
    values = [
        [bytes(pack(cell) or b"") for cell in cells] for pack, cells in zip(packs, marks[first_cell:], strict=True)
    ]
    slots += [*map(b"".join, values), path.encode()]
    found = _found(b"".join(message.data), slots, may_lack=log_time_slot)
    if found is None:
        return None
    is_shared = bool(path) and not any(isinstance(pack, _Constant) for pack in packs)
    return Template(rows, log_time, packs, [len(column[0]) for column in values], found, is_shared)


def _rising_marks(count: int) -> list[int]:
    return sorted(int.from_bytes(os.urandom(8), "little") >> 2 for _ in range(count))


def _mark_of_path(path: str) -> str:
    """Another one of the same length; "" if that could be found by chance."""
    size = len(path.encode())
    return f"/{os.urandom(size).hex()[: size - 1]}" if size >= _MIN_PATH_BYTES else ""


def _pack_and_marks(storage: Any, cells: list[Any]) -> tuple[Pack | None, list[Any]]:
    """What makes a slot of a cell, and random cells of the same size; (None, []) if there is no such thing."""
    pack = _pack_of(storage, cells[0])
    if pack is None or _joined(list(map(pack, cells)), len(pack(cells[0]) or b"")) is None:
        return None, []
    return pack, cells if isinstance(pack, _Constant) else [_mark(storage, pack, cell) for cell in cells]


def _pack_of(storage: Any, cell: Any) -> Pack | None:
    if isinstance(cell, str | pa.Array):
        return _Constant(cell) if storage.nbytes(cell) <= _MOST_CONSTANT_BYTES else None
    pack: Pack | None = getattr(storage, "packed", None)
    packed = pack(cell) if pack is not None else None
    return None if packed is None or len(packed) < _MIN_MARK_BYTES else pack


def _mark(storage: Any, pack: Pack, cell: Any) -> Any:
    size = len(pack(cell) or b"")
    random = os.urandom(min(size, _RANDOM_BYTES)).ljust(size, b"\0")
    if type(cell) is bytes:
        return random
    if type(cell) is np.ndarray:
        return np.frombuffer(random, cell.dtype).reshape(cell.shape)
    number = np.frombuffer(random, storage.dtype)[0].item()
    return number if np.isfinite(number) else _mark(storage, pack, cell)


class _Found(NamedTuple):
    """A message that was taken apart."""

    parts: list[bytes]  # what lies between the slots, and around them
    order: list[int]  # the number of the slot behind each of them; behind the last there is none


def _found(data: bytes, slots: list[bytes], may_lack: int) -> _Found | None:
    """None if not each slot is there once. may_lack: number of the one that may be missing; empty ones are none."""
    places: list[tuple[int, int]] = []
    for number, slot in enumerate(slots):
        if not slot:
            continue
        count = data.count(slot)
        if count == 1:
            places.append((data.index(slot), number))
        elif count or number != may_lack:
            return None
    parts, end = [], 0
    for start, number in sorted(places):
        if start < end:
            return None
        parts.append(data[end:start])
        end = start + len(slots[number])
    return _Found([*parts, data[end:]], [number for _, number in sorted(places)])
