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
import logging
import mmap
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rerund.errors import BadPosition, LogWriteError
from rerund_sdk import rrd
from rerund_sdk.errors import BadRrd

log = logging.getLogger(__name__)

Buffers = Sequence["bytes | memoryview"]

_IOV_MAX: Final = os.sysconf("SC_IOV_MAX")
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
        self._retired: list[int] = []  # of earlier segments, not yet synced
        self._new_files = False  # since the directory was synced

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
            end = _write_all(fd, buffers, start)
        except OSError as error:
            self._cut_back(segment)
            raise LogWriteError(error, segment.path) from error
        segment.end = end
        return start

    def _open_fd(self, segment: Segment) -> int:
        if self._fd is None:
            self._fd = os.open(segment.path, os.O_RDWR | os.O_CLOEXEC)
            if os.fstat(self._fd).st_size > segment.end:  # what a failed write left, and could not be cut off then
                os.ftruncate(self._fd, segment.end)
        return self._fd

    def _cut_back(self, segment: Segment) -> None:
        """Take a failed write off the file. If that fails too, it is tried again before the next write."""
        if self._fd is None:
            return
        try:
            os.ftruncate(self._fd, segment.end)
        except OSError:
            os.close(self._fd)
            self._fd = None

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
            fd = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            first = _write_all(fd, [rrd.STREAM_HEADER, *preamble], 0)
            unnamed.rename(path)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            with contextlib.suppress(OSError):
                unnamed.unlink()
            raise LogWriteError(error, path) from error
        if self._fd is not None:
            self._retired.append(self._fd)
        self._fd = fd
        self._new_files = True
        self.segments.append(Segment(path, int(path.stem), first, first))

    def take_unsynced(self) -> list[int]:
        """File descriptors to sync and close, so that all that is now in the log survives a power cut.

        Raises OSError, and then they come with the next call.
        """
        opened: list[int] = []
        try:
            if self._fd is not None:
                opened.append(os.dup(self._fd))
            if self._new_files:
                with_new_names = [self.directory]
                if len(self.segments) == 1:  # the directory itself may be new, and the application's
                    with_new_names += list(self.directory.parents)[:2]
                for path in with_new_names:
                    opened.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            for fd in opened:
                os.close(fd)
            raise
        unsynced, self._retired = self._retired + opened, []
        self._new_files = False
        return unsynced

    def release(self) -> None:
        """Close the files; the next `append` opens what it needs."""
        for fd in (*self._retired, self._fd):
            if fd is not None:
                os.close(fd)
        self._retired, self._fd = [], None


def _write_all(fd: int, buffers: Buffers, offset: int) -> int:
    """Write at `offset` until all is written, whatever the system takes at a time; the offset behind it."""
    for at in range(0, len(buffers), _IOV_MAX):
        part = buffers[at : at + _IOV_MAX]
        left = sum(map(len, part))
        while True:
            written = os.pwritev(fd, part, offset)
            offset += written
            left -= written
            if not left:
                break
            part = _after(part, written)
    return offset


def _after(buffers: Buffers, written: int) -> Buffers:
    """What of `buffers` comes after the first `written` bytes."""
    for number, buffer in enumerate(buffers):
        if written < len(buffer):
            return [memoryview(buffer)[written:], *buffers[number + 1 :]]
        written -= len(buffer)
    return []


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
        while part := torn.read(1 << 20):
            aside.write(part)
        aside.flush()
        os.fsync(aside.fileno())
    os.truncate(path, good_end)
    log.warning(
        "cut %d bytes of torn tail at offset %d, kept aside as %s.torn: %s", size - good_end, good_end, path.name, path
    )
