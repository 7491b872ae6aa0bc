"""Wakes a thread that polls: a file descriptor to poll beside its sockets, rung from any thread."""

from __future__ import annotations

import contextlib
import os
import threading


class Wakeup:
    """Rings are not counted. After `close` they do nothing: by then the descriptor may be another file."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._closed = False

    def fileno(self) -> int:
        return self._fd

    def ring(self) -> None:
        """From any thread."""
        with self._lock:
            if not self._closed:
                os.eventfd_write(self._fd, 1)

    def hear(self) -> None:
        """Forget the rings so far; whoever polls looks at what they were about after this."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            os.close(self._fd)
