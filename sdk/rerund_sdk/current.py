"""Which recording the module-level functions log into.

It is that of the innermost `with` block, else this thread's, else the process's. Most programs never have another than
the process's: it is `only`, and nothing else need be looked at.
Rule: `only` is set under a lock, and never again once a thread or a block has had a recording of its own.
"""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

from rerund_sdk.strictness import complain

if TYPE_CHECKING:
    from rerund_sdk.recording import RecordingStream

_entered: ContextVar[tuple[RecordingStream, ...]] = ContextVar("rerund_sdk entered recordings", default=())
_process: RecordingStream | None = None
only: RecordingStream | None = None
_may_be_only = True
_lock = threading.Lock()


class _Thread(threading.local):
    recording: RecordingStream | None = None


_thread = _Thread()


def get(recording: RecordingStream | None = None) -> RecordingStream | None:
    """`recording` if it is one, else the current one; None if there is none."""
    if recording is not None:
        return recording
    entered = _entered.get()
    if entered:
        return entered[-1]
    return _thread.recording or _process


def required(recording: RecordingStream | None, what: str) -> RecordingStream | None:
    """As `get`, and a warning, also in strict mode, that `what` has no effect if there is none."""
    found = get(recording)
    if found is None:
        complain(f"{what} has no effect: there is no current recording; call rr.init(...) first", error=None)
    return found


def get_global() -> RecordingStream | None:
    return _process


def set_global(recording: RecordingStream | None) -> RecordingStream | None:
    """Returns the one before."""
    global _process, only
    with _lock:
        before, _process = _process, recording
        only = recording if _may_be_only else None
    return before


def get_thread_local() -> RecordingStream | None:
    return _thread.recording


def set_thread_local(recording: RecordingStream | None) -> RecordingStream | None:
    """Returns the one before."""
    _look_everywhere()
    before, _thread.recording = _thread.recording, recording
    return before


def _look_everywhere() -> None:
    global only, _may_be_only
    if _may_be_only:
        with _lock:
            _may_be_only, only = False, None


def push(recording: RecordingStream) -> None:
    """Enter a `with` block of the recording."""
    _look_everywhere()
    _entered.set((*_entered.get(), recording))


def pop(recording: RecordingStream) -> None:
    """Leave its innermost `with` block."""
    entered = list(_entered.get())
    for number in reversed(range(len(entered))):
        if entered[number] is recording:
            del entered[number]
            break
    _entered.set(tuple(entered))


class KeptApart:
    """Around each step of a generator: the `with` blocks it is in are not those of whoever takes its values."""

    def __init__(self) -> None:
        self._inside = self._outside = _entered.get()

    def __enter__(self) -> None:
        self._outside = _entered.get()
        _entered.set(self._inside)

    def __exit__(self, *_: object) -> None:
        self._inside = _entered.get()
        _entered.set(self._outside)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
