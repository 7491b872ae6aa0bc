"""How many may be connected: refused in a sentence before file descriptors run out, not by an error after it.

Each way in counts its own: producers, HTTP connections, gRPC streams, subscriptions. File descriptors are counted for
all together; the last tenth is for the logs of those who are in already.
"""

from __future__ import annotations

import logging
import os
import resource
import time
from typing import Final

log = logging.getLogger(__name__)

_FOR_NEWCOMERS: Final = 0.9  # of the file descriptors
_LOOK_SECS: Final = 0.1  # between two counts of what is open


class Limits:
    """Of one daemon. From any thread."""

    def __init__(self, max_connections: int) -> None:
        self.max_connections = max_connections
        self._full: set[str] = set()  # ways in that were told about
        self._open = 0
        self._counted = float("-inf")

    def refusal(self, what: str, count: int) -> str:
        """Why one more of `what` is refused, beside the `count` that there are; "" if it is not."""
        reason = self._reason(what, count)
        if reason and what not in self._full:
            self._full.add(what)
            log.warning("no more %s are let in: %s", what, reason)
        elif not reason and what in self._full:
            self._full.discard(what)
            log.warning("%s are let in again", what)
        return reason

    def _reason(self, what: str, count: int) -> str:
        if count >= self.max_connections:
            return (
                f"there are {count} {what}, and max_connections = {self.max_connections}: raise the option or end some"
            )
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        open_files = self._open_files(most)
        if most != resource.RLIM_INFINITY and open_files > most * _FOR_NEWCOMERS:
            return f"the daemon has {open_files} of {most} file descriptors open: raise `ulimit -n`, or LimitNOFILE="
        return ""

    def _open_files(self, most: int) -> int:
        now = time.monotonic()
        if now - self._counted > _LOOK_SECS:
            self._counted = now
            try:
                self._open = sum(1 for _ in os.scandir("/dev/fd"))
            except OSError:  # there is not even one left
                self._open = most
        return self._open
