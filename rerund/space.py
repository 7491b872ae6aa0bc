"""How much of the disk the daemon leaves free: below that floor nothing is written, whatever the disk would take.

Rule: the floor is looked at before every write that could reach it, so it is kept but for what others write.
And nothing is written to where the state directory was while its file system is away.
"""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Final, NamedTuple

from rerund.dirlock import LOCK_NAME
from rerund.errors import DiskFloorReached, LogWriteError

_LOOK_SECS: Final = 0.5
_LOOK_BYTES: Final = 64 << 20  # written since the last look, at most
_RESUME_BYTES: Final = 64 << 20  # more than the floor that must be free to go on, so that it does not flicker


class Floor(NamedTuple):
    """What is to stay free: the smaller of the two, where both are given."""

    size: int | None
    percent: float | None
    text: str  # as it was given

    def of(self, total: int) -> int:
        """In bytes, of a disk of that size."""
        given = [] if self.size is None else [self.size]
        return min([*given, *([] if self.percent is None else [int(total * self.percent / 100)])])

    def __str__(self) -> str:
        return self.text


class Figures(NamedTuple):
    """Of the disk that the state directory is on, in bytes; for `status`."""

    free: int
    total: int
    floor: int
    missing: int  # so much more must be free before anything is written again; 0: all is well


class Space:
    """`check` belongs to the intake thread."""

    def __init__(self, directory: Path, floor: Floor) -> None:
        self._directory = directory
        self._floor = floor
        self._mark: Path | None = None  # a file that is there as long as the directory is ours
        self._is_low = False
        self._unlooked = 0  # bytes that may be written before the next look
        self._next_look = float("-inf")

    def figures(self) -> Figures:
        """As it is now. From any thread. Raises OSError."""
        disk = os.statvfs(self._directory)
        free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        floor = self._floor.of(total)
        needed = floor + min(floor // 10, _RESUME_BYTES) if self._is_low else floor
        return Figures(free, total, floor, max(0, needed - free))

    def note_place(self) -> None:
        """From here on the directory must hold the daemon's lock."""
        mark = self._directory / LOCK_NAME
        self._mark = mark if mark.exists() else None

    def check_place(self) -> None:
        """Raise LogWriteError while the directory is not there. From any thread."""
        if self._mark is None:
            return
        try:
            self._mark.stat()
        except OSError as error:
            if error.errno == errno.ENOENT:
                error = OSError(errno.ENOENT, "the file system of the state directory is gone")
            raise LogWriteError(error, self._directory) from error

    def check(self, size: int) -> None:
        """Raise DiskFloorReached unless `size` bytes can be written, and LogWriteError if there is no disk."""
        self._unlooked -= size
        now = time.monotonic()
        if self._unlooked >= 0 and now < self._next_look and not self._is_low:
            return
        self.check_place()
        try:
            figures = self.figures()
        except OSError:  # the write itself will tell
            return
        self._is_low = figures.missing > 0 or figures.free - size < figures.floor
        if self._is_low:
            raise DiskFloorReached(figures.free, figures.floor, str(self._floor), self._directory)
        self._next_look = now + _LOOK_SECS
        self._unlooked = min((figures.free - size - figures.floor) // 2, _LOOK_BYTES)
