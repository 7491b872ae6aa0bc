"""Threads of ours in programs of others: no signal is delivered to them.

Python runs signal handlers on the main thread, which wakes from `accept`, `sleep` or `select` for it only if the system
gave the signal to that thread. A thread that is just being made may take it instead, and the program then sleeps on.
So ours are made, and run, with every signal blocked.
Rule: nothing that runs on them starts a program that is to be ended by a signal, for it would inherit that.
"""

from __future__ import annotations

import signal
import threading
from typing import Final

_OF_THE_THREAD_ITSELF: Final = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
_ALL: Final = signal.valid_signals() - _OF_THE_THREAD_ITSELF


def start(thread: threading.Thread) -> None:
    """Start it as one of ours. Raises RuntimeError where the interpreter is ending and starts no more threads."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())  # alone: what a handler raises finds nothing changed
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
