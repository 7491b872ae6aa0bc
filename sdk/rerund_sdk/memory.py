"""Recordings that this process keeps in memory, or hands on as bytes, instead of sending them anywhere."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rerund_sdk import current
from rerund_sdk.errors import ModeError
from rerund_sdk.sealed_stream import sealed_stream
from rerund_sdk.sinks import BufferSink, EncodedMessage, Store

if TYPE_CHECKING:
    from rerund_sdk.recording import RecordingStream

_FOREVER = float("inf")


class _Inbox:
    """A sink that keeps messages until somebody drains it, from another thread than the one that fills it."""

    def __init__(self) -> None:
        self.messages: list[EncodedMessage] = []
        self._lock = threading.Lock()

    def open(self, store: Store) -> None:
        pass

    def send(self, messages: Sequence[EncodedMessage]) -> None:
        with self._lock:
            self.messages.extend(messages)

    def drain(self) -> list[EncodedMessage]:
        """All messages so far; they are not kept any longer."""
        with self._lock:
            drained, self.messages = self.messages, []
        return drained

    def flush(self, deadline: float) -> bool:  # noqa: ARG002 - nothing to wait for
        return True

    def sync(self, deadline: float) -> bool:  # noqa: ARG002 - nobody here knows
        return False

    def close(self) -> None:
        pass

    def after_fork(self) -> None:
        self.__init__()  # type: ignore[misc]


class _Buffer(_Inbox, BufferSink):
    """An inbox whose messages the next mode takes over."""


def memory_recording(recording: RecordingStream | None = None) -> MemoryRecording:
    """From now on keep in memory what is logged. Raises ModeError if there is no recording."""
    return MemoryRecording(_existing(recording))


def binary_stream(recording: RecordingStream | None = None) -> BinaryStream:
    """From now on hand over what is logged as bytes. Raises ModeError if there is no recording."""
    return BinaryStream(_existing(recording))


def _existing(recording: RecordingStream | None) -> RecordingStream:
    found = current.get(recording)
    if found is None:
        raise ModeError("there is no recording to read from: call rr.init(...) first, or give one")
    return found


class MemoryRecording:
    """Keeps what `recording` logs from now on in memory, and what it has logged before that went nowhere yet.

    The next mode takes over what is here then.
    """

    def __init__(self, recording: RecordingStream) -> None:
        self._recording = recording
        self._sink = _Buffer()
        self._drained = False
        recording.set_sinks(self._sink)

    def num_msgs(self) -> int:
        """How many messages wait to be drained."""
        self._recording.flush(timeout_sec=_FOREVER)
        return len(self._sink.messages) + (not self._drained)

    def drain_as_bytes(self) -> bytes:
        """Everything so far as one .rrd stream; it is not kept any longer."""
        self._recording.flush(timeout_sec=_FOREVER)
        store_info = None if self._drained else self._recording.store.store_info
        self._drained = True
        return sealed_stream(store_info, self._sink.drain())


class BinaryStream:
    """What `recording` logs, to be read as bytes, for example for a web page. Mirrors `rerun.BinaryStream`.

    What `read` returns is each time a whole .rrd stream, and all of them, one after the other, are the recording.
    It can also be given to `set_sinks`, beside others.
    """

    def __init__(self, recording: RecordingStream) -> None:
        self.sink = _Inbox()
        self._recording = recording
        self._started = False
        recording.set_sinks(self.sink)

    def read(self, *, flush: bool = True, flush_timeout_sec: float = _FOREVER) -> bytes | None:
        """What came since the last read, as one .rrd stream; None if nothing did.

        flush: first wait, at most flush_timeout_sec seconds, until everything logged before is here.
        """
        if flush:
            self.flush(flush_timeout_sec)
        messages = self.sink.drain()
        if not messages:
            return None
        store_info = None if self._started else self._recording.store.store_info
        self._started = True
        return sealed_stream(store_info, messages)

    def flush(self, timeout_sec: float = _FOREVER) -> bool:
        """Wait until everything logged before can be read; False if that takes longer than timeout_sec seconds."""
        return bool(self._recording.flush(timeout_sec=timeout_sec))
