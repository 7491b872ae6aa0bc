"""The ends of this process, by all of which its recordings are closed: exit, SIGTERM, multiprocessing's own way out.

`os._exit` and SIGKILL are none: what was not on its way by then is gone, or lies in a spill file.
"""

from __future__ import annotations

import atexit
import multiprocessing.util
import os
import time
import weakref
from typing import Final, Protocol

from rerund_sdk import sigterm

CLOSE_SECS: Final = 2.0  # what the end of a program, or the change of a mode, waits for at most...
LEAVE_SECS: Final = 0.6  # ...of which this is for the last word, and for writing down what was not delivered


class Closable(Protocol):
    """What has to end before the process does. Both methods wait until a time (monotonic) at most."""

    def settle(self, deadline: float) -> None:
        """Begin to end."""

    def close(self, deadline: float) -> None:
        """End, after `settle`."""


_live: weakref.WeakSet[Closable] = weakref.WeakSet()
_hook_of = 0  # the process that has one


def remember(closable: Closable) -> None:
    """Have it closed at the end of this process, if it still is there then."""
    global _hook_of
    _live.add(closable)
    if _hook_of == os.getpid():
        return
    if multiprocessing.parent_process() is not None:  # such children end without atexit, and forget what was registered
        multiprocessing.util.Finalize(None, close_all, exitpriority=0)
    elif _hook_of == 0:  # inherited by a child of os.fork
        atexit.register(close_all)
    sigterm.close_before(close_all)
    _hook_of = os.getpid()


def close_all(deadline: float | None = None) -> None:
    """Close every recording of this process; by default within the time that an exit may take."""
    until = time.monotonic() + CLOSE_SECS if deadline is None else deadline
    live = list(_live)
    for closable in live:
        closable.settle(until - LEAVE_SECS)
    for closable in live:  # all their sinks are ending by now, so that many take no longer than one
        closable.close(until)


def close_all_before_others() -> None:
    """At exit, close before what other modules registered until now: what is registered last runs first."""
    if _hook_of and multiprocessing.parent_process() is None:
        atexit.unregister(close_all)
        atexit.register(close_all)
