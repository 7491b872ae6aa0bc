"""A queue with one reader, who waits with a time limit, and writers anywhere: in signal handlers and `__del__`, too.

`queue.SimpleQueue` would do but for its `get(timeout=)`: a thread that is kept from its processor at the wrong moment,
on a busy machine or by SIGSTOP, waits in it for good (CPython 3.11: what is left of the time becomes negative, which
means without limit to the lock below). `queue.Queue` has a lock that a signal handler would wait for in vain.
Rule: an item is there before the bell rings, and the reader looks after each ring. So none is overlooked.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from queue import Empty
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """First in, first out."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._bell = threading.Lock()  # released: it has rung
        self._bell.acquire()

    def put(self, item: T) -> None:
        """Add an item; never waits."""
        self._items.append(item)
        with contextlib.suppress(RuntimeError):  # it has rung already
            self._bell.release()

    def get(self, timeout: float) -> T:
        """The oldest item, waited for so many seconds. Raises queue.Empty."""
        end = time.monotonic() + timeout
        while not self._items:
            left = end - time.monotonic()
            if left <= 0 or not self._bell.acquire(timeout=left):
                break
        try:
            return self._items.popleft()
        except IndexError:
            raise Empty from None
