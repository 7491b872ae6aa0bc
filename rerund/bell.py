"""How the intake thread tells readers on the serving loop that there is more.

Rule: who publishes does so first and then rings; who waits registers first and then looks again. So no ring is missed,
and ringing costs nothing while nobody waits. Many rings before the loop runs are one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Bells:
    """All bells of one serving loop; wakes the loop once for all that rang."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung: deque[Bell] = deque()
        self._scheduled = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def detach(self) -> None:
        """The loop is about to close: rings are ignored from here on."""
        self._loop = None

    def add(self) -> Bell:
        return Bell(self)

    def ring(self, bell: Bell) -> None:
        self._rung.append(bell)
        loop = self._loop
        if loop is not None and not self._scheduled:
            self._scheduled = True
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._scheduled = False  # before the queue is emptied: what is added later schedules anew
        while self._rung:
            self._rung.popleft().wake()


class Bell:
    """Rings for those who wait for one thing."""

    def __init__(self, bells: Bells) -> None:
        self._bells = bells
        self._waiting: list[asyncio.Future[None]] = []

    def ring(self) -> None:
        """From any thread."""
        if self._waiting:
            self._bells.ring(self)

    async def wait(self, ready: Callable[[], bool]) -> None:
        """Until `ready()`. On the loop only."""
        while not ready():
            rung: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(rung)
            if ready():  # it may have become so between the first look and the registration
                self._forget(rung)
                return
            try:
                await rung
            finally:
                self._forget(rung)

    def _forget(self, rung: asyncio.Future[None]) -> None:
        if rung in self._waiting:
            self._waiting.remove(rung)

    def wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for rung in waiting:
            if not rung.done():
                rung.set_result(None)
