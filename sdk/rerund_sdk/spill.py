"""Messages on disk that a producer could not yet deliver, first in, first out.

Form: segments `<producer id>-<pid>-<queue>-<n>.rrd` in one directory, each a valid .rrd that begins with the
recording's SetStoreInfo and so says by itself where it belongs. Beside each lies `.index`, a msgpack array for each
message: its number and its index entry, so that reading back decodes no chunk; it may be missing.
Rule 1: all is written and read by one thread.
Rule 2: while its producer lives it holds a lock (flock) on each segment. An unlocked segment belongs to nobody any
more: a daemon may take in what it holds and delete it. Parts of it may have been delivered: chunk ids tell.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import msgpack

from rerund_sdk import rrd
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.whole_writes import write_whole
from rerund_sdk.wire import IndexEntry, TimeRange

_INDEX_READ_BYTES: Final = 64 * 1024


class Queued(NamedTuple):
    """A message and its place in the order in which all were handed over."""

    number: int
    message: EncodedMessage


class SpillQueue:
    """A queue on disk. OSErrors of writing and reading reach the caller; the queue is whole after them."""

    def __init__(self, directory: Path, name: str, store_info: bytes, segment_bytes: int) -> None:
        """segment_bytes: drained segments are deleted, so smaller ones give space back sooner."""
        self._directory = directory
        self._name = name
        self._store_info = store_info
        self._segment_bytes = segment_bytes
        self._next_segment = 1
        self._segments: deque[_Segment] = deque()
        self.nbytes = 0  # disk space taken, also by messages that were read back from a segment not yet drained

    @property
    def segments(self) -> int:
        return len(self._segments)

    @property
    def first_number(self) -> int:
        """Of the oldest message that is here; 0 if none is."""
        return next((segment.first_number for segment in self._segments if segment.unread), 0)

    def append(self, batch: Sequence[Queued]) -> None:
        """Write messages at the end. If it raises OSError, none of them is in the queue."""
        if not self._segments or self._segments[-1].nbytes >= self._segment_bytes:
            self._segments.append(self._new_segment())
        self._segments[-1].append(batch)
        self._sized()

    def read(self, max_bytes: int) -> list[Queued]:
        """Take the oldest messages out, as many as fit (one at least); deletes a segment that is drained."""
        if not self._segments:
            return []
        segment = self._segments[0]
        batch = segment.read(max_bytes)
        if not segment.unread:
            self._segments.popleft()
            segment.delete()
            self._sized()
        return batch

    def drop_oldest_segment(self) -> list[Queued]:
        """Delete the oldest segment; what was in it and not yet read back, without its bytes."""
        segment = self._segments.popleft()
        dropped = list(segment.rest_of_index())
        segment.delete()
        self._sized()
        return dropped

    def leave(self) -> list[Path]:
        """Close what is not drained, for somebody else to collect, and delete the rest; where it lies."""
        left = []
        while self._segments:
            segment = self._segments.popleft()
            if not segment.unread:
                segment.delete()
            else:
                segment.close()
                left.append(segment.path)
        return left

    def forget(self) -> None:
        """In a forked child: close the files, they are the parent's."""
        for segment in self._segments:
            segment.forget()

    def _sized(self) -> None:
        self.nbytes = sum(segment.nbytes for segment in self._segments)

    def _new_segment(self) -> _Segment:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / f"{self._name}-{self._next_segment}.rrd"
        self._next_segment += 1  # also if this one cannot be made: something of it may be there then
        return _Segment(path, rrd.STREAM_HEADER + self._store_info)


class _Segment:
    def __init__(self, path: Path, preamble: bytes) -> None:
        self.path = path
        self._file = _new_file(path)
        self._index = -1
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._index = _new_file(path.with_suffix(".index"))
            write_whole(self._file, [preamble])
        except OSError:
            self.delete()
            raise
        self.nbytes = len(preamble)
        self._index_bytes = 0
        self._is_torn = False  # a failed write could not be taken off the files yet
        self.unread = 0  # messages
        self._read_offset = len(preamble)
        self._index_read = 0
        self._unpacker = msgpack.Unpacker()
        self._peeked: deque[tuple[int, IndexEntry]] = deque()
        self.first_number = 0

    def append(self, batch: Sequence[Queued]) -> None:
        index = b"".join(cast(bytes, msgpack.packb((number, *message.entry))) for number, message in batch)
        self._mend()
        try:
            self._is_torn = True
            write_whole(self._file, [part for _, message in batch for part in message.data])
            write_whole(self._index, [index])
            self._is_torn = False
        except OSError:
            with contextlib.suppress(OSError):  # else before the next write, or at the end
                self._mend()
            raise
        if not self.unread:
            self.first_number = batch[0].number
        self.nbytes += sum(message.entry.size for _, message in batch)
        self._index_bytes += len(index)
        self.unread += len(batch)

    def _mend(self) -> None:
        if not self._is_torn:
            return
        for file, size in ((self._file, self.nbytes), (self._index, self._index_bytes)):
            os.ftruncate(file, size)
            os.lseek(file, size, os.SEEK_SET)
        self._is_torn = False

    def read(self, max_bytes: int) -> list[Queued]:
        size = count = 0
        while count < self.unread:
            next_size = self._peek(count)[1].size
            if count and size + next_size > max_bytes:
                break
            size += next_size
            count += 1
        data = memoryview(_read_exactly(self._file, size, self._read_offset))
        self._read_offset += size
        self.unread -= count
        batch, at = [], 0
        for _ in range(count):
            number, entry = self._peeked.popleft()
            batch.append(Queued(number, EncodedMessage(entry, (data[at : at + entry.size],))))
            at += entry.size
        if self.unread:
            self.first_number = self._peek(0)[0]
        return batch

    def rest_of_index(self) -> Iterator[Queued]:
        for place in range(self.unread):
            number, entry = self._peek(place)
            yield Queued(number, EncodedMessage(entry, ()))

    def close(self) -> None:
        """Give the file to whoever collects it."""
        with contextlib.suppress(OSError):  # a torn tail is cut by who collects
            self._mend()
        self.forget()

    def forget(self) -> None:
        """Close the files and leave them as they are."""
        for file in (self._index, self._file):
            if file >= 0:
                os.close(file)

    def delete(self) -> None:
        """If the disk refuses that, it is left to whoever collects it: what was delivered is known there."""
        with contextlib.suppress(OSError):
            self.path.with_suffix(".index").unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        self.forget()

    def _peek(self, place: int) -> tuple[int, IndexEntry]:
        """The `place`-th of the messages that were not yet read."""
        while len(self._peeked) <= place:
            try:
                self._peeked.append(_unpacked(self._unpacker.unpack()))
            except msgpack.OutOfData:
                left = self._index_bytes - self._index_read
                block = os.pread(self._index, min(_INDEX_READ_BYTES, left), self._index_read)
                if not block:
                    raise OSError(f"the index of a spill file is shorter than it was written: {self.path}") from None
                self._index_read += len(block)
                self._unpacker.feed(block)
        return self._peeked[place]


def _new_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _unpacked(record: list[Any]) -> tuple[int, IndexEntry]:
    number, kind, size, chunk_id, entity_path, rows, static, ranges = record
    timelines = tuple(TimeRange(*fields) for fields in ranges)
    return number, IndexEntry(kind, size, chunk_id, entity_path, rows, static, timelines)


def _read_exactly(file: int, size: int, offset: int) -> bytes:
    data = os.pread(file, size, offset)
    if len(data) < size:  # one read returns at most 2 GiB
        parts = [data]
        got = len(data)
        while got < size:
            more = os.pread(file, size - got, offset + got)
            if not more:
                raise OSError(f"a spill file is {size - got} bytes shorter than it was written")
            parts.append(more)
            got += len(more)
        data = b"".join(parts)
    return data
