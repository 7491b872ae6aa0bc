"""A reader's place in a log: history, then live, in one step.

Reads the segment files below their published ends, so it takes no lock and the writer never waits for it. What it
costs the daemon is one open file. A cursor belongs to the loop; `read_now` alone may also be used elsewhere, by one
at a time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from rerund.errors import RecordingRemoved
from rerund.log import START, Position, Segment
from rerund_sdk import rrd

if TYPE_CHECKING:
    from rerund.recording import Recording

_MESSAGE_HEADER: Final = rrd.MESSAGE_HEADER_SIZE
_CACHED_BYTES: Final = 16 << 20  # this close to the end of a log, what is read was written a moment ago
_NO_WAIT: Final = getattr(os, "RWF_NOWAIT", 0)  # not everywhere
_SMALL_BYTES: Final = 256 << 10  # a single message up to this is read whatever the share of a reader is


class _Large(Exception):
    """The next message is larger than the reader's share."""

    def __init__(self, size: int) -> None:
        self.size = size


class Cursor:
    """Reads whole messages in order, each once: what later segments repeat is skipped."""

    def __init__(self, recording: Recording, start: Position = START) -> None:
        self._recording = recording
        self._start = start
        self._number = -1  # index into the log's segments; -1: not yet placed
        self._offset = 0
        self._fd = -1
        self._was_large = False  # the last message alone was larger than what was asked for

    @property
    def position(self) -> Position:
        """Where the next message begins."""
        if self._number < 0:
            return self._start
        return Position(self._segments[self._number].number, self._offset)

    @property
    def _segments(self) -> list[Segment]:
        return self._recording.log.segments

    async def read(self, max_bytes: int = 1 << 20, head: bytes = b"") -> memoryview:
        """Whole messages, at most `max_bytes` of them unless the first alone is larger; waits until there is one.

        head: put before them, so that who sends both need not copy what was read.
        """
        await self._place()
        readers = self._recording.readers
        most = max_bytes if readers is None else readers.share(self, max_bytes)
        while True:
            try:
                if data := await self._read_cached(partial(self._read, most, head, True)):
                    return data
            except _Large as large:
                assert readers is not None
                await readers.take(self, large.size)
                return await self._read_cached(partial(self._read_large, large.size, head))
            await self._recording.grown(self)

    async def ready(self) -> None:
        """Wait until `read` has something, or something to raise."""
        await self._place()
        await self._recording.grown(self)

    def read_now(self, max_bytes: int = 1 << 20) -> memoryview:
        """Like `read`; nothing at the end of the log."""
        self._place_now()
        return self._read(max_bytes, b"", False, 0)

    def lag(self) -> int:
        """Bytes between here and the end of the log."""
        if self._number < 0:
            return self._recording.bytes_after(self._start)
        segments = self._segments
        later = sum(segment.end - segment.first for segment in segments[self._number + 1 :])
        return segments[self._number].end - self._offset + later

    def close(self) -> None:
        """Give the open file back, and what was read counts as taken; reading again opens it again."""
        if self._recording.readers is not None:
            self._recording.readers.leave(self)
        self._close_file()

    def _close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self._close_file()

    async def _place(self) -> None:
        if self._number < 0:
            if not self._recording.is_open:  # its log may have to be repaired: that takes a while
                await asyncio.to_thread(self._recording.open)
            self._place_now()

    def _place_now(self) -> None:
        if self._number < 0:
            self._number, self._offset = self._recording.locate(self._start)

    async def _read_cached(self, read: Callable[[int], memoryview]) -> memoryview:
        """Read on the loop what is in memory; what the disk must bring is read on a thread."""
        just_written = self.lag() < _CACHED_BYTES
        try:
            return read(0 if just_written else _NO_WAIT)
        except BlockingIOError:
            return await asyncio.to_thread(read, 0)

    def _read(self, max_bytes: int, head: bytes, asks_for_room: bool, flags: int) -> memoryview:
        """asks_for_room: raise _Large in place of reading a large message."""
        if self._recording.removed:
            self.close()
            raise RecordingRemoved(f"recording {self._recording.name} was removed")
        available = self._enter_readable_segment()
        if not available:
            return memoryview(b"")
        size = self._size_of_next(flags) if self._was_large else 0
        if size <= max_bytes:
            data = self._pread(min(max_bytes, available), flags, head)
            if whole := _whole(data[len(head) :]):
                self._was_large = False
                self._offset += whole
                return _trimmed(data, len(head) + whole)
            size = self._size_of_next(flags)
        self._was_large = True
        if size > available:
            raise RecordingRemoved(f"recording {self._recording.name} was damaged on disk by somebody else")
        if asks_for_room and self._recording.readers is not None and size > max(max_bytes, _SMALL_BYTES):
            raise _Large(size)
        return self._read_large(size, head, flags)

    def _read_large(self, size: int, head: bytes, flags: int) -> memoryview:
        """The next message, of which it is known that it is there and has that size."""
        data = self._pread(size, flags, head)
        self._offset += size
        return data

    def _enter_readable_segment(self) -> int:
        """Move to the next segment where this one is read up; how many bytes there are to read."""
        while True:
            is_last = self._number == len(self._segments) - 1  # asked first: if it is not, its end is final
            segment = self._segments[self._number]
            if available := segment.end - self._offset:
                return available
            if is_last:
                return 0
            self._close_file()
            self._number += 1
            self._offset = self._segments[self._number].first

    def _pread(self, size: int, flags: int, head: bytes = b"") -> memoryview:
        """`size` bytes behind `head`. Raises BlockingIOError if `flags` forbid to wait for the disk and it has some."""
        if self._fd < 0:
            self._fd = self._open()
        buffer = np.empty(len(head) + size, np.uint8).data  # a bytearray would be zeroed first
        buffer[: len(head)] = head
        count = os.preadv(self._fd, [buffer[len(head) :]], self._offset, flags)
        if count < size:
            if flags:
                raise BlockingIOError
            raise RecordingRemoved(f"recording {self._recording.name} was cut on disk by somebody else")
        return buffer.toreadonly()

    def _open(self) -> int:
        try:
            return os.open(self._segments[self._number].path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise RecordingRemoved(f"recording {self._recording.name} was removed from the disk") from error

    def _size_of_next(self, flags: int) -> int:
        """Of the next message."""
        return _MESSAGE_HEADER + rrd.frame_header(self._pread(_MESSAGE_HEADER, flags), 0)[1]


def _trimmed(data: memoryview, size: int) -> memoryview:
    """Its first bytes, without keeping the memory of all of it for a few."""
    return data[:size] if size > len(data) // 2 else memoryview(bytes(data[:size]))


def _whole(data: memoryview) -> int:
    """How many bytes of `data` are whole messages."""
    end, size = 0, len(data)
    while end + _MESSAGE_HEADER <= size:
        following = end + _MESSAGE_HEADER + rrd.frame_header(data, end)[1]
        if following > size:
            break
        end = following
    return end
