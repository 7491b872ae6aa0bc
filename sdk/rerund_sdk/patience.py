"""Waiting that counts the time in which this process runs, not the clock.

A process that is stopped (SIGSTOP, a debugger, a machine that sleeps) finds every deadline passed when it goes on, and
would give up what needed only another moment. Here such a pause costs one step, however long it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

_STEP_SECS: Final = 0.05


def join(thread: threading.Thread, secs: float, progress: Callable[[], object] = lambda: None) -> bool:
    """Whether `thread` ended: it is given up when it ran for `secs` while `progress` stayed the same."""
    seen = progress()
    left = secs
    while left > 0:
        thread.join(_STEP_SECS)
        if not thread.is_alive():
            return True
        now = progress()
        left = secs if now != seen else left - _STEP_SECS
        seen = now
    return not thread.is_alive()
