"""One recording: its log, its index, who writes to it and who reads it.

The intake thread alone appends. Any thread may ask for ends and figures; readers wait on the serving loop.
Opening (listing, cutting a torn tail, rebuilding an index) happens once, at the first use, under a lock.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rerund.at_rest import AtRest, at_rest
from rerund.bell import Bells
from rerund.cursor import Cursor
from rerund.describe import origin_of, store_info_key
from rerund.errors import BadPosition, LogWriteError, RecordingRemoved
from rerund.index import Index, Place
from rerund.log import START, Log, Position, Segment, segment_files
from rerund.memory import Memory
from rerund.preamble import MAX_PREAMBLE_BYTES, preamble
from rerund.recent import RecentIds
from rerund.recovery import is_sealed_file, recover
from rerund.space import Space
from rerund.summary import EntitySummary, Summary
from rerund.unsynced import UnsyncedFile
from rerund_sdk import rrd
from rerund_sdk.whole_writes import Buffers
from rerund_sdk.wire import IndexEntry

log = logging.getLogger(__name__)

_PIN: Final = "pinned"  # the file that keeps a recording from being removed for want of room
RECENT_CHUNKS: Final = 1 << 15  # ids of a recording that are remembered, to drop what is sent again


class RecordingStats(NamedTuple):
    """What is known of a recording; times are seconds since the epoch."""

    application_id: str
    recording_id: str
    bytes: int
    messages: int | None  # these three None: its log was not opened since the daemon started
    rows: int | None
    entities: int | None
    segments: int
    producers: int  # that log into it now
    live: bool  # some producer does
    active_since_start: bool
    started: float  # 0.0: unknown
    last_write: float
    error: str  # why nothing can be appended now, or not be synced or indexed; else empty
    pinned: bool  # is never removed for want of room


class Recording:
    """What belongs together: (application_id, recording_id)."""

    def __init__(
        self,
        directory: Path,
        application_id: str,
        recording_id: str,
        segment_bytes: int,
        bells: Bells,
        space: Space | None = None,
        memory: Memory | None = None,
    ) -> None:
        """space: None to use the disk to its end. memory: None if readers and ids may take what they want."""
        self.directory = directory
        self.application_id = application_id
        self.recording_id = recording_id
        self.log = Log(directory)
        self.index = Index(directory)
        self.producers = 0  # that log into it now; kept by the intake
        self.active_since_start = False
        self.removed = False
        self.error = ""
        self.is_open = False
        self.last_write = 0.0
        self.started = 0.0
        self.pinned = (directory / _PIN).exists()
        self._segment_bytes = segment_bytes
        self._space = space
        self._at_rest: AtRest | None = None
        self._bell = bells.add()
        self._index_bell = bells.add()
        self._summary = Summary(self.index)
        self._opening = threading.Lock()
        self._writing = threading.Lock()  # held by the intake thread, and by others only to close the last segment
        self.readers = memory.readers if memory is not None else None
        self.caches = memory.caches if memory is not None else None
        self._recent = RecentIds(RECENT_CHUNKS, memory.ids if memory is not None else None)
        self._store_infos: set[bytes] = set()  # what they say
        self._new_store_infos: set[bytes] = set()  # those not yet in the log
        self._unindexed: list[Place] = []  # what the log holds and the index not yet
        self._index_error = ""
        self._sync_error = ""

    @property
    def name(self) -> str:
        """How people and requests name it."""
        return f"{self.application_id}/{self.recording_id}"

    def open(self) -> None:
        """Make log and index ready for use. Takes long only after a crash. Raises RecordingRemoved, LogWriteError."""
        if self.is_open:
            return
        with self._opening:
            if self.is_open:
                return
            if self.removed:
                raise RecordingRemoved(f"recording {self.name} was removed")
            if self._space is not None:
                self._space.check_place()
            self.log.segments.clear()
            self.index.clear()
            try:
                self._open()
            except OSError as error:
                raise LogWriteError(error, self.directory) from error
            self.is_open = True

    def _open(self) -> None:
        for directory in (*reversed(self.directory.parents[:2]), self.directory):  # its parents are as private
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        recover(self.directory, self.log, self.index)
        if self.log.segments:
            self.last_write = max(segment.path.stat().st_mtime for segment in self.log.segments)
            origin = origin_of(self.log.segments[0].path)
            self.started = origin.started if origin else 0.0
        else:
            self.last_write = self.started = time.time()
            self._begin_segment([])

    # for readers

    @property
    def end(self) -> Position:
        """Where the next message will be written."""
        self.open()
        return self.log.end

    def cursor(self, start: Position = START) -> Cursor:
        """A reader's place. Its first read raises BadPosition if no message begins at `start`."""
        return Cursor(self, start)

    def locate(self, position: Position) -> tuple[int, int]:
        """(number in `log.segments`, offset) of a position. Raises BadPosition."""
        self.open()
        if position == START:
            return 0, rrd.STREAM_HEADER_SIZE
        for number, segment in enumerate(self.log.segments):
            if segment.number == position.segment and (
                position.offset == segment.end
                or position.offset == rrd.STREAM_HEADER_SIZE
                or (segment is self.log.segments[-1] and self._is_noted(position.offset))
                or self.index.is_message_start(number, position.offset)
            ):
                return number, position.offset
        raise BadPosition(
            f"no message of recording {self.name} begins at {position}: start at 1:12, or where one ended"
        )

    def _is_noted(self, offset: int) -> bool:
        """Whether a message begins there that is not yet in the index. It is before it is no longer noted."""
        return any(place.offset == offset for place in tuple(self._unindexed))

    async def grown(self, cursor: Cursor) -> None:
        """Until `cursor` has something to read, or the recording is removed."""
        await self._bell.wait(lambda: self.removed or cursor.lag() > 0)

    async def indexed(self, seen: list[int]) -> None:
        """Until the index differs from what its `counts` said when it was `seen`, or the recording is removed.

        The index comes a moment after the log: who looks into it must wait for it, not for the log.
        """
        await self._index_bell.wait(lambda: self.removed or self.index.counts() != seen)

    def bytes_after(self, position: Position) -> int:
        """How many bytes a cursor that starts at `position` has before it."""
        if not self.is_open:
            return 0
        try:
            number, offset = self.locate(position)
        except BadPosition:  # who reads from there will be told
            return 0
        segments = self.log.segments
        return segments[number].end - offset + sum(each.end - each.first for each in segments[number + 1 :])

    def entities(self) -> list[EntitySummary]:
        """What each entity has, by path."""
        self.open()
        return self._summary.entities()

    def stats(self) -> RecordingStats:
        """Cheap: opens nothing, and looks at a log that nobody uses only once."""
        if not self.is_open and self._at_rest is None:
            self._at_rest = at_rest(self.directory)
        resting = self._at_rest or AtRest(0, 0, 0.0, 0.0)
        messages, rows = self.index.totals if self.is_open else (None, None)
        return RecordingStats(
            self.application_id,
            self.recording_id,
            self.log.size if self.is_open else resting.bytes,
            messages,
            rows,
            self.index.names.entities if self.is_open else None,
            len(self.log.segments) if self.is_open else resting.segments,
            self.producers,
            self.producers > 0,
            self.active_since_start,
            self.started if self.is_open else resting.started,
            self.last_write if self.is_open else resting.last_write,
            self.error or self._sync_error or self._index_error,
            self.pinned,
        )

    # for the sealer

    def closed_segments(self, idle_since: float) -> list[Segment]:
        """Those that do not change any more: all but the last, and the last if nothing was written since then."""
        with self._writing:
            *closed, last = self.log.segments
            if self.last_write < idle_since and not self._unindexed and last.end > last.first:
                last.closed = True
        return [*closed, last] if last.closed else closed

    def is_sealed_at_rest(self) -> bool:
        """Whether every file has its footer. Opens no log. Raises OSError."""
        return all(is_sealed_file(path) for _, path in segment_files(self.directory))

    # for the intake thread

    def prepare(self) -> None:
        """Open, and load what tells a message that is here already. Raises RecordingRemoved, LogWriteError."""
        self.open()
        try:
            for chunk_id in self.index.recent_chunk_ids(self._recent.most):
                self._recent.add(chunk_id)
            self._store_infos = set(self._read_store_infos())
        except OSError as error:
            raise LogWriteError(error, self.directory) from error

    def _read_store_infos(self) -> list[bytes]:
        keys: list[bytes] = []
        with self.log.segments[-1].path.open("rb") as file:
            for records in self.index.segments[-1].blocks():
                for record in records[records["kind"] == rrd.Kind.STORE_INFO]:
                    file.seek(int(record["offset"]))
                    keys.append(store_info_key(file.read(int(record["size"]))))
        return keys

    def is_new(self, entry: IndexEntry, message: Buffers) -> bool:
        """Whether a message is not in the log already; from now on it counts as if it were, until `forget`."""
        if entry.kind == rrd.Kind.STORE_INFO:
            key = store_info_key(b"".join(message))
            if key in self._store_infos:
                return False
            self._store_infos.add(key)
            self._new_store_infos.add(key)
            return True
        return self.is_new_chunk(entry.chunk_id)

    def is_new_chunk(self, chunk_id: bytes) -> bool:
        """Like `is_new`, of a message that is no store info."""
        if not chunk_id:
            return True
        if chunk_id in self._recent:
            return False
        self._recent.add(chunk_id)
        return True

    def append(self, buffers: Buffers, entries: Sequence[IndexEntry], size: int) -> None:
        """Write whole messages at the end of the log. Raises LogWriteError, and then none is in the log."""
        try:
            if self._space is not None:
                self._space.check(size)
            with self._writing:
                if self.removed:
                    raise LogWriteError(FileNotFoundError(errno.ENOENT, "the recording was removed"), self.directory)
                if self._segment_is_full(size):
                    self._rotate()
                try:
                    self._note_and_write(buffers, entries)
                except LogWriteError as error:
                    if not self._is_file_full(error):
                        raise
                    self._rotate()
                    self._note_and_write(buffers, entries)
        except LogWriteError as error:
            self._forget(entries)
            if not (self.error or self.removed):
                log.error("appending stopped: %s", error)
            self.error = str(error)
            raise
        if self.error:
            log.info("appending again: %s", self.directory)
            self.error = ""
        self._new_store_infos.clear()
        self.last_write = time.time()

    def _note_and_write(self, buffers: Buffers, entries: Sequence[IndexEntry]) -> None:
        """The places first: where the log ends now must be known as a place when it ends elsewhere."""
        noted = len(self._unindexed)
        offset = self.log.segments[-1].end
        for entry in entries:
            self._unindexed.append(Place(offset, entry))
            offset += entry.size
        try:
            self.log.append(buffers)
        except LogWriteError:
            del self._unindexed[noted:]
            raise

    def note_sync(self, problem: str) -> None:
        """How forcing the log to the disk went."""
        if problem and not self._sync_error:
            log.error("what was logged may not survive a power cut, fsync failed (%s): %s", problem, self.directory)
        elif self._sync_error and not problem:
            log.info("fsync works again: %s", self.directory)
        self._sync_error = f"what was logged may not survive a power cut, fsync failed: {problem}" if problem else ""

    def put_back(self, files: Sequence[UnsyncedFile], *, with_names: bool) -> None:
        """As Log does. Where it was added to the first of them, it goes on in a new one."""
        with self._writing:
            self.log.put_back(files, with_names=with_names)

    def _forget(self, entries: Sequence[IndexEntry]) -> None:
        """Messages that `is_new` let pass were not written: they may come again."""
        self._recent.discard([entry.chunk_id for entry in entries])
        self._store_infos -= self._new_store_infos
        self._new_store_infos.clear()

    def _segment_is_full(self, size: int) -> bool:
        segment = self.log.segments[-1]
        return segment.closed or (segment.end > segment.first and segment.end + size > self._segment_bytes)

    def _is_file_full(self, error: LogWriteError) -> bool:
        """The system lets no file become larger; another one may have room."""
        segment = self.log.segments[-1]
        return (
            isinstance(error.__cause__, OSError)
            and error.__cause__.errno == errno.EFBIG
            and segment.end > segment.first
        )

    def _rotate(self) -> None:
        """Go on in a new segment that stands alone. Raises LogWriteError."""
        last = self.log.segments[-1]
        try:
            if self._unindexed:
                self.index.add(self._unindexed)  # what is not in the index cannot be repeated
                self._unindexed = []
            limit = min(MAX_PREAMBLE_BYTES, self._segment_bytes // 4)
            messages, places = preamble(last, self.index.segments[-1], self.index.names, limit)
            self._begin_segment(messages)
            self._unindexed = places
        except OSError as error:
            raise LogWriteError(error, last.path) from error

    def _begin_segment(self, preamble: list[bytes]) -> None:
        """The index first: what lies in a log has a place there. Raises LogWriteError, OSError."""
        index = self.index.next_segment(self.log.next_path(), rrd.STREAM_HEADER_SIZE + sum(map(len, preamble)))
        self.log.begin_segment(preamble)
        self.index.segments.append(index)

    def publish(self) -> None:
        """Wake the readers."""
        self._bell.ring()

    def write_index(self) -> None:
        """Bring the index up to the log. What the disk refuses is kept and tried again at the next call."""
        if not self._unindexed:
            return
        try:
            self.index.add(self._unindexed)
        except OSError as error:
            if not self._index_error:
                log.error("the index cannot be written (%s): %s", error.strerror or error, self.directory)
            self._index_error = f"the index cannot be written: {error.strerror or error}"
            return
        if self._index_error:
            log.info("the index is written again: %s", self.directory)
            self._index_error = ""
        self._unindexed = []
        self._index_bell.ring()

    def release(self) -> None:
        """Close files and forget what can be read again: nobody logs here for now."""
        self.write_index()
        is_synced = not self.log.has_unsynced
        self.log.release()
        try:
            self.index.release(left_well=is_synced)
        except OSError as error:
            log.error("the index cannot be written (%s): %s", error.strerror or error, self.directory)
        self._recent.clear()
        self._store_infos.clear()

    def mark_removed(self) -> None:
        """Readers get RecordingRemoved from here on, and nothing is appended."""
        with self._writing:
            self.removed = True
        self._bell.ring()
        self._index_bell.ring()

    # for retention

    def pin(self, pinned: bool) -> None:
        """Keep it from being removed for want of room, or no more. Raises OSError."""
        if pinned:
            (self.directory / _PIN).touch(mode=0o600)
        else:
            (self.directory / _PIN).unlink(missing_ok=True)
        self.pinned = pinned

    def retire(self, last_write: float) -> bool:
        """Take nothing more; unless it is pinned, or somebody logs into it, or has since `last_write`: then False."""
        with self._writing:
            if not (self.pinned or self.removed or self.producers or self.stats().last_write != last_write):
                self.removed = True
                return True
        return False
