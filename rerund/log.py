"""The append-only log of one recording: .rrd files that only ever grow.

Form: segments `000001.rrd`, `000002.rrd`, ... Each is one .rrd stream: a 12-byte header, then whole messages. All but
the first begin with a preamble that repeats store infos and static chunks, so that each stands alone.
Rule 1: one writer. A segment's `end` moves only once whole messages are in the file.
Rule 2: below `end` everything is whole and never changes, so readers take no lock.
Rule 3: a segment's end is final before the next segment is listed.
A crash may leave a torn tail; opening cuts it after the last whole message and keeps it aside as NAME.torn.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import mmap
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rerund.errors import BadPosition, LogWriteError
from rerund.unsynced import UnsyncedFile
from rerund_sdk import rrd
from rerund_sdk.errors import BadRrd
from rerund_sdk.room_ahead import RoomAhead
from rerund_sdk.whole_writes import Buffers, write_whole_at

log = logging.getLogger(__name__)

LOOK_SECS: Final = 0.5  # how often it is looked whether the file that is written to still has its name
_COPY_BYTES: Final = 1 << 20
_SEGMENT_NAME: Final = re.compile(r"(\d{6,})\.rrd")


class Position(NamedTuple):
    """A place in a log where a message begins, or may begin. Written "3:1234"."""

    segment: int  # 1, 2, 3...; 0: before the first
    offset: int  # bytes from the start of the segment

    def __str__(self) -> str:
        return f"{self.segment}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The inverse of `str`. Raises BadPosition."""
        segment, _, offset = text.partition(":")
        try:
            position = cls(int(segment), int(offset))
        except ValueError:
            position = cls(-1, -1)
        if min(position) < 0:
            raise BadPosition(f"position {text!r:.80} is not SEGMENT:OFFSET, like 1:12")
        return position


START: Final = Position(0, 0)


class Segment:
    """One file of a log."""

    __slots__ = ("closed", "end", "first", "has_footer", "number", "path")

    def __init__(self, path: Path, number: int, first: int, end: int, has_footer: bool = False) -> None:
        self.path = path
        self.number = number
        self.first = first  # offset of the first message that is not repeated from earlier segments
        self.end = end  # offset behind the last whole message; stored by the writer, read by all: one store, so no lock
        self.closed = has_footer  # nothing is added any more, though it is the last one
        self.has_footer = has_footer


class Log:
    """The segments of one recording and the way to add to the last one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.segments: list[Segment] = []  # grows at its end alone; never empty once the log is open
        self._fd: int | None = None  # of the last segment, open while it is written to
        self._room = RoomAhead()  # there
        self._is_torn = False  # a failed write could not be taken off the file yet
        self._next_look = 0.0  # of time.monotonic()
        self._unsynced: list[UnsyncedFile] = []
        self._is_ever_synced = True
        self._unsynced_names = (
            directory,
            *list(directory.parents)[:2],
        )  # directories; the application's may be new, too

    @property
    def end(self) -> Position:
        last = self.segments[-1]
        return Position(last.number, last.end)

    @property
    def size(self) -> int:
        return sum(segment.end for segment in self.segments)

    def append(self, buffers: Buffers) -> int:
        """Write whole messages at the end; the offset of the first. Raises LogWriteError: then none is in the log."""
        segment = self.segments[-1]
        start = segment.end
        try:
            fd = self._open_fd(segment)
            end = write_whole_at(fd, buffers, start)
        except OSError as error:
            self._cut_back(segment)
            raise LogWriteError(error, segment.path) from error
        segment.end = end
        self._room.keep(fd, end, end - start)
        if self._is_ever_synced:
            self._unsynced_file(segment).note(start, buffers, end)
        return start

    def _open_fd(self, segment: Segment) -> int:
        if self._fd is not None and time.monotonic() > self._next_look:
            self._look(segment, self._fd)
        if self._fd is None:
            self._fd = os.open(segment.path, os.O_RDWR | os.O_CLOEXEC)
            self._room = RoomAhead()
            self._is_torn = os.fstat(self._fd).st_size > segment.end
            self._next_look = time.monotonic() + LOOK_SECS
        self._mend(self._fd, segment)
        return self._fd

    def _look(self, segment: Segment, fd: int) -> None:
        """If the file system went away, what is written would go nowhere. Raises OSError until the file is back."""
        if not os.path.samestat(segment.path.stat(), os.fstat(fd)):
            bring_up(segment.path, fd, segment.end)
            self._fd = None
            os.close(fd)
        self._next_look = time.monotonic() + LOOK_SECS

    def _cut_back(self, segment: Segment) -> None:
        """Take a failed write off the file. If that fails too, it is tried again before the next write."""
        self._is_torn = True
        with contextlib.suppress(OSError):
            if self._fd is not None:
                self._mend(self._fd, segment)

    def _mend(self, fd: int, segment: Segment) -> None:
        if self._is_torn:
            os.ftruncate(fd, segment.end)
            self._room = RoomAhead()
            self._is_torn = False

    def _unsynced_file(self, segment: Segment) -> UnsyncedFile:
        if not self._unsynced or self._unsynced[-1].path != segment.path:
            self._unsynced.append(UnsyncedFile(segment.path))
        return self._unsynced[-1]

    def next_path(self) -> Path:
        """Of the segment that comes after the last one."""
        number = self.segments[-1].number + 1 if self.segments else 1
        return self.directory / f"{number:06d}.rrd"

    def begin_segment(self, preamble: Buffers) -> None:
        """Go on in a new file that starts with `preamble`. It appears whole or not at all. Raises LogWriteError."""
        path = self.next_path()
        unnamed = path.with_suffix(".new")
        fd = -1
        try:
            if self._fd is not None:
                self._mend(self._fd, self.segments[-1])
            fd = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            first = write_whole_at(fd, [rrd.STREAM_HEADER, *preamble], 0)
            unnamed.rename(path)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            with contextlib.suppress(OSError):
                unnamed.unlink()
            raise LogWriteError(error, path) from error
        if self._fd is not None:
            self._retire(self._fd)
        self._fd = fd
        self._room = RoomAhead()  # that of the last one is given back when it is sealed
        self._next_look = time.monotonic() + LOOK_SECS
        self._unsynced_names = self._unsynced_names or (self.directory,)
        self.segments.append(Segment(path, int(path.stem), first, first))
        if self._is_ever_synced:
            self._unsynced_file(self.segments[-1]).note(0, [rrd.STREAM_HEADER, *preamble], first)

    def _retire(self, fd: int) -> None:
        """Of the segment that was the last one; it is still needed if something there is not synced."""
        if self._unsynced and self._unsynced[-1].path == self.segments[-1].path and self._unsynced[-1].fd < 0:
            self._unsynced[-1].fd = fd
        else:
            os.close(fd)

    def take_unsynced(self) -> tuple[list[UnsyncedFile], list[int]]:
        """What to force to the disk so that all that is now in the log survives a power cut: files, and directories.

        Raises OSError, and then they come with the next call.
        """
        opened: list[int] = []
        try:
            for path in self._unsynced_names:
                opened.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            for file in self._unsynced:
                if file.fd < 0:
                    file.fd = self._fd_of(file.path)
        except OSError:
            for fd in opened:
                os.close(fd)
            raise
        unsynced, self._unsynced = self._unsynced, []
        for file in unsynced:
            file.settle()
        self._unsynced_names = ()
        return unsynced, opened

    def _fd_of(self, path: Path) -> int:
        if self._fd is not None and path == self.segments[-1].path:
            return os.dup(self._fd)
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    @property
    def has_unsynced(self) -> bool:
        """Something here would be taken; not what was taken and is on its way."""
        return bool(self._unsynced)

    def put_back(self, files: Sequence[UnsyncedFile], *, with_names: bool) -> None:
        """They could not be forced to the disk: the first failed, the others were not tried.

        with_names: neither could directories.
        """
        if with_names:
            self._unsynced_names = (self.directory, *list(self.directory.parents)[:2])
        later = {file.path: file for file in self._unsynced}
        for file in files:
            if file.path in later:
                file.absorb(later.pop(file.path))
        for file in files[:1]:
            file.in_doubt = True
            if file.path == self.segments[-1].path:
                self.segments[-1].closed = True
        self._unsynced = [*files, *later.values()]

    def never_sync(self) -> None:
        """Nobody takes what is unsynced."""
        self._is_ever_synced = False
        self._close_unsynced()

    def _close_unsynced(self) -> None:
        for file in self._unsynced:
            file.close()
        self._unsynced = []

    def release(self) -> None:
        """Close the files; the next `append` opens what it needs."""
        self._close_unsynced()
        if self._fd is not None:
            if not self.segments[-1].closed:  # else its footer may just be added
                self._room.give_back(self._fd)
            os.close(self._fd)
            self._fd = None


def bring_up(path: Path, fd: int, end: int) -> None:
    """Give the file at `path`, which came back without its latest bytes, those of `fd` up to `end`. Raises OSError."""
    with path.open("r+b") as file:
        at = file.seek(0, os.SEEK_END)
        while at < end:
            data = os.pread(fd, min(_COPY_BYTES, end - at), at)
            if not data:
                raise OSError(errno.ESTALE, f"the file came back without its last {end - at} bytes")
            at += os.pwrite(file.fileno(), data, at)


def segment_files(directory: Path) -> list[tuple[int, Path]]:
    """The segments in `directory`, in order."""
    found = [(match, path) for path in directory.iterdir() if (match := _SEGMENT_NAME.fullmatch(path.name))]
    return sorted((int(match[1]), path) for match, path in found)


def whole_messages(buffer: memoryview, start: int) -> Iterator[rrd.Frame]:
    """The whole messages from `start` on; stops at the first that is torn, unknown, or the End of a sealed file.

    Torn is also what a power cut left of one whose header had reached the disk and whose body had not: zeros.
    """
    try:
        for frame in rrd.frames(buffer, start):
            body = frame.start + rrd.MESSAGE_HEADER_SIZE
            if frame.kind == rrd.Kind.END or (body < frame.end and buffer[body] == 0):
                return
            yield frame
    except BadRrd:
        return


def mapped(path: Path) -> memoryview:
    """The bytes of a file, read where they are looked at; let go with the last view of them."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return memoryview(mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) if size else b"")


def cut_torn_tail(path: Path, good_end: int) -> None:
    """Cut `path` after its last whole message; what follows is kept aside as NAME.torn."""
    size = path.stat().st_size
    if size == good_end:
        return
    with path.open("rb") as torn, path.with_suffix(".rrd.torn").open("ab") as aside:
        torn.seek(good_end)
        while part := torn.read(_COPY_BYTES):
            aside.write(part)
        aside.flush()
        os.fsync(aside.fileno())
    os.truncate(path, good_end)
    log.warning(
        "cut %d bytes of torn tail at offset %d, kept aside as %s.torn: %s", size - good_end, good_end, path.name, path
    )
