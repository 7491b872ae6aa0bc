"""The memory that producers of this machine share with us: where it is, and what of it an append names.

A producer tells of its memory file in `hello` (rerund_sdk/shared_memory.py). The kernel says which process is at the
other end of the socket; the file is opened as /proc/PID/fd/FD, which it allows for processes of the same user.
Rule 1: only a file that can never shrink is mapped: reading it cannot fail, whatever its owner does or dies of.
Rule 2: what lies there may change at any moment, by a bug of its owner. So it is written to the log and never read:
`wire.completed` sees to it that nothing of a message's form lies there.
Rule 3: what we have looked at counts as our memory, so if it is much we look away: the kernel then takes back the pages
of the mapping, not what is in them. To look again costs as much as the write itself, so producers use the same few
blocks again and again, and what is new is looked at in one go.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import sys
import weakref
from pathlib import Path
from typing import Any, Final

import zmq

from rerund_sdk.errors import BadWireMessage
from rerund_sdk.wire import Memory

MAX_BYTES: Final = 1 << 30  # of one producer's file
LOOKED_AT_BYTES: Final = 64 << 20  # of all files together, before we look away; 48 cost a seventh of the images
_MADV_POPULATE_READ: Final = 22  # of Linux 5.14


class LentMemory:
    """One process's memory file, mapped. It is let go of with the last view of it."""

    def __init__(self, pid: int, memory: Memory) -> None:
        """Raises OSError if it is not to be had, or is not what it must be."""
        self.pid = pid
        fd = os.open(f"/proc/{pid}/fd/{memory.fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = os.fstat(fd)
            if (found.st_ino, found.st_size) != (memory.inode, memory.size) or memory.size > MAX_BYTES:
                raise OSError("it is another file than the one that was told of")
            if not fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
                raise OSError("it may shrink")
            self._map = mmap.mmap(fd, memory.size, prot=mmap.PROT_READ)
        finally:
            os.close(fd)
        self.looked_at = 0  # the first so many bytes, since we looked away

    def borrow(self, offset: int, size: int) -> memoryview:
        """A part of it. Raises BadWireMessage if it has no such part."""
        if offset + size > len(self._map):
            raise BadWireMessage(f"append lends {size} bytes at {offset} of a shared memory of {len(self._map)} bytes")
        if offset + size > self.looked_at:
            self._look_up_to(offset + size)
        return memoryview(self._map)[offset : offset + size]

    def _look_up_to(self, end: int) -> None:
        """Not at this part alone: those before it are in use, too, or were a moment ago."""
        start = self.looked_at - self.looked_at % mmap.PAGESIZE
        self.looked_at = end
        with contextlib.suppress(OSError):  # an older kernel: the write will look, page by page
            self._map.madvise(_MADV_POPULATE_READ, start, end - start)

    def look_away(self) -> None:
        self.looked_at = 0
        self._map.madvise(mmap.MADV_DONTNEED)

    @property
    def owner_is_gone(self) -> bool:
        return not Path(f"/proc/{self.pid}").exists()


class Lenders:
    """The memory files in use: one a process, however many recordings it logs into. For the intake's thread."""

    def __init__(self) -> None:
        self._by_file: weakref.WeakValueDictionary[tuple[int, Memory], LentMemory] = weakref.WeakValueDictionary()

    def memory_of(self, frame: zmq.Frame, memory: Memory | None) -> LentMemory | None:
        """What the sender of `frame` shares; None if that is nothing, or nothing that we can see."""
        pid = _pid_of_peer(frame) if memory is not None and sys.platform == "linux" else 0
        if memory is None or not pid:
            return None
        lent = self._by_file.get((pid, memory))
        if lent is None:
            try:
                lent = self._by_file[pid, memory] = LentMemory(pid, memory)
            except (OSError, ValueError):  # another container's process, a kernel without such files: it will be sent
                return None
        return lent

    def look_away_if_much(self) -> None:
        """Call it when nothing that was borrowed is needed any more."""
        lenders = list(self._by_file.values())
        if sum(lender.looked_at for lender in lenders) > LOOKED_AT_BYTES:
            for lender in lenders:
                lender.look_away()


def is_from_inside(frame: zmq.Frame) -> bool:
    """Whether this process sent it: only what came over a socket has an address."""
    return not _address_of_peer(frame)


def _address_of_peer(frame: Any) -> str:
    try:
        return str(frame.get("Peer-Address"))
    except (zmq.ZMQError, UnicodeError):
        return ""


def _pid_of_peer(frame: zmq.Frame) -> int:
    """By what the kernel says, which libzmq puts behind the address of a UNIX socket: `:uid:gid:pid`. 0: not known."""
    try:
        _, uid, _, pid = _address_of_peer(frame).rsplit(":", 3)
    except ValueError:
        return 0
    return int(pid) if uid == str(os.geteuid()) and pid.isdecimal() else 0
