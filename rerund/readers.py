"""How much readers have in memory: what each was given and has not yet taken, shared out among all of them.

A reader has one batch at a time, a smaller one if they are many. A message larger than that is read when there is room
for it. A reader that does not take such a message for long, while others wait for the room, gives way: its task is
cancelled, which ends its connection.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final, NamedTuple
from weakref import WeakSet

log = logging.getLogger(__name__)

SMALLEST_BATCH: Final = 64 << 10
STALLED_SECS: Final = 10.0
_HELD: Final = 4  # batches of one reader, about: what it is sent lies in so many places at once
_LOOK_SECS: Final = 1.0


class _Large(NamedTuple):
    size: int
    since: float
    task: asyncio.Task[Any] | None


class Readers:
    """Of one daemon, on its serving loop. A reader is any object."""

    def __init__(self, most_bytes: int, stalled_secs: float = STALLED_SECS) -> None:
        self._most = most_bytes
        self._stalled_secs = stalled_secs
        self._all: WeakSet[Any] = WeakSet()
        self._large: dict[Any, _Large] = {}
        self._room = asyncio.Event()

    def share(self, reader: object, size: int) -> int:
        """How much of `size` the reader may read now; it has taken what it was given before."""
        self._all.add(reader)
        self._give_back(reader)
        return min(size, max(SMALLEST_BATCH, self._most // 2 // _HELD // len(self._all)))

    async def take(self, reader: object, size: int) -> None:
        """Until there is room for a message of `size` bytes, which is more than the reader's share."""
        while self._large and sum(each.size for each in self._large.values()) + size > self._most // 2:
            self._room.clear()
            try:
                await asyncio.wait_for(self._room.wait(), _LOOK_SECS)
            except (TimeoutError, asyncio.TimeoutError):
                self._end_stalled()
        self._large[reader] = _Large(size, time.monotonic(), asyncio.current_task())

    def leave(self, reader: object) -> None:
        """It reads no more, or not for now. Idempotent."""
        self._all.discard(reader)
        self._give_back(reader)

    def _give_back(self, reader: object) -> None:
        if self._large.pop(reader, None) is not None:
            self._room.set()

    def _end_stalled(self) -> None:
        for reader, (size, since, task) in list(self._large.items()):
            if time.monotonic() - since > self._stalled_secs:
                log.warning(
                    "a viewer that has not taken %d bytes for %.0f s is let go: others wait", size, self._stalled_secs
                )
                self._give_back(reader)
                if task is not None:
                    task.cancel()
