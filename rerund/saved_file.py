"""An .rrd file that the daemon writes for somebody: whole messages as the logs have them, under one stream header.

Rule 1: the file is locked while it is written; one that another process writes is refused and not touched.
Rule 2: it ends with a whole message after every write, so it is a valid .rrd at every moment.
All of this blocks: on the serving loop it is called through threads.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from pathlib import Path

import psutil

from rerund.errors import SaveError
from rerund.writing import write_at
from rerund_sdk import rrd


class SavedFile:
    """Open for writing, from `open` to `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end = 0  # behind the last whole message
        self._fd = -1
        self._lock = threading.Lock()  # a write whose waiter was cancelled goes on: `close` waits for it

    def open(self) -> None:
        """Lock the file; it is made if there is none, and not changed if there is one. Raises SaveError."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
        except IsADirectoryError:
            raise SaveError(f"this is a directory: name a file in it: {self.path}") from None
        except OSError as error:
            raise SaveError(f"the file cannot be written ({error.strerror}): {self.path}") from error
        try:
            _check(fd, self.path)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    @property
    def inode(self) -> int:
        """Which file it is, whatever its name."""
        return os.fstat(self._fd).st_ino

    def create(self) -> None:
        """Open it and begin. Raises SaveError."""
        self.open()
        try:
            self.begin()
        except SaveError:
            self.close()
            raise

    def begin(self) -> None:
        """Empty it and write the stream header. Raises SaveError."""
        os.ftruncate(self._fd, 0)
        self.end = 0
        self.append(rrd.STREAM_HEADER)

    def cut(self, end: int) -> bool:
        """Go on at `end`, where a message ended when this was last written; False if the file is shorter now."""
        if os.fstat(self._fd).st_size < end:
            return False
        os.ftruncate(self._fd, end)
        self.end = end
        return True

    def append(self, data: bytes | memoryview) -> None:
        """Write whole messages. Raises SaveError, and then none is in the file."""
        with self._lock:
            self._look()
            try:
                self.end = write_at(self._fd, data, self.end)
            except OSError as error:
                os.ftruncate(self._fd, self.end)
                raise SaveError(f"the file cannot be written ({error.strerror}): {self.path}") from error

    def _look(self) -> None:
        """What is written into a file that was removed, or whose file system went away, nobody would find."""
        try:
            is_there = os.path.samestat(self.path.stat(), os.fstat(self._fd))
        except OSError:
            is_there = False
        if not is_there:
            raise SaveError(f"the file was removed, or another one took its place: {self.path}")

    def close(self) -> None:
        """Let it go. Idempotent."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


def _check(fd: int, path: Path) -> None:
    """Raise SaveError unless the file at `fd` may be overwritten; then it is locked."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise SaveError(f"this is no regular file: {path}")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SaveError(f"{_holder(fd)} is writing this file: choose another name: {path}") from None
    head = os.pread(fd, len(rrd.MAGIC), 0)
    if head and head != rrd.MAGIC:
        raise SaveError(f"there is a file that is no .rrd: remove it or choose another name: {path}")


def _holder(fd: int) -> str:
    """Who has the lock, for people."""
    status = os.fstat(fd)
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, _, pid, locked, *_ = line.split()
            if (kind, locked) == ("FLOCK", file):
                return f"{psutil.Process(int(pid)).name()} (pid {pid})"
    except (OSError, ValueError, psutil.Error):
        pass
    return "another process"
