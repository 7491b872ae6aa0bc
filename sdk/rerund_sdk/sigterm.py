"""SIGTERM ends a program as it always did, but first its rows are sent, or kept on disk.

The workers of a `multiprocessing.Pool` all end so, at once when the results are there, and so does what systemd, a
container or `timeout` stops. Python's default is to die on the spot, with what was logged last.
Rule 1: a program with a handler of its own, or that ignores the signal, is left alone: its way out is our way out.
Rule 2: the program still dies of SIGTERM, in bounded time; a second SIGTERM kills it at once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Final

from rerund_sdk import patience

_LONGEST_SECS: Final = 5.0  # should not take half of it; the thread that was interrupted may hold what it needs


def close_before(close: Callable[[], None]) -> None:
    """Have `close` called before a SIGTERM that nobody else handles ends this process, or a forked child."""
    if threading.current_thread() is not threading.main_thread():  # no other may set handlers
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return

    def close_and_die(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        closing = threading.Thread(target=close, name="rerund closing", daemon=True)
        try:
            closing.start()
            patience.join(closing, _LONGEST_SECS)
        finally:
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, close_and_die)
