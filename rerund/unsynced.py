"""What was written to a file and is not known to be on the disk, and the way there, also after the disk has failed.

Rule 1: a file is forced through a descriptor that was open when it was written to: what goes wrong with the kernel's
own writing back is told there, and once.
Rule 2: after a failed fsync a later one says nothing of what was written before the first had failed: the kernel may
count those pages as clean. Such bytes are in doubt. They are read back and written to their place once more, and what
is forced then counts. A digest, taken at the first write, tells whether they still are what was written; while they are
not, they are not called synced.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import xxhash

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
        target = self._by_name()
        try:
            while self._stretches:
                self._write_again(self._stretches[0], target)
                os.fsync(target)
                del self._stretches[0]
            os.fsync(target)
        finally:
            if target != self.fd:
                os.close(target)

    def _by_name(self) -> int:
        """The file that has the name now: another one if the file system went away and came back."""
        if os.path.samestat(self.path.stat(), os.fstat(self.fd)):
            return self.fd
        return os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    def _write_again(self, stretch: _Stretch, target: int) -> None:
        digest = xxhash.xxh3_64()
        at = stretch.start
        while at < stretch.end:
            data = os.pread(self.fd, min(_COPY_BYTES, stretch.end - at), at)
            if not data:
                break
            written = os.pwrite(target, data, at)
            digest.update(data[:written])
            at += written
        if digest.intdigest() != stretch.digest:
            size = stretch.end - stretch.start
            raise OSError(errno.EIO, f"{size} bytes at offset {stretch.start} are no longer what was written")

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
