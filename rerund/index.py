"""What is known of each message of a log without reading it: an index file beside each segment, one names file for all.

Form of `000001.index`: a 64-byte header, then 64-byte records in log order: one for each timeline of a message, or one
without timeline if it has none; header and records end in a checksum of their own. Records hold numbers of names
(index_names.py). All can be rebuilt from the segments.
Rule 1: records are written after the log holds the message, by the log's writer alone; readers look at whole records.
Rule 2: an index is believed unread only once its header says that it is settled, which is written when segment, names
and records are on the disk. All others are read when the log is opened, and trusted as far as checksums hold and
offsets chain through the segment.
"""

from __future__ import annotations

import bisect
import errno
import logging
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from rerund.index_names import Names
from rerund.log import LOOK_SECS, bring_up
from rerund.unsynced import put_anew, sync_file
from rerund.writing import write_at
from rerund_sdk import rrd
from rerund_sdk.wire import IndexEntry

log = logging.getLogger(__name__)

Records = npt.NDArray[Any]  # of RECORD_DTYPE

FIRST: Final = 1  # the first record of its message
STATIC: Final = 2
REPEATED: Final = 4  # of a segment's preamble: an earlier segment has this message
NO_TIMELINE: Final = 0xFFFF

_RECORD: Final = struct.Struct("<QQ16sIHBBIqq")
_RECORD_CHECK: Final = struct.Struct("<I")
_RECORD_SIZE: Final = _RECORD.size + _RECORD_CHECK.size
RECORD_DTYPE: Final = np.dtype(
    {
        "names": ["offset", "size", "chunk_id", "entity", "timeline", "kind", "flags", "rows", "min", "max", "check"],
        "formats": ["<u8", "<u8", "V16", "<u4", "<u2", "u1", "u1", "<u4", "<i8", "<i8", "<u4"],
        "offsets": [0, 8, 16, 32, 36, 38, 39, 40, 44, 52, 60],
        "itemsize": _RECORD_SIZE,
    }
)
_MAGIC: Final = b"RRIX"
_VERSION: Final = 2
_HEADER: Final = struct.Struct("<4sIQQQQQII")  # the last one is a state
_HEADER_CHECK: Final = struct.Struct("<Q")
_HEADER_SIZE: Final = _HEADER.size + _HEADER_CHECK.size
_GROWING: Final = 0
_RELEASED: Final = 1  # its log was closed, not only gone on with in another segment
_SETTLED: Final = 2  # nothing is added any more, and all of it is on the disk
_NO_CHUNK: Final = bytes(16)
_BLOCK_RECORDS: Final = 1 << 15


class Totals(NamedTuple):
    """What a segment holds, repeated messages not counted."""

    first: int  # offset of the first message that is not repeated
    end: int  # offset up to which this counts
    messages: int
    rows: int
    names: int  # how many names the records may use


class Place(NamedTuple):
    """A message in a log and what the index says of it."""

    offset: int
    entry: IndexEntry
    repeated: bool = False


class SegmentIndex:
    """The index file of one segment."""

    def __init__(self, segment_path: Path) -> None:
        self.number = int(segment_path.stem)
        self.path = segment_path.with_suffix(".index")
        self.records = 0  # whole ones in the file; stored by the writer, read by all
        self.totals = Totals(rrd.STREAM_HEADER_SIZE, rrd.STREAM_HEADER_SIZE, 0, 0, 0)
        self._noted_records = 0  # by the header
        self._state = _GROWING  # likewise
        self._fd = -1
        self._in_doubt = False  # an fsync of it failed
        self._next_look = 0.0  # of time.monotonic(): whether the file still has its name

    @property
    def was_released(self) -> bool:
        """The daemon that wrote here last has ended well, or had nothing more to write."""
        return self._state == _RELEASED

    @property
    def settled(self) -> bool:
        """All of it, and of its segment, is on the disk."""
        return self._state == _SETTLED

    def load_totals(self) -> bool:
        """Read the header; False if there is none that fits the file."""
        try:
            with self.path.open("rb") as file:
                head = file.read(_HEADER_SIZE)
                size = os.fstat(file.fileno()).st_size
            magic, version, self._noted_records, *totals, self._state = _HEADER.unpack(head[: _HEADER.size])
            (check,) = _HEADER_CHECK.unpack(head[_HEADER.size :])
        except (OSError, struct.error):
            return False
        self.totals = Totals(*totals)
        self.records = (size - _HEADER_SIZE) // _RECORD_SIZE
        is_whole = self._noted_records <= self.records and self.totals.first >= rrd.STREAM_HEADER_SIZE
        return (magic, version, check) == (_MAGIC, _VERSION, zlib.crc32(head[: _HEADER.size])) and is_whole

    def trust(self, content: memoryview, names: int, check_bodies: bool) -> bool:
        """Keep the records that are good and chain from the segment's first message on; count them again.

        The last message's are kept only if the header says that they are all there.
        content: the segment. check_bodies: see that the messages lie there.
        Returns whether `totals.first` is known.
        """
        segment_size = len(content)
        if not self.load_totals() or self.totals.names > names or self.totals.first > segment_size:
            self._start_anew(rrd.STREAM_HEADER_SIZE)
            return False
        end, self.totals = self.totals.end, self.totals._replace(end=rrd.STREAM_HEADER_SIZE, messages=0, rows=0)
        count = 0  # records that can be kept
        for block in self.blocks():
            kept = self._count_chained(block, segment_size, names, content if check_bodies else None)
            count += kept
            if kept < len(block):
                break
        if (self.totals.end, count) != (end, self._noted_records):  # else it was written down as complete
            count = self._drop_last_message(count)
        self.records = count
        self._rewrite()
        return True

    def _count_chained(self, block: Records, segment_size: int, names: int, content: memoryview | None) -> int:
        """How many records of `block` go on where the counted ones end; they are counted, too."""
        block = block[: self._count_good(block, names)]
        first_at = np.flatnonzero(block["flags"] & FIRST)
        firsts = block[first_at]
        ends = firsts["offset"] + firsts["size"]
        fits = firsts["offset"] == np.concatenate(([self.totals.end], ends[:-1])).astype(np.uint64)
        fits &= (ends <= segment_size) & (firsts["size"] >= rrd.MESSAGE_HEADER_SIZE)
        if content is not None:
            inside = np.flatnonzero(fits)
            fits[inside] = _lie_there(firsts[inside], content)
        good = len(fits) if fits.all() else int(np.argmin(fits))
        own = firsts[:good][(firsts["flags"][:good] & REPEATED) == 0]
        self.totals = self.totals._replace(
            end=int(ends[good - 1]) if good else self.totals.end,
            messages=self.totals.messages + len(own),
            rows=self.totals.rows + int(own["rows"].sum()),
        )
        return len(block) if good == len(fits) else int(first_at[good])

    def _count_good(self, block: Records, names: int) -> int:
        """How many records stand before the first that is damaged, or uses a name that is not there."""
        data = memoryview(block.tobytes())
        starts = range(0, len(data), _RECORD_SIZE)
        checks = np.fromiter((zlib.crc32(data[at : at + _RECORD.size], self.number) for at in starts), np.uint32)
        fits = (checks == block["check"]) & (block["entity"] < names)
        fits &= (block["timeline"] < names) | (block["timeline"] == NO_TIMELINE)
        return len(block) if fits.all() else int(np.argmin(fits))

    def _drop_last_message(self, count: int) -> int:
        """Forget the last of `count` records' messages, which may lack records: it is looked at again."""
        while count:
            count -= 1
            (last,) = self.read(count, 1)
            if last["flags"] & FIRST:
                is_own = not last["flags"] & REPEATED
                self.totals = self.totals._replace(
                    end=int(last["offset"]),
                    messages=self.totals.messages - is_own,
                    rows=self.totals.rows - int(last["rows"]) * is_own,
                )
                break
        return count

    def set_first(self, first: int) -> None:
        """The preamble ends at `first`."""
        self.totals = self.totals._replace(first=first)

    def _start_anew(self, first: int) -> None:
        self.records = 0
        self.totals = Totals(first, rrd.STREAM_HEADER_SIZE, 0, 0, 0)
        self._rewrite()

    def _rewrite(self) -> None:
        fd = self._open_fd()
        os.ftruncate(fd, _HEADER_SIZE + self.records * _RECORD_SIZE)
        self.write_totals()

    def _open_fd(self) -> int:
        now = time.monotonic()
        if self._fd >= 0 and now > self._next_look:
            self._look()
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._next_look = now + LOOK_SECS
        return self._fd

    def _look(self) -> None:
        """As Log looks at its segment. Raises OSError."""
        if not os.path.samestat(self.path.stat(), os.fstat(self._fd)):
            bring_up(self.path, self._fd, _HEADER_SIZE + self.records * _RECORD_SIZE)
            self.release()
        self._next_look = time.monotonic() + LOOK_SECS

    def add(self, places: Iterable[Place], names: Names) -> None:
        """Append the records of messages that the log holds. Raises OSError, and then none is added."""
        packed: list[bytes] = []
        first, end, messages, rows, _ = self.totals
        for offset, entry, repeated in places:
            packed += [self._checked(record) for record in _records(offset, entry, repeated, names)]
            end = offset + entry.size
            if not repeated:
                messages += 1
                rows += entry.rows
        names.write()
        if self._state != _GROWING:
            self.write_totals()
        write_at(self._open_fd(), b"".join(packed), _HEADER_SIZE + self.records * _RECORD_SIZE)
        self.records += len(packed)
        self.totals = Totals(first, end, messages, rows, len(names.names))

    def _checked(self, record: bytes) -> bytes:
        return record + _RECORD_CHECK.pack(zlib.crc32(record, self.number))  # none of another segment's passes for ours

    def begin(self, first: int) -> None:
        """Start the file of a new segment whose preamble ends at `first`. Raises OSError."""
        self._start_anew(first)

    def write_totals(self, *, released: bool = False) -> None:
        """Bring the header up to date. released: the log is closed. Raises OSError."""
        self._write_header(self._open_fd(), _RELEASED if released else _GROWING)

    def _write_header(self, fd: int, state: int) -> None:
        head = _HEADER.pack(_MAGIC, _VERSION, self.records, *self.totals, state)
        write_at(fd, head + _HEADER_CHECK.pack(zlib.crc32(head)), 0)
        self._state = state

    def settle(self, names: Names) -> None:
        """Of a segment to which nothing is added any more: have all of it on the disk, then say so. Raises OSError.

        From any thread.
        """
        try:
            sync_file(self.path.with_suffix(".rrd"))
            names.sync()
            if self._in_doubt:
                put_anew(self.path, lambda target: self._copy(target, len(names.names)))
            fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # somebody has removed it
            self._state = _SETTLED
            return
        try:
            os.fsync(fd)
            self._write_header(fd, _SETTLED)
        except OSError:
            self._in_doubt = True  # unsynced.py says why
            raise
        finally:
            os.close(fd)

    def _copy(self, target: int, names: int) -> None:
        self._write_header(target, _GROWING)
        at = _HEADER_SIZE
        for block in self.blocks():
            if self._count_good(block, names) < len(block):
                raise OSError(errno.EIO, "the index is no longer what was written")
            at = write_at(target, block.tobytes(), at)
        if at != _HEADER_SIZE + self.records * _RECORD_SIZE:
            raise OSError(errno.EIO, "the index has lost records")

    def read(self, start: int = 0, most: int | None = None) -> Records:
        """The records from number `start` on, all or at most so many; safe from any thread."""
        count = self.records - start
        if most is not None:
            count = min(count, most)
        if count <= 0:
            return np.empty(0, RECORD_DTYPE)
        with self.path.open("rb") as file:
            file.seek(_HEADER_SIZE + start * _RECORD_SIZE)
            return np.fromfile(file, RECORD_DTYPE, count)

    def blocks(self, start: int = 0) -> Iterator[Records]:
        """The records from number `start` on, some at a time, so that memory does not grow with their number."""
        while len(block := self.read(start, _BLOCK_RECORDS)):
            yield block
            start += len(block)

    def has_message_at(self, offset: int) -> bool:
        """Whether a message begins there; safe from any thread."""
        with self.path.open("rb") as file:

            def offset_of(number: int) -> int:
                head = os.pread(file.fileno(), 8, _HEADER_SIZE + number * _RECORD_SIZE)
                return int.from_bytes(head, "little")

            count = self.records
            at = bisect.bisect_left(range(count), offset, key=offset_of)
            return at < count and offset_of(at) == offset

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _lie_there(firsts: Records, content: memoryview) -> npt.NDArray[np.bool_]:
    """Whether messages have the headers that belong to them, and bodies that do not begin with a zero."""
    data = np.frombuffer(content, np.uint8)
    places = firsts["offset"][:, None] + np.arange(rrd.MESSAGE_HEADER_SIZE, dtype=np.uint64)
    kinds, lengths = data[places].view("<u8").T
    good: npt.NDArray[np.bool_] = kinds == firsts["kind"]
    good &= lengths == firsts["size"] - np.uint64(rrd.MESSAGE_HEADER_SIZE)
    has_body = good & (lengths > 0)
    good[has_body] = data[(firsts["offset"] + np.uint64(rrd.MESSAGE_HEADER_SIZE))[has_body]] != 0
    return good


def _records(offset: int, entry: IndexEntry, repeated: bool, names: Names) -> list[bytes]:
    flags = FIRST | (STATIC if entry.static else 0) | (REPEATED if repeated else 0)
    entity = names.number(entry.entity_path)
    of_message = (offset, entry.size, entry.chunk_id or _NO_CHUNK, entity)
    if not entry.ranges:
        return [_RECORD.pack(*of_message, NO_TIMELINE, entry.kind, flags, entry.rows, 0, 0)]
    packed = []
    for timeline, kind, low, high in entry.ranges:
        number = names.number(timeline, kind)
        packed.append(_RECORD.pack(*of_message, number, entry.kind, flags, entry.rows, low, high))
        flags &= ~FIRST
    return packed


class Index:
    """All of one recording's index files. Questions may come from any thread."""

    def __init__(self, directory: Path) -> None:
        self.names = Names(directory / "names")
        self.segments: list[SegmentIndex] = []  # beside Log.segments, one for one

    @property
    def totals(self) -> tuple[int, int]:
        """(messages, rows)"""
        totals = [segment.totals for segment in self.segments]
        return sum(each.messages for each in totals), sum(each.rows for each in totals)

    def counts(self) -> list[int]:
        """How many records each segment has."""
        return [segment.records for segment in list(self.segments)]

    def clear(self) -> None:
        """Know nothing, as when it was made."""
        self.names.clear()
        self.segments.clear()

    def next_segment(self, path: Path, first: int) -> SegmentIndex:
        """The file beside the segment that is about to begin at `path`; to be added to `segments`. Raises OSError."""
        if self.segments:
            self.segments[-1].write_totals()
            self.segments[-1].release()
        following = SegmentIndex(path)
        following.begin(first)
        return following

    def add(self, places: Iterable[Place]) -> None:
        """Append records of messages in the last segment. Raises OSError."""
        self.segments[-1].add(places, self.names)

    def release(self, *, left_well: bool = True) -> None:
        """Write down what is known and close the files. left_well: a power cut takes nothing. Raises OSError."""
        if self.segments:
            try:
                self.segments[-1].write_totals(released=left_well)
            finally:
                self.segments[-1].release()

    def recent_chunk_ids(self, count: int) -> list[bytes]:
        """The ids of the last `count` chunks or fewer, oldest first."""
        ids: list[bytes] = []
        for segment in reversed(self.segments):
            records = segment.read(max(0, segment.records - 4 * count))
            chunks = records[((records["flags"] & FIRST) != 0) & (records["kind"] == rrd.Kind.ARROW)]
            ids = [bytes(chunk_id) for chunk_id in chunks["chunk_id"][-(count - len(ids)) :]] + ids
            if len(ids) >= count:
                break
        return ids

    def known_chunk_ids(self, chunk_ids: Sequence[bytes]) -> set[bytes]:
        """Which of these the recording has, however old. Reads all there is of the index."""
        wanted = set(chunk_ids)
        halves = np.frombuffer(b"".join(chunk_ids), np.uint64)[1::2] if chunk_ids and all(chunk_ids) else None
        if halves is None:
            return self.known_chunk_ids([each for each in chunk_ids if each]) if any(chunk_ids) else set()
        known: set[bytes] = set()
        for segment in self.segments:
            for records in segment.blocks():
                ids = records["chunk_id"]
                candidates = ids[np.isin(np.frombuffer(ids.tobytes(), np.uint64)[1::2], halves)]
                known.update(wanted.intersection(map(bytes, candidates)))
        return known

    def is_message_start(self, segment: int, offset: int) -> bool:
        """Whether a message begins at `offset` of the `segment`th file (counted from 0)."""
        return segment < len(self.segments) and self.segments[segment].has_message_at(offset)
