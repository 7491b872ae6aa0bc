"""Rerun's 16-byte time-based ids, of rows and of chunks.

Form: nanoseconds since the epoch, then a counter, both u64 big-endian, so that bytes sort by time.
Rule: one `TuidClock` is used by one thread; its ids rise strictly, and its counter starts at a random place with the
top bit clear, so two processes never make the same id.
"""

from __future__ import annotations

import os
import struct
import time
from typing import Final

_TUID: Final = struct.Struct(">QQ")
TUID_SIZE: Final = 16


class TuidClock:
    """Makes ids; for one thread (after a fork, the child makes its own)."""

    def __init__(self) -> None:
        self._counter = int.from_bytes(os.urandom(8), "big") >> 2  # 2 bits of room, so that it never overflows
        self._last_nanos = 0

    def next(self) -> bytes:
        """An id of now, greater than all before."""
        self._last_nanos = max(time.time_ns(), self._last_nanos)
        self._counter += 1
        return _TUID.pack(self._last_nanos, self._counter)

    def reserve(self, count: int) -> int:
        """The first of `count` counter values that are the caller's alone, for ids whose times it knows."""
        first = self._counter + 1
        self._counter += count
        return first


def tuid_parts(tuid: bytes) -> tuple[int, int]:
    """(nanoseconds since the epoch, counter)."""
    nanos, counter = _TUID.unpack(tuid)
    return nanos, counter


def chunk_id_text(parts: tuple[int, int]) -> bytes:
    """As it stands in the schema of a chunk; of what `tuid_parts` gives."""
    return b"chunk_%016X%016x" % parts
