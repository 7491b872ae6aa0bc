"""How much each producer may have on its way to the log: told with every welcome and ack, so that none needs to ask.

All have the same window. Who has a message larger than that asks for a turn (ping, `wants`): turns are given in the
order of asking, as many at a time as memory allows, one at least, and end when the message came, or after a while.
While memory is short nobody may have anything on its way, but for those of this process (the gRPC edge): what they hold
back takes our own memory, and would keep it short for good. They go on in turns, whatever the size.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from rerund.memory import Memory
from rerund.producers import Producer
from rerund_sdk import wire

_TURN_SECS: Final = 5.0
_FIRST_WINDOW: Final = 1 << 20  # of a newcomer, until its first ack: others may not know yet that they have less


class Credits:
    """Belongs to the intake thread."""

    def __init__(self, memory: Memory, count: Callable[[], int]) -> None:
        """count: of connected producers."""
        self._memory = memory
        self._count = count
        self._turns: dict[Producer, tuple[int, float]] = {}  # bytes, until when
        self._waiting: deque[tuple[Producer, int]] = deque()
        self._was_short = False

    def first_window(self) -> int:
        return min(self.window(None), _FIRST_WINDOW)

    def window(self, producer: Producer | None) -> int:
        """What it may have on its way now."""
        size, _ = self._turns.get(producer, (0, 0.0)) if producer is not None else (0, 0.0)
        if self._memory.shortage:
            return size if producer is not None and producer.is_inside else 0
        return self._memory.window(self._count()) + size

    def want(self, producer: Producer, size: int) -> None:
        """It has a message of `size` bytes, which is more than its window."""
        if size and producer not in self._turns and all(waiting is not producer for waiting, _ in self._waiting):
            self._waiting.append((producer, size))

    def took(self, producer: Producer, append: wire.Append) -> None:
        """What a turn was given for has come."""
        turn = self._turns.get(producer)
        if turn is None:
            return
        if self._memory.shortage or sum(entry.size for entry in append.entries) > self._memory.window(self._count()):
            self._turns[producer] = (turn[0], 0.0)

    def changed(self, connected: Callable[[], list[Producer]]) -> list[Producer]:
        """End turns and give others, now that what came is written; those who must be told of another window."""
        if bool(self._memory.shortage) != self._was_short:
            self._was_short = not self._was_short
            return connected()
        if not (self._turns or self._waiting):
            return []
        return [*self._ended(), *self._given()]

    def _ended(self) -> list[Producer]:
        now = time.monotonic()
        ended = [producer for producer, (_, until) in self._turns.items() if now > until]
        for producer in ended:
            del self._turns[producer]
        return ended

    def _given(self) -> list[Producer]:
        given: list[Producer] = []
        for producer, size in list(self._waiting):
            if self._memory.shortage and not producer.is_inside:
                continue
            if self._turns and sum(taken for taken, _ in self._turns.values()) + size > self._memory.turns:
                break
            self._waiting.remove((producer, size))
            self._turns[producer] = (size, time.monotonic() + _TURN_SECS)
            given.append(producer)
        return given
