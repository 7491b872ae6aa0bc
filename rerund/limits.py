"""How many may be connected: refused in a sentence before file descriptors run out, not by an error after it.

Each way in counts its own: producers, HTTP connections, gRPC streams, subscriptions. File descriptors are counted for
all together; the last tenth is for the logs of those who are in already.
"""

from __future__ import annotations

import logging
import os
import resource
from typing import Final

log = logging.getLogger(__name__)

_FOR_NEWCOMERS: Final = 0.9  # of the file descriptors


class Limits:
    """Of one daemon. From any thread."""

    def __init__(self, max_connections: int) -> None:
        self.max_connections = max_connections
        self._full: set[str] = set()  # ways in that were told about

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
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return most != resource.RLIM_INFINITY and _open_files(most) > most * _FOR_NEWCOMERS

    def _reason(self, what: str, count: int, needs_files: bool) -> str:
        if count >= self.max_connections:
            return (
                f"there are {count} {what}, and max_connections = {self.max_connections}: raise the option or end some"
            )
        if needs_files and self.is_short_of_files():
            most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            return f"the daemon has nearly all of its {most} file descriptors open: raise `ulimit -n`, or LimitNOFILE="
        return ""


def _open_files(most: int) -> int:
    """At least so many are: a new one gets the lowest number that is free."""
    try:
        lowest_free = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return most
    os.close(lowest_free)
    return lowest_free
