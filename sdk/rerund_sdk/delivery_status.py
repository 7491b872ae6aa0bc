"""How far delivery is, for programs that want to know: asked for, or told when a connection is made or breaks.

Rule: callbacks run one after the other on a thread of their own: one that takes long, or fails, holds up other
callbacks at most, and never what is logged or delivered.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from rerund_sdk import current

if TYPE_CHECKING:
    from rerund_sdk.recording import RecordingStream

logger = logging.getLogger("rerund_sdk")


class DeliveryStatus(NamedTuple):
    """How far the delivery of a recording to one daemon or server is."""

    endpoint: str
    connected: bool  # the other side answers
    undelivered_messages: int
    memory_bytes: int
    disk_bytes: int
    lost_rows: int


def status(recording: RecordingStream | None = None) -> tuple[DeliveryStatus, ...]:
    """How far delivery is to each daemon or server that the recording goes to now; none for files. Never waits."""
    found = current.get(recording)
    statuses = (getattr(sink, "status", None) for sink in (found.sinks if found is not None else ()))
    return tuple(each for each in statuses if isinstance(each, DeliveryStatus))


def on_connection_change(
    callback: Callable[[DeliveryStatus], None], *, recording: RecordingStream | None = None
) -> Callable[[], None]:
    """Have `callback` called whenever a connection of the recording is made or breaks, also one that is made later.

    It is called on a background thread with the status then, and once at the beginning for every connection that there
    is. If it raises, that is logged the first time. Returns a function that ends it. A forked child inherits it.
    """
    found = current.required(recording, "on_connection_change")
    if found is None:
        return lambda: None
    watcher = _Watcher(callback, (found.application_id, found.recording_id))
    _watchers.append(watcher)
    for each in status(found):
        _tell(watcher, each)
    return watcher.end


def changed(application_id: str, recording_id: str, status: DeliveryStatus) -> None:
    """Tell those who want to know of this recording. Never waits."""
    for watcher in list(_watchers):
        if watcher.of == (application_id, recording_id):
            _tell(watcher, status)


class _Watcher:
    def __init__(self, callback: Callable[[DeliveryStatus], None], of: tuple[str, str]) -> None:
        self.of = of
        self._callback = callback
        self._failed = False
        self._ended = False

    def end(self) -> None:
        self._ended = True
        if self in _watchers:
            _watchers.remove(self)

    def call(self, status: DeliveryStatus) -> None:
        if self._ended:
            return
        try:
            self._callback(status)
        except Exception:
            if not self._failed:
                self._failed = True
                logger.exception("a callback of on_connection_change failed; it goes on being called")


_watchers: list[_Watcher] = []
_news: SimpleQueue[tuple[_Watcher, DeliveryStatus]] = SimpleQueue()
_thread: threading.Thread | None = None
_starting = threading.Lock()


def _tell(watcher: _Watcher, status: DeliveryStatus) -> None:
    global _thread
    _news.put((watcher, status))
    with _starting:
        if _thread is None:
            thread = threading.Thread(target=_call_all, args=(_news,), name="rerund callbacks", daemon=True)
            try:
                thread.start()  # not by `background`: what a callback starts would inherit the blocked signals
            except RuntimeError:  # the interpreter is ending and starts no more threads: nobody is told any more
                return
            _thread = thread


def _call_all(news: SimpleQueue[tuple[_Watcher, DeliveryStatus]]) -> None:
    while True:
        watcher, status = news.get()
        watcher.call(status)


def _after_fork_in_child() -> None:
    """The thread is the parent's, and so is what it was to be told."""
    global _news, _thread, _starting
    _news, _thread, _starting = SimpleQueue(), None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
