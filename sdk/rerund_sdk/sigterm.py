"""SIGTERM ends a program as it always did, but first its rows are sent, or kept on disk.

The workers of a `multiprocessing.Pool` all end so, at once when the results are there, and so does what systemd, a
container or `timeout` stops. Python's default is to die on the spot, with what was logged last.
Rule 1: a program with a handler of its own, or that ignores the signal, is left alone: its way out is our way out.
Rule 2: the program still dies of SIGTERM, in bounded time; a second SIGTERM kills it at once.
Rule 3: no SIGTERM that is ours to act on is lost on the way into a forked child. Python forgets what arrives there
before it has set itself up, and a pool that terminates a worker so young would wait for good: the signal is held until
the child can act on it. One for a handler of the program is not held, for it would be let through where what the
handler raises is dropped.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable
from typing import Final

from rerund_sdk import patience

_LONGEST_SECS: Final = 5.0  # should not take half of it; the thread that was interrupted may hold what it needs

_close: Callable[[], None]


def close_before(close: Callable[[], None]) -> None:
    """Have `close` called before a SIGTERM that nobody else handles ends this process, or a forked child."""
    global _close
    if threading.current_thread() is not threading.main_thread():  # no other may set handlers
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    _close = close
    signal.signal(signal.SIGTERM, _close_and_die)
    _hold_while_forking()


def _close_and_die(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_DFL)
    closing = threading.Thread(target=_close, name="rerund closing", daemon=True)
    try:
        closing.start()
        patience.join(closing, _LONGEST_SECS)
    finally:
        os.kill(os.getpid(), number)


@functools.cache
def _hold_while_forking() -> None:
    """From now on; called when all else that happens at forks is registered, so that the signal finds it done."""
    masks = threading.local()

    def hold() -> None:
        masks.before = None
        if signal.getsignal(signal.SIGTERM) is _close_and_die:
            masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, ())  # alone: a handler may raise here
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def let_through() -> None:
        if (before := getattr(masks, "before", None)) is not None:  # there is none if we came in the middle of a fork
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    os.register_at_fork(before=hold, after_in_parent=let_through, after_in_child=let_through)
