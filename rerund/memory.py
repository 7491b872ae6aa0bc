"""How much memory the daemon takes, and who may have how much of it.

What grows with those who connect is shared out among them: what producers have on its way to the log, what readers are
sent and have not yet taken, the ids that tell what is sent again. So all of it together stays under the option
memory_limit, whatever a disk or a viewer does; history is on disk, and grows there alone.
What is not shared out (connections themselves, names, caches) is watched: near the limit producers are told to wait,
which keep what they log, newcomers are refused, and the status says why, until there is room again.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
from typing import Final, NamedTuple

from rerund.readers import Readers
from rerund.share import Share

log = logging.getLogger(__name__)

MIB: Final = 1 << 20
LARGEST_WINDOW: Final = 16 * MIB  # a producer needs no more to keep its socket busy
SMALLEST_WINDOW: Final = 16 << 10  # what is larger is sent in turns (credits.py)
_STREAM_BYTES: Final = MIB // 2  # of one gRPC stream, about: what the library has of it before we do
_ID_BYTES: Final = 120  # of one chunk id in a set
_FEWEST_IDS: Final = 256  # of one recording: what producers may have to send again is bounded, too
_SMALLEST_CACHE: Final = MIB
_FULL: Final = 0.9  # of the limit
_ROOM_AGAIN: Final = 0.8
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class MemoryStatus(NamedTuple):
    """For `status`."""

    used: int  # bytes of memory of its own; the page cache is not among them
    limit: int
    producer_window: int  # bytes that each producer may have on its way
    reason: str  # why producers wait and newcomers are refused; "" if they do not


class Memory:
    """Of one daemon. From any thread, but for `readers`."""

    def __init__(self, limit: int, *, watches: bool = True) -> None:
        """watches: what the process uses is the daemon's."""
        self.limit = limit
        self._watches = watches
        self.largest_message = limit // 2
        self.shortage = ""
        self.used = 0
        self.readers = Readers(limit // 4)
        self.ids = Share(limit // 16 // _ID_BYTES // 2, _FEWEST_IDS)  # of which recordings remember two generations
        self.caches = Share(limit // 8, _SMALLEST_CACHE)  # bytes that pages want again
        self._producers = 0
        self.look()

    def window(self, producers: int) -> int:
        """Bytes that each of so many producers may have on its way to the log."""
        self._producers = producers
        return max(SMALLEST_WINDOW, min(LARGEST_WINDOW, self.limit // 8 // max(producers, 1)))

    @property
    def turns(self) -> int:
        """Bytes of messages larger than a window that may be on their way at a time."""
        return self.limit // 8

    def refusal_of_stream(self, streams: int) -> str:
        """Why no more gRPC streams are let in; "" if they are."""
        if streams < self.limit // 8 // _STREAM_BYTES:
            return ""
        return (
            f"there are {streams} gRPC streams, and no room for more in memory_limit = {self.limit}: raise the option"
        )

    def look(self) -> None:
        """See how much is used now; called every second."""
        self.used = _own_bytes()
        if not self._watches:
            return
        if self.used > self.limit * _ROOM_AGAIN:
            if self.used > self.limit * _FULL:
                gc.collect()  # it does not know how large what it would find is, and might not look for long
            _give_back()
            self.used = _own_bytes()
        if self.used > self.limit * _FULL:
            reason = f"{self.used} bytes of memory are used, and memory_limit = {self.limit}: raise the option"
            if not self.shortage:
                log.warning("producers wait and newcomers are refused: %s", reason)
            self.shortage = reason
        elif self.shortage and self.used < self.limit * _ROOM_AGAIN:
            self.shortage = ""
            log.warning("there is memory again: producers go on")

    def status(self) -> MemoryStatus:
        window = 0 if self.shortage else self.window(self._producers)
        return MemoryStatus(self.used, self.limit, window, self.shortage)


def _give_back() -> None:
    """What was freed and the allocator keeps goes back to the system."""
    ctypes.CDLL(None).malloc_trim(0)


def _own_bytes() -> int:
    """Resident memory but for mapped files, which the system takes back when it wants to."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - every second, and as cheap as can be
        _, resident, shared, *_ = file.read().split()
    return (int(resident) - int(shared)) * _PAGE
