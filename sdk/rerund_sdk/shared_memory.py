"""Memory that this process shares with the daemon of its machine: a large array is copied into it when it is logged,
small ones of many rows when they are put together.

From there the daemon writes it to the log, so that it does not pass through a socket. Files gain by it, too: a block
that was in use a moment ago takes a copy in a tenth of the time that fresh memory takes. Linux only.

Form: one memory file (memfd) a process, mapped whole, cut into blocks as they are needed. It is sealed against
shrinking, so that whoever maps it may read it without fear. The daemon opens it by way of /proc, which lets in the same
user alone; an append then tells a block's place (`wire.Lent`) where it would carry its bytes.
Rule 1: a block is taken for as long as anything refers to it: a row that waits, a chunk, a message that is not yet
acked. Nothing else has to give it back.
Rule 2: the lowest place that fits is taken, so that few pages are in use, and those are in the processor's cache.
Rule 3: what finds no room here goes the usual way: a copy in the heap, and its bytes through the socket. So does what
is logged by a signal handler or a `__del__` that finds its thread in the middle of this.
Rule 4: a forked child leaves its parent's memory alone; it makes one of its own.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import weakref
from bisect import bisect
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from rerund_sdk.wire import Memory

Block: TypeAlias = npt.NDArray[np.uint8]

SIZE: Final = 64 << 20  # by default; only what was in use at a time takes memory
MIN_BYTES: Final = 64 * 1024  # less is sent
_PAGE: Final = mmap.PAGESIZE


class SharedMemory:
    """One memory file and its blocks. Every method is for any thread. Raises OSError if there can be none."""

    def __init__(self, size: int) -> None:
        self._fd = os.memfd_create("rerund", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self._fd, size)
            fcntl.fcntl(self._fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
            self._map = mmap.mmap(self._fd, size)
            self.memory = Memory(self._fd, size, os.fstat(self._fd).st_ino)
        except OSError:
            os.close(self._fd)
            raise
        self._first = _address(self._map)
        self._size = size
        self._lock = threading.RLock()
        self._is_busy = False  # this very thread is in the middle, and was interrupted
        self._free = [(0, size)]  # start and end of what is free, rising, never touching
        self._given_back: deque[tuple[int, int]] = deque()  # to be free, filled by the garbage collector at any moment
        self._taken: dict[int, weakref.ref[Block]] = {}

    def copy(self, array: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """A copy of `array` in a block, C-contiguous; None if there is no room."""
        block = self.take(array.nbytes)
        if block is None:
            return None
        own = block.view(array.dtype).reshape(array.shape)
        np.copyto(own, array)
        return own

    def place(self, part: bytes | memoryview) -> int | None:
        """Where in the file `part` lies; None if it is elsewhere."""
        start = _address(part) - self._first
        return start if 0 <= start < self._size else None

    def take(self, size: int) -> Block | None:
        """A block of that many bytes; None if there is no room."""
        size_in_pages = -(-size // _PAGE) * _PAGE
        with self._lock:
            if self._is_busy:
                return None
            self._is_busy = True
            try:
                self._collect()
                return self._first_that_fits(size, size_in_pages)
            finally:
                self._is_busy = False

    def _first_that_fits(self, size: int, size_in_pages: int) -> Block | None:
        for number, (start, end) in enumerate(self._free):
            block_end = start + size_in_pages
            if block_end <= end:
                self._free[number : number + 1] = [(block_end, end)] if block_end < end else []
                return self._block(start, size, block_end)
        return None

    def _block(self, start: int, size: int, end: int) -> Block:
        """A new owner of the bytes from start to end; with the last reference to it they are given back.

        An array, since views of an array refer to it; those of a memoryview refer to what is behind it.
        """
        block: Block = np.frombuffer(self._map, np.uint8, size, start)
        self._taken[start] = weakref.ref(block, lambda _: self._given_back.append((start, end)))
        return block

    def _collect(self) -> None:
        while self._given_back:
            start, end = self._given_back.popleft()
            del self._taken[start]
            at = bisect(self._free, (start, end))
            if at < len(self._free) and self._free[at][0] == end:
                end = self._free.pop(at)[1]
            if at > 0 and self._free[at - 1][1] == start:
                at -= 1
                start = self._free.pop(at)[0]
            self._free.insert(at, (start, end))


def _address(buffer: Any) -> int:
    return int(np.frombuffer(buffer, np.uint8).__array_interface__["data"][0])


_own: SharedMemory | None = None
_lock = threading.RLock()


def obtain(size: int = SIZE) -> SharedMemory | None:
    """This process's, made with `size` bytes if it has none yet; None where there can be none, or size is 0."""
    global _own
    with _lock:
        if _own is None and size and hasattr(os, "memfd_create"):
            try:
                _own = SharedMemory(size)
            except OSError:  # no descriptors, or a sandbox that forbids it: there is another way
                return None
        return _own if size else None


def own_copy(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy of `array`, in the shared memory if it is large and there is room."""
    memory = _memory_for(array.nbytes)
    if memory is not None and (shared := memory.copy(array)) is not None:
        return shared
    copy: npt.NDArray[Any] = array.copy()
    return copy


def joined(parts: Sequence[bytes]) -> bytes | Block:
    """The parts one after the other, in the shared memory if that is much and there is room."""
    if (block := _block(sum(map(len, parts)))) is None:
        return b"".join(parts)
    struct.Struct("".join([f"{len(part)}s" for part in parts])).pack_into(block.data, 0, *parts)
    return block


def concatenated(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The same of arrays of one dtype, which differ in their first dimension at the most."""
    if (block := _block(sum(array.nbytes for array in arrays))) is None:
        return np.concatenate(arrays)
    first = arrays[0]
    return np.concatenate(arrays, out=block.view(first.dtype).reshape(-1, *first.shape[1:]))


def _block(size: int) -> Block | None:
    memory = _memory_for(size)
    return memory.take(size) if memory is not None else None


def _memory_for(size: int) -> SharedMemory | None:
    return (_own or obtain()) if size >= MIN_BYTES else None


def _after_fork_in_child() -> None:
    global _own, _lock
    _own = None
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
