"""The message of a single row of a series, made without Arrow: the bytes of an earlier one with other values in them.

A row that comes alone, as most do in a program that logs now and then, and as all images do, costs its sender a batch
of its own. All such messages of a series have the same bytes but for ids, times and cells, if each cell either has
always the same size or is always the same.

Form: a message is encoded once in the usual way, of a row of marks: random bytes in the place of values. What lies
between the marks is kept. Rule: each mark must be found exactly once, or else there is no template.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from rerund_sdk.rrd import Kind
from rerund_sdk.series import Series
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.time import LOG_TIME, TIMESTAMP
from rerund_sdk.tuid import TuidClock, tuid_parts
from rerund_sdk.wire import IndexEntry, TimeRange

_INT64: Final = struct.Struct("<q").pack
_ROW_ID: Final = struct.Struct(">QQ").pack
_MIN_MARK_BYTES: Final = 4  # shorter ones could be found by chance
_RANDOM_BYTES: Final = 4096  # that a mark has at the most; the rest of it is zero
_UNLIKELY: Final = 0x5E1D_0B1E  # a number in the place of one that is none
_MOST_CONSTANT_BYTES: Final = 1024
LARGE_BYTES: Final = 64 * 1024  # of a cell: below it a copy costs less than a part of its own

Pack = Callable[[Any], "bytes | memoryview | None"]


class RowTemplate:
    """For the rows of one series, which is not static."""

    def __init__(
        self, series: Series, log_time: bool, packs: list[Pack], sizes: list[int], parts: list[bytes], order: list[int]
    ) -> None:
        self._path = series.path
        self._packs = packs
        self._sizes = sizes
        self.used = 0  # times
        self._parts = parts  # what lies before each value
        self._order = order  # which value comes after each of them; the last has none
        timelines: list[tuple[str, str, int]] = [(*each, n) for n, each in enumerate(series.timelines or ())]
        if log_time and not any(name == LOG_TIME for name, _, _ in timelines):
            timelines.append((LOG_TIME, TIMESTAMP, len(timelines)))
        self._ranges = sorted(timelines)  # with the numbers of their values; that of log_time comes last

    def message(self, row: Sequence[Any], ids: TuidClock) -> EncodedMessage | None:
        """The message of a row as a series has it; None if its cells are not like the template's."""
        first_cell = len(row) - len(self._packs)
        values = [pack(cell) for pack, cell in zip(self._packs, row[first_cell:], strict=True)]
        if [len(value) if value is not None else None for value in values] != self._sizes:
            return None
        chunk_id = ids.next()
        points = (*row[1:first_cell], row[0])
        slots = (*_chunk_id_forms(chunk_id), _ROW_ID(row[0], ids.reserve(1)), *map(_INT64, points), *values)
        data = self._filled(slots)
        ranges = tuple([TimeRange(name, type_name, points[n], points[n]) for name, type_name, n in self._ranges])
        entry = IndexEntry(Kind.ARROW, sum(map(len, data)), chunk_id, self._path, 1, False, ranges)
        self.used += 1
        return EncodedMessage(entry, data)

    def _filled(self, slots: Sequence[Any]) -> tuple[bytes | memoryview, ...]:
        """The bytes with the slots in them; what is large is a part of its own and not copied."""
        data: list[bytes | memoryview] = []
        pieces: list[Any] = []
        for part, number in zip(self._parts, self._order, strict=False):
            value = slots[number]
            pieces.append(part)
            if len(value) < LARGE_BYTES:
                pieces.append(value)
            else:
                data += (b"".join(pieces), value)
                pieces = []
        pieces.append(self._parts[-1])
        data.append(b"".join(pieces))
        return tuple(data)


class _Constant:
    """A cell that is always the same: it takes no slot."""

    def __init__(self, cell: Any) -> None:
        self._cell = cell

    def __call__(self, cell: Any) -> bytes | None:
        return b"" if cell is self._cell or (type(cell) is type(self._cell) and cell == self._cell) else None


def _chunk_id_forms(chunk_id: bytes) -> tuple[bytes, bytes]:
    """As it stands in a message's head, and in the schema."""
    nanos, counter = tuid_parts(chunk_id)
    text = chunk_id.hex()
    return struct.pack("<QBQ", nanos, 0x11, counter), f"chunk_{text[:16].upper()}{text[16:]}".encode()


def row_template(
    series: Series, row: Sequence[Any], log_time: bool, ids: TuidClock, encode: Callable[[list[Any]], EncodedMessage]
) -> RowTemplate | None:
    """For rows like `row`, which is as a series has it; None if there can be none. encode: the usual way."""
    packs: list[Pack] = []
    marks: list[Any] = []
    first_cell = series.width - len(series.fields)
    for field, cell in zip(series.fields, row[first_cell:], strict=True):
        pack, mark = _pack_and_mark(field.storage, cell)
        if pack is None:
            return None
        packs.append(pack)
        marks.append(mark)
    points = [int.from_bytes(os.urandom(8), "little") >> 2 for _ in range(first_cell)]
    counter = ids.reserve(0)
    message = encode([*points, *marks])
    slots = [*_chunk_id_forms(message.entry.chunk_id), _ROW_ID(points[0], counter)]
    slots += [_INT64(point) for point in (*points[1:], points[0])]
    cells = [bytes(pack(mark) or b"") for pack, mark in zip(packs, marks, strict=True)]
    found = _found(b"".join(message.data), [*slots, *cells], may_lack=len(slots) - 1)
    return None if found is None else RowTemplate(series, log_time, packs, list(map(len, cells)), *found)


def _pack_and_mark(storage: Any, cell: Any) -> tuple[Pack | None, Any]:
    """What makes a slot of a cell, and a random cell of the same size; (None, None) if there is no such thing."""
    if isinstance(cell, str | pa.Array):
        return (_Constant(cell), cell) if storage.nbytes(cell) <= _MOST_CONSTANT_BYTES else (None, None)
    pack: Pack | None = getattr(storage, "packed", None)
    packed = pack(cell) if pack is not None else None
    if packed is None or len(packed) < _MIN_MARK_BYTES:
        return None, None
    random = os.urandom(min(len(packed), _RANDOM_BYTES)).ljust(len(packed), b"\0")
    if type(cell) is bytes:
        return pack, random
    if type(cell) is np.ndarray:
        return pack, np.frombuffer(random, cell.dtype).reshape(cell.shape)
    number = np.frombuffer(random, storage.dtype)[0].item()
    return pack, number if np.isfinite(number) else type(number)(_UNLIKELY)


def _found(data: bytes, slots: list[bytes], may_lack: int) -> tuple[list[bytes], list[int]] | None:
    """What lies between the slots, and in which order they come. may_lack: number of the one that may be missing."""
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
    return [*parts, data[end:]], [number for _, number in sorted(places)]
