"""What was written to a file and is not known to be on the disk, and the way there, also after the disk has failed.

Rule 1: a file is forced through a descriptor that was open when it was written to: what goes wrong with the kernel's
own writing back is told there, and once.
Rule 2: after a failed fsync a later one says nothing of what was written before the first had failed: the kernel may
count those pages as clean, and ext4 may leave their place in the file as one that was never written, even if the same
bytes are written there again. So nothing is added to such a file any more, all of it goes into a new one, and that is
forced and takes the name. A digest, taken at the first write, tells whether what is read back is what was written;
while it is not, it is not called synced.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import xxhash

from rerund.writing import write_at

_COPY_BYTES: Final = 4 << 20


class _Stretch(NamedTuple):
    """Bytes that were written one after another."""

    start: int
    end: int
    digest: int


class UnsyncedFile:
    """One file. Belongs to one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = -1  # to force it, and then to be closed
        self.in_doubt = False
        self._stretches: list[_Stretch] = []
        self._start = self._end = 0  # of the stretch that grows
        self._digest: xxhash.xxh3_64 | None = None

    def note(self, start: int, buffers: Sequence[bytes | memoryview], end: int) -> None:
        """These bytes lie there now; the first of them behind those that were noted before."""
        if self._digest is None:
            self._digest, self._start = xxhash.xxh3_64(), start
        for buffer in buffers:
            self._digest.update(buffer)
        self._end = end

    def settle(self) -> None:
        """No more comes, or not for now."""
        if self._digest is not None:
            self._stretches.append(_Stretch(self._start, self._end, self._digest.intdigest()))
            self._digest = None

    def absorb(self, later: UnsyncedFile) -> None:
        """What was written to the same file since."""
        later.settle()
        self._stretches += later._stretches
        later.close()

    def force(self) -> None:
        """Have it on the disk. Raises OSError, and then all that is there by now is in doubt."""
        if not self.in_doubt:
            os.fsync(self.fd)
            return
        for stretch in self._stretches:
            self._check(stretch)
        end = self._stretches[-1].end if self._stretches else os.fstat(self.fd).st_size
        put_anew(self.path, lambda target: _copy(self.fd, target, end))

    def _check(self, stretch: _Stretch) -> None:
        digest = xxhash.xxh3_64()
        at = stretch.start
        while data := os.pread(self.fd, min(_COPY_BYTES, stretch.end - at), at):
            digest.update(data)
            at += len(data)
        if digest.intdigest() != stretch.digest:
            size = stretch.end - stretch.start
            raise OSError(errno.EIO, f"{size} bytes at offset {stretch.start} are no longer what was written")

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def put_anew(path: Path, write: Callable[[int], None]) -> None:
    """Have a new file on the disk that takes the name of another one. Raises OSError, and then the other one stays."""
    unnamed = path.with_suffix(".again.new")
    fd = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write(fd)
        os.fsync(fd)
        unnamed.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            unnamed.unlink()  # it takes room, and the next one must not be it
        raise
    finally:
        os.close(fd)
    sync_file(path.parent)


def sync_file(path: Path) -> None:
    """Force it to the disk. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _copy(source: int, target: int, end: int) -> None:
    at = 0
    while at < end:
        data = os.pread(source, min(_COPY_BYTES, end - at), at)
        if not data:
            raise OSError(errno.EIO, f"the file has lost its last {end - at} bytes")
        at = write_at(target, data, at)
    written = os.fstat(source)
    os.utime(target, ns=(written.st_atime_ns, written.st_mtime_ns))  # which tells when something was logged
