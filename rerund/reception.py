"""Where producers come in: they are welcomed once their recording is ready, and forgotten when they stay silent.

Rule: a recording is opened on a thread of its own. If its log must be repaired, or its disk fails, its producers wait
for their welcome, and nobody else does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from rerund.answers import Answers
from rerund.errors import LogWriteError, RecordingRemoved
from rerund.lent_memory import LentMemory
from rerund.limits import Limits
from rerund.producers import Producer
from rerund.recording import Recording
from rerund.store import Store
from rerund_sdk import rrd, wire

log = logging.getLogger(__name__)

_GONE_SECS: Final = 5.0  # a producer pings more often than this
_FORGET_SECS: Final = 600.0  # after this long without a word; if it comes back, it is known by its chunks
_IDLE_SECS: Final = 60.0  # then the files of a recording are closed


class Newcomer(NamedTuple):
    """Who has said hello."""

    hello: wire.Hello
    memory: LentMemory | None  # that it shares with us
    is_inside: bool  # of this process


class Reception:
    """Belongs to the intake thread. `welcome` is what producers are told; the server fills it in."""

    def __init__(
        self,
        store: Store,
        answers: Answers,
        welcome: wire.Welcome,
        limits: Limits,
        *,
        written: Callable[[Recording], None],
        opened: Callable[[], None],
    ) -> None:
        """written: a store info was written. opened: called on any thread when `take_opened` has something to do."""
        self.welcome = welcome
        self.first_window: Callable[[], int] = lambda: wire.UNLIMITED  # that a newcomer is given
        self._store = store
        self._answers = answers
        self._limits = limits
        self._written = written
        self._opened_one = opened
        self._producers: dict[bytes, Producer] = {}  # by producer id
        self._connected: dict[bytes, Producer] = {}  # by ZeroMQ identity
        self._in_use: set[Recording] = set()  # made ready, files may be open
        self._waiting: dict[Recording, dict[bytes, Newcomer]] = {}  # until their recording is ready
        self._opened: deque[tuple[Recording, str]] = deque()  # by the threads that make ready; with what went wrong
        self._to_reopen: set[Recording] = set()

    def connected(self) -> list[Producer]:
        """From any thread."""
        return list(self._connected.values())

    def count(self) -> int:
        """How many are connected."""
        return len(self._connected)

    def known(self, identity: bytes, seq: int = 0) -> Producer | None:
        """Who sends from there; nobody we have met is asked for a hello."""
        producer = self._connected.get(identity)
        if producer is None or producer.recording.removed:
            reason = "this daemon has not met you: say hello first"
            self._answers.reject(identity, "unknown-producer", reason, seq)
            return None
        producer.last_heard = time.time()
        return producer

    def hello(self, identity: bytes, newcomer: Newcomer) -> None:
        """Welcome a producer now, or when its recording is ready. Those who wait may ask again."""
        hello = newcomer.hello
        is_new = hello.producer_id not in self._producers and not newcomer.is_inside  # those the edges have let in
        if is_new and (full := self._limits.refusal("producers", self._alive())):
            self._answers.send(identity, wire.Reject("not-now", full, 0))
            return
        recording = self._store.obtain(hello.application_id, hello.recording_id)
        if recording in self._in_use:
            self._greet(identity, newcomer, recording)
            return
        waiting = self._waiting.setdefault(recording, {})
        is_opening = bool(waiting)
        waiting[identity] = newcomer
        if not is_opening:
            self._open(recording)

    def _alive(self) -> int:
        """How many are connected and not gone without a word."""
        if len(self._connected) < self._limits.max_connections:
            return len(self._connected)
        now = time.time()
        return sum(now - producer.last_heard < _GONE_SECS for producer in self._connected.values())

    def goodbye(self, producer: Producer) -> None:
        self._disconnect(producer)
        self._producers.pop(producer.hello.producer_id, None)

    def _open(self, recording: Recording) -> None:
        def open_it() -> None:
            try:
                recording.prepare()
                self._opened.append((recording, ""))
            except (LogWriteError, RecordingRemoved) as error:
                self._opened.append((recording, str(error)))
            except Exception as error:  # a bug: of the others' recordings none has to suffer for it
                log.exception("recording cannot be opened: %s", recording.directory)
                self._opened.append((recording, f"the daemon failed at opening the recording: {error!r}"))
            self._opened_one()

        threading.Thread(target=open_it, name="rerund-open", daemon=True).start()

    def take_opened(self) -> None:
        """Welcome those whose recordings became ready."""
        while self._opened:
            recording, error = self._opened.popleft()
            if recording.removed:  # while it was being opened: they begin a new one of the same name
                for identity, newcomer in self._waiting.pop(recording, {}).items():
                    self.hello(identity, newcomer)
            elif error:
                self._postpone(recording, error)
            else:
                self._in_use.add(recording)
                for identity, newcomer in self._waiting.pop(recording, {}).items():
                    self._greet(identity, newcomer, recording)

    def _postpone(self, recording: Recording, error: str) -> None:
        if not recording.error:
            log.error("producers wait until the recording can be opened: %s", error)
        recording.error = error
        for identity in self._waiting.get(recording, ()):
            self._answers.send(identity, wire.Reject("not-now", error, 0))
        self._to_reopen.add(recording)

    def _greet(self, identity: bytes, newcomer: Newcomer, recording: Recording) -> None:
        """Welcome a producer, once its store info is in the log."""
        hello, memory, is_inside = newcomer
        entry = wire.IndexEntry(rrd.Kind.STORE_INFO, len(hello.store_info), b"", "", 0, False, ())
        if recording.is_new(entry, [hello.store_info]):
            try:
                recording.append([hello.store_info], [entry], entry.size)
            except LogWriteError as error:
                self._in_use.discard(recording)
                self._waiting.setdefault(recording, {})[identity] = newcomer
                self._postpone(recording, str(error))
                return
            self._written(recording)
        producer = self._producers.get(hello.producer_id)
        if producer is None or producer.recording is not recording:
            producer = self._producers[hello.producer_id] = Producer(hello, recording, time.time())
        self._connect(producer, identity)
        producer.memory = memory
        producer.is_inside = is_inside
        welcome = self.welcome._replace(
            written_seq=producer.written_seq, window=self.first_window(), shares_memory=memory is not None
        )
        self._answers.send(identity, welcome)

    def _connect(self, producer: Producer, identity: bytes) -> None:
        self._disconnect(producer)
        producer.identity = identity
        producer.refusing = False
        producer.last_heard = time.time()
        self._connected[identity] = producer
        producer.recording.producers += 1

    def _disconnect(self, producer: Producer) -> None:
        if self._connected.get(producer.identity) is producer:
            del self._connected[producer.identity]
            self._count_producers()

    def _count_producers(self) -> None:
        now = time.time()
        counts = dict.fromkeys(self._in_use, 0)
        for producer in self._connected.values():
            if now - producer.last_heard < _GONE_SECS:
                counts[producer.recording] = counts.get(producer.recording, 0) + 1
        for recording, count in counts.items():
            recording.producers = count

    def keep_house(self, is_unsynced: Callable[[Recording], bool]) -> None:
        """Now and then: forget who is gone, close what nobody uses, try again what could not be opened."""
        now = time.time()
        for producer in self.connected():
            if producer.memory is not None and producer.memory.owner_is_gone:
                producer.memory = None
            if producer.recording.removed or now - producer.last_heard > _FORGET_SECS:
                self.goodbye(producer)
        self._count_producers()
        used = {producer.recording for producer in self._connected.values()}
        for recording in list(self._in_use):
            is_idle = recording not in used and now - recording.last_write > _IDLE_SECS and not is_unsynced(recording)
            if is_idle or recording.removed:
                recording.release()
                self._in_use.discard(recording)
        to_reopen, self._to_reopen = self._to_reopen, set()
        for recording in to_reopen:
            self._open(recording)

    def in_use(self) -> Iterable[Recording]:
        return self._in_use
