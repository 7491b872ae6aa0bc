"""What is known of each message of a log without reading it: an index file beside each segment, one names file for all.

Form of `000001.index`: a 64-byte header, then 64-byte records in log order: one for each timeline of a message, or one
without timeline if it has none. Form of `names`: one JSON array a line: [entity path] or [timeline, type]; records
hold line numbers. All can be rebuilt from the segments, and is trusted only as far as its offsets chain through them.
Rule: records are written after the log holds the message, by the log's writer alone; readers look at whole records.
"""

from __future__ import annotations

import json
import logging
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from rerund.log import Segment
from rerund_sdk import rrd
from rerund_sdk.wire import IndexEntry

log = logging.getLogger(__name__)

Records = npt.NDArray[Any]  # of RECORD_DTYPE

FIRST: Final = 1  # the first record of its message
STATIC: Final = 2
REPEATED: Final = 4  # of a segment's preamble: an earlier segment has this message
NO_TIMELINE: Final = 0xFFFF
NO_ENTITY: Final = ("",)  # of messages that are no chunks

_RECORD: Final = struct.Struct("<QQ16sIHBBI4xqq")
RECORD_DTYPE: Final = np.dtype(
    {
        "names": ["offset", "size", "chunk_id", "entity", "timeline", "kind", "flags", "rows", "min", "max"],
        "formats": ["<u8", "<u8", "V16", "<u4", "<u2", "u1", "u1", "<u4", "<i8", "<i8"],
        "offsets": [0, 8, 16, 32, 36, 38, 39, 40, 48, 56],
        "itemsize": _RECORD.size,
    }
)
_MAGIC: Final = b"RRIX"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<4sIQQQQQ16x")
_NO_CHUNK: Final = bytes(16)


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


class Names:
    """Entity paths and timelines of one recording, numbered in order of appearance."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers: dict[tuple[str, ...], int] = {}
        self.names: list[tuple[str, ...]] = []  # grows at its end alone
        self.entities = 0  # how many of them are entity paths
        self._unwritten: list[tuple[str, ...]] = []

    def load(self) -> bool:
        """Read the file; False if it is damaged, and then there are no names."""
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
            names = [tuple(json.loads(line)) for line in lines]
            if lines and not lines[-1].endswith(b"\n"):
                raise ValueError("torn")
        except FileNotFoundError:
            return True
        except (OSError, ValueError, TypeError):
            return False
        for name in names:
            self._add(name)
        return True

    def number(self, *name: str) -> int:
        found = self._numbers.get(name)
        if found is None:
            found = self._add(name)
            self._unwritten.append(name)
        return found

    def find(self, *name: str) -> int:
        """The number of a name, or -1. From any thread."""
        return self._numbers.get(name, -1)

    def _add(self, name: tuple[str, ...]) -> int:
        number = self._numbers[name] = len(self.names)
        self.names.append(name)
        self.entities += len(name) == 1 and name != NO_ENTITY
        return number

    def write(self) -> None:
        """Add the new names to the file. Raises OSError."""
        if not self._unwritten:
            return
        lines = b"".join(json.dumps(name).encode() + b"\n" for name in self._unwritten)
        with self._path.open("ab") as file:
            start = file.tell()
            try:
                file.write(lines)
                file.flush()
            except OSError:
                os.truncate(self._path, start)
                raise
        self._unwritten.clear()


class SegmentIndex:
    """The index file of one segment."""

    def __init__(self, segment_path: Path) -> None:
        self.number = int(segment_path.stem)
        self.path = segment_path.with_suffix(".index")
        self.records = 0  # whole ones in the file; stored by the writer, read by all
        self.totals = Totals(rrd.STREAM_HEADER_SIZE, rrd.STREAM_HEADER_SIZE, 0, 0, 0)
        self._fd = -1

    def load_totals(self) -> bool:
        """Believe the header; False if there is none that fits the file."""
        try:
            with self.path.open("rb") as file:
                head = file.read(_HEADER.size)
                size = os.fstat(file.fileno()).st_size
            magic, version, *totals = _HEADER.unpack(head)
        except (OSError, struct.error):
            return False
        self.totals = Totals(*totals)
        self.records = (size - _HEADER.size) // _RECORD.size
        return (magic, version) == (_MAGIC, _VERSION)

    def trust(self, segment_size: int, names: int) -> bool:
        """Keep the records that chain from the segment's first message on, less the last one's; count them again.

        Returns whether `totals.first` is known.
        """
        if not self.load_totals() or self.totals.names > names or self.totals.first > segment_size:
            self._start_anew(rrd.STREAM_HEADER_SIZE)
            return False
        records = self.read()
        firsts = np.flatnonzero(records["flags"] & FIRST)
        starts = records["offset"][firsts]
        ends = starts + records["size"][firsts]
        expected = np.concatenate(([rrd.STREAM_HEADER_SIZE], ends[:-1])).astype(np.uint64)
        fits = (starts == expected) & (ends <= segment_size) & (records["size"][firsts] >= rrd.MESSAGE_HEADER_SIZE)
        good = int(np.argmin(fits)) if not fits.all() else len(fits)
        if good < 2 or int(records["entity"].max()) >= names:
            self._start_anew(self.totals.first)
            return True
        if good == len(firsts) and int(ends[-1]) == self.totals.end:  # written down as complete
            return True
        last = int(firsts[good - 1])  # some of its records may be missing: it is looked at again
        self._keep(records[:last])
        return True

    def set_first(self, first: int) -> None:
        """The preamble ends at `first`."""
        self.totals = self.totals._replace(first=first)

    def _start_anew(self, first: int) -> None:
        self.records = 0
        self.totals = Totals(first, rrd.STREAM_HEADER_SIZE, 0, 0, 0)
        self._rewrite()

    def _keep(self, records: Records) -> None:
        own = records[((records["flags"] & FIRST) != 0) & ((records["flags"] & REPEATED) == 0)]
        end = int(records["offset"][-1] + records["size"][-1])
        self.records = len(records)
        self.totals = Totals(self.totals.first, end, len(own), int(own["rows"].sum()), self.totals.names)
        self._rewrite()

    def _rewrite(self) -> None:
        fd = self._open_fd()
        os.ftruncate(fd, _HEADER.size + self.records * _RECORD.size)
        self.write_totals()

    def _open_fd(self) -> int:
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._fd

    def add(self, places: Iterable[Place], names: Names) -> None:
        """Append the records of messages that the log holds. Raises OSError, and then none is added."""
        packed: list[bytes] = []
        first, end, messages, rows, _ = self.totals
        for offset, entry, repeated in places:
            packed += _records(offset, entry, repeated, names)
            end = offset + entry.size
            if not repeated:
                messages += 1
                rows += entry.rows
        names.write()
        data = b"".join(packed)
        start = _HEADER.size + self.records * _RECORD.size
        if os.pwrite(self._open_fd(), data, start) != len(data):
            raise OSError(28, "No space left on device")
        self.records += len(packed)
        self.totals = Totals(first, end, messages, rows, len(names.names))

    def begin(self, first: int) -> None:
        """Start the file of a new segment whose preamble ends at `first`. Raises OSError."""
        self._start_anew(first)

    def write_totals(self) -> None:
        """Bring the header up to date. Raises OSError."""
        os.pwrite(self._open_fd(), _HEADER.pack(_MAGIC, _VERSION, *self.totals), 0)

    def read(self, start: int = 0) -> Records:
        """The records from number `start` on; safe from any thread."""
        count = self.records - start
        if count <= 0:
            return np.empty(0, RECORD_DTYPE)
        with self.path.open("rb") as file:
            file.seek(_HEADER.size + start * _RECORD.size)
            return np.fromfile(file, RECORD_DTYPE, count)

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _records(offset: int, entry: IndexEntry, repeated: bool, names: Names) -> list[bytes]:
    flags = FIRST | (STATIC if entry.static else 0) | (REPEATED if repeated else 0)
    entity = names.number(entry.entity_path)
    chunk_id = entry.chunk_id or _NO_CHUNK
    if not entry.ranges:
        return [_RECORD.pack(offset, entry.size, chunk_id, entity, NO_TIMELINE, entry.kind, flags, entry.rows, 0, 0)]
    packed = []
    for timeline, kind, low, high in entry.ranges:
        number = names.number(timeline, kind)
        packed.append(
            _RECORD.pack(offset, entry.size, chunk_id, entity, number, entry.kind, flags, entry.rows, low, high)
        )
        flags &= ~FIRST
    return packed


class Found(NamedTuple):
    """A message that a query found."""

    segment: int  # number
    offset: int
    size: int


class Index:
    """All of one recording's index files: the writer's side and the queries. Queries may come from any thread."""

    def __init__(self, directory: Path) -> None:
        self.names = Names(directory / "names")
        self.segments: list[SegmentIndex] = []  # beside Log.segments, one for one

    @property
    def totals(self) -> tuple[int, int]:
        """(messages, rows)"""
        totals = [segment.totals for segment in self.segments]
        return sum(each.messages for each in totals), sum(each.rows for each in totals)

    def begin_segment(self, segment: Segment) -> None:
        """Go on in a new file. Raises OSError."""
        if self.segments:
            self.segments[-1].write_totals()
            self.segments[-1].release()
        added = SegmentIndex(segment.path)
        added.begin(segment.first)
        self.segments.append(added)

    def add(self, places: Iterable[Place]) -> None:
        """Append records of messages in the last segment. Raises OSError."""
        self.segments[-1].add(places, self.names)

    def release(self) -> None:
        """Write down what is known and close the files. Raises OSError."""
        if self.segments:
            try:
                self.segments[-1].write_totals()
            finally:
                self.segments[-1].release()

    def recent_chunk_ids(self, count: int) -> list[bytes]:
        """The ids of the last `count` chunks or fewer, oldest first; looks at the last two segments."""
        ids: list[bytes] = []
        for segment in reversed(self.segments[-2:]):
            records = segment.read(max(0, segment.records - 4 * count))
            chunks = records[((records["flags"] & FIRST) != 0) & (records["kind"] == rrd.Kind.ARROW)]
            ids = [bytes(chunk_id) for chunk_id in chunks["chunk_id"][-(count - len(ids)) :]] + ids
            if len(ids) >= count:
                break
        return ids

    def find(
        self,
        entities: Sequence[str] | None = None,
        timeline: str | None = None,
        low: int = -(2**63),
        high: int = 2**63 - 1,
    ) -> list[Found]:
        """Messages of these entities (all if None) that may have rows at `low` to `high` of `timeline`, in log order.

        Static messages are found whatever the timeline; store infos and the like never are.
        """
        numbers = None if entities is None else self._entity_numbers(entities)
        timelines = None if timeline is None else self._timeline_numbers(timeline)
        found: list[Found] = []
        for segment in self.segments:
            records = segment.read()
            wanted = (records["kind"] == rrd.Kind.ARROW) & ((records["flags"] & REPEATED) == 0)
            if numbers is not None:
                wanted &= np.isin(records["entity"], numbers)
            if timelines is None:
                wanted &= (records["flags"] & FIRST) != 0
            else:
                in_range = np.isin(records["timeline"], timelines) & (records["max"] >= low) & (records["min"] <= high)
                wanted &= in_range | ((records["flags"] & STATIC) != 0)
            for offset, size in zip(records["offset"][wanted].tolist(), records["size"][wanted].tolist(), strict=True):
                found.append(Found(segment.number, offset, size))
        return found

    def _entity_numbers(self, entities: Sequence[str]) -> list[int]:
        wanted = {(path,) for path in entities}
        return [number for number, name in enumerate(list(self.names.names)) if name in wanted]

    def _timeline_numbers(self, timeline: str) -> list[int]:
        return [n for n, name in enumerate(list(self.names.names)) if len(name) == 2 and name[0] == timeline]

    def is_message_start(self, segment: int, offset: int) -> bool:
        """Whether a message begins at `offset` of the `segment`th file (counted from 0)."""
        if segment >= len(self.segments):
            return False
        offsets = self.segments[segment].read()["offset"]
        at = int(np.searchsorted(offsets, offset))
        return at < len(offsets) and int(offsets[at]) == offset
