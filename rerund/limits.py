"""How many may be connected: refused in a sentence before descriptors or memory run out, not by an error after it.

Each way in counts its own: producers, HTTP connections, gRPC streams, subscriptions. File descriptors are counted for
all together, and some are left for the logs of those who are in already. So is memory (memory.py).
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import time
from typing import Final

from rerund.memory import Memory

log = logging.getLogger(__name__)

_FOR_NEWCOMERS: Final = 0.9  # of the file descriptors...
_MANY: Final = 1 << 16  # ...if they are so many; else fewer, as a burst of connections takes them before we look
_FOR_NEWCOMERS_IF_FEW: Final = 0.5
_RECOUNT_SECS: Final = 0.2
_RECOUNT_IF_FULL_SECS: Final = 0.01
_MORE_FILES: Final = "raise `ulimit -n`, or LimitNOFILE="


class Limits:
    """Of one daemon. From any thread."""

    def __init__(self, max_connections: int, memory: Memory | None = None) -> None:
        """memory: None if it has no limit."""
        self.max_connections = max_connections
        self._memory = memory
        self._full: set[str] = set()  # ways in that were told about
        self._open = 0  # file descriptors
        self._counted = float("-inf")

    def refusal(self, what: str, count: int, *, needs_files: bool = True) -> str:
        """Why one more of `what` is refused, beside the `count` that there are; "" if it is not."""
        reason = self._reason(what, count, needs_files)
        if reason and what not in self._full:
            self._full.add(what)
            log.warning("no more %s are let in: %s", what, reason)
        elif not reason and what in self._full:
            self._full.discard(what)
            log.warning("%s are let in again", what)
        return reason

    def is_short_of_files(self) -> bool:
        """Whether newcomers are not even to be kept for their question."""
        most = files_in_all()
        return self._open_files(most) > most * (_FOR_NEWCOMERS if most >= _MANY else _FOR_NEWCOMERS_IF_FEW)

    def share_of_files(self) -> float:
        """How much of the file descriptors is open, if they might run out before anybody is asked; else 0.

        Counted anew, so not for every connection.
        """
        most = files_in_all()
        return _count_open(most) / most if most < _MANY else 0.0

    def _open_files(self, most: int) -> int:
        """Counted now and then, as that takes long where there are many; in between, one more at every question."""
        self._open += 1
        patience = _RECOUNT_SECS if self._open <= most * _FOR_NEWCOMERS_IF_FEW else _RECOUNT_IF_FULL_SECS
        if time.monotonic() - self._counted > patience:
            self._open = _count_open(most)
            self._counted = time.monotonic()
        return self._open

    def _reason(self, what: str, count: int, needs_files: bool) -> str:
        if count >= self.max_connections:
            return (
                f"there are {count} {what}, and max_connections = {self.max_connections}: raise the option or end some"
            )
        if needs_files and self._memory is not None and self._memory.shortage:
            return self._memory.shortage
        if needs_files and self.is_short_of_files():
            return f"the daemon has too many of its {files_in_all()} file descriptors open: {_MORE_FILES}"
        return ""


def files_in_all() -> int:
    """How many file descriptors this process may have."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if most != resource.RLIM_INFINITY else sys.maxsize


def _count_open(most: int) -> int:
    try:
        return sum(1 for _ in os.scandir("/dev/fd"))
    except OSError:  # there is not even one left
        return most
