"""The ingest thread: takes what producers send, appends it to logs, acknowledges, wakes readers; waits for no reader.

One ZeroMQ ROUTER and a plain poll loop. Each pass takes all that is ready, within bounds, and makes one write per
recording of it. Producers are told of a write only after it is done, and readers too.
Rule 1: this thread alone writes to logs and indexes.
Rule 2: what one peer sends wrong is told to that peer, counted, and harms nobody else.
Rule 3: an append that cannot be written is refused whole, and so are those after it until it comes again, so that a
producer's order holds.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgpack
import zmq

from rerund import listening
from rerund.errors import LogWriteError, RecordingRemoved
from rerund.log import Buffers
from rerund.notify import notify
from rerund.producers import Producer, ProducerInfo
from rerund.recording import Recording
from rerund.store import Store
from rerund.sync import Commit, GroupCommit
from rerund_sdk import rrd, wire
from rerund_sdk.errors import BadWireMessage, WrongVersion

log = logging.getLogger(__name__)

_PASS_BYTES: Final = 16 << 20
_PASS_MESSAGES: Final = 2048
_COPIED_BYTES: Final = 8 << 10  # a frame up to this size is cheaper copied than wrapped
_HOUSEKEEPING_SECS: Final = 2.0
_GONE_SECS: Final = 5.0  # a producer pings more often than this
_IDLE_SECS: Final = 60.0  # then the files of a recording are closed
_FORGET_SECS: Final = 600.0  # after this long without a word; it may still come back, and is then known by its chunks


class Counters:
    """What the intake has taken and refused since the start."""

    def __init__(self) -> None:
        self.messages = 0
        self.rows = 0
        self.bytes = 0
        self.repeated = 0  # messages that were sent again and are in the log once
        self.rejected = 0  # wire messages refused for what they are
        self.refused_writes = 0  # appends refused because the disk did not take them
        self.lost_rows = 0  # as producers declared them


class Batch:
    """What one pass brings for one recording."""

    def __init__(self) -> None:
        self.buffers: list[bytes | memoryview] = []
        self.entries: list[wire.IndexEntry] = []
        self.size = 0
        self.appends: dict[Producer, list[wire.Append]] = {}


class Intake:
    """Owns the ROUTER and its thread. `start`, `stop`, `producers` and the counters are for other threads."""

    def __init__(
        self,
        store: Store,
        context: zmq.Context[Any],
        welcome: wire.Welcome,
        sync_secs: float | None,
        on_failure: Callable[[], None],
    ) -> None:
        """sync_secs: longest that data waits to be forced to the disk; None: it is not.

        on_failure: called on the intake's thread if it ends by itself; `failure` says why.
        """
        self._on_failure = on_failure
        self.counters = Counters()
        self.welcome = welcome  # the server fills in what it knows only once the edges are up
        self._store = store
        self._context = context
        self._sync_secs = sync_secs
        self._router: zmq.Socket[bytes] = context.socket(zmq.ROUTER)
        self._producers: dict[bytes, Producer] = {}  # by producer id
        self._connected: dict[bytes, Producer] = {}  # by ZeroMQ identity
        self._batches: dict[Recording, Batch] = {}
        self._to_ack: set[Producer] = set()
        self._in_use: set[Recording] = set()  # made ready, files may be open
        self._waiting: dict[Recording, dict[bytes, wire.Hello]] = {}  # until their recording is ready
        self._opened: deque[tuple[Recording, str]] = deque()  # by the threads that make ready; with what went wrong
        self._to_reopen: set[Recording] = set()
        self._unindexed: set[Recording] = set()
        self._unsynced: set[Recording] = set()
        self._synced: deque[list[Commit]] = deque()
        self._syncing = False
        self._next_sync = 0.0
        self._next_housekeeping = 0.0
        self._commits = GroupCommit(self._on_synced)
        self._stopping = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="rerund-intake")
        self.failure: BaseException | None = None  # what ended the thread, if it was not `stop`

    def bind(self, endpoints: Sequence[str], max_message_bytes: int) -> list[str]:
        """Listen at `endpoints`; they come back with the ports that were chosen. Raises RerundError."""
        listening.prepare(self._router, max_message_bytes)
        return [listening.bind(self._router, endpoint) for endpoint in endpoints]

    def start(self) -> None:
        self._commits.start()
        self._thread.start()

    def stop(self) -> None:
        """Take what has arrived, write and sync it, acknowledge it, end."""
        if not self._thread.ident:  # it never began
            self._router.close(linger=0)
            os.close(self._bell)
            return
        self._stopping = True
        self._ring()
        self._thread.join()

    def producers(self) -> list[ProducerInfo]:
        """Those that are connected."""
        now = time.time()
        return [producer.info(now) for producer in list(self._connected.values())]

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        try:
            self._serve()
            self._drain()
        except BaseException as error:
            self.failure = error
            log.critical("the intake stopped", exc_info=error)
            self._on_failure()
        finally:
            self._router.close(linger=500)
            os.close(self._bell)

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._bell, zmq.POLLIN)
        while not self._stopping:
            for source, _ in poller.poll(self._patience_ms()):
                if source == self._bell:
                    os.eventfd_read(self._bell)
            self._pass()

    def _drain(self) -> None:
        while self._pass():
            pass
        if self._sync_secs is not None and self._unsynced:
            self._sync()
        self._commits.stop()
        self._take_synced()
        for recording in self._in_use:
            recording.release()

    def _pass(self) -> bool:
        """Everything once; whether there may be more."""
        more = self._take()
        self._take_opened()
        self._write()
        self._take_synced()
        self._acknowledge()
        self._index()
        now = time.monotonic()
        if self._unsynced and now >= self._next_sync and not self._syncing:
            if self._sync_secs is None:
                self._unsynced.clear()
            else:
                self._sync()
                self._next_sync = now + self._sync_secs
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + _HOUSEKEEPING_SECS
            self._keep_house()
        return more

    def _patience_ms(self) -> int:
        now = time.monotonic()
        until = self._next_housekeeping
        if self._unsynced and not self._syncing:
            until = min(until, self._next_sync)
        return max(0, int((until - now) * 1000) + 1) if until > now else 0

    # taking

    def _take(self) -> bool:
        """Receive what is ready and sort it by recording; whether a bound of the pass was met."""
        receive = self._router.recv
        size = 0
        for _ in range(_PASS_MESSAGES):
            try:
                part = receive(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return False
            identity = part.bytes
            frames: list[bytes | memoryview] = []
            while part.more:
                part = receive(copy=False)
                frames.append(part.bytes if len(part) <= _COPIED_BYTES else part.buffer)
                size += len(frames[-1])
            self._handle(identity, frames)
            if size >= _PASS_BYTES:
                break
        return True

    def _handle(self, identity: bytes, frames: Sequence[bytes | memoryview]) -> None:
        try:
            message = wire.decode(frames)
        except WrongVersion as error:
            self._reject(identity, "version", str(error))
        except BadWireMessage as error:
            self._skip(identity, _seq_of(frames), str(error))
        else:
            if isinstance(message, wire.Append):
                self._on_append(identity, message)
            elif isinstance(message, wire.Hello):
                self._on_hello(identity, message)
            elif isinstance(message, wire.Ping):
                self._on_ping(identity)
            elif isinstance(message, wire.Goodbye):
                self._on_goodbye(identity, message)
            else:
                name = type(message).__name__.lower()
                self._reject(identity, "bad-message", f"{name} is nothing to send to where data goes in")

    def _on_append(self, identity: bytes, append: wire.Append) -> None:
        producer = self._known(identity, append.seq)
        if producer is None or not self._is_next(producer, append.seq):
            return
        largest = max(entry.size for entry in append.entries)
        if largest > self.welcome.max_message_bytes:
            limit = f"over the daemon's max_message_bytes = {self.welcome.max_message_bytes}"
            self._skip(identity, append.seq, f"an .rrd message has {largest} bytes, {limit}: raise the option")
            return
        batch = self._batches.setdefault(producer.recording, Batch())
        self._add_new(producer.recording, batch, append)
        batch.appends.setdefault(producer, []).append(append)
        producer.taken_seq = append.seq

    def _is_next(self, producer: Producer, seq: int) -> bool:
        """Whether it is this append's turn. One from before was sent again; one after a refused one comes again."""
        taken = producer.taken_seq
        if taken is None or seq == taken + 1:
            producer.refusing = False
            return True
        if seq <= taken:
            self._to_ack.add(producer)
        elif not producer.refusing:
            self._refuse(producer, taken + 1, f"append {seq} came before {taken + 1}: send all from that one on again")
        return False

    def _add_new(self, recording: Recording, batch: Batch, append: wire.Append) -> None:
        """Put into `batch` what of `append` the log lacks."""
        fresh = [entry.kind == rrd.Kind.ARROW and recording.is_new_chunk(entry.chunk_id) for entry in append.entries]
        if all(fresh):
            batch.buffers += append.data
            batch.entries += append.entries
            batch.size += sum(entry.size for entry in append.entries)
            return
        for entry, message, is_new in zip(append.entries, _messages(append), fresh, strict=True):
            if is_new or (entry.kind != rrd.Kind.ARROW and recording.is_new(entry, message)):
                batch.buffers += message
                batch.entries.append(entry)
                batch.size += entry.size
            else:
                self.counters.repeated += 1

    def _known(self, identity: bytes, seq: int = 0) -> Producer | None:
        producer = self._connected.get(identity)
        if producer is None or producer.recording.removed:
            self._reject(identity, "unknown-producer", "this daemon has not met you: say hello first", seq)
            return None
        producer.last_heard = time.time()
        return producer

    def _on_ping(self, identity: bytes) -> None:
        producer = self._known(identity)
        if producer is not None:
            self._to_ack.add(producer)
            if producer.refusing and producer.taken_seq is not None:
                self._refuse(producer, producer.taken_seq + 1, "send this append and all after it again")

    def _on_goodbye(self, identity: bytes, goodbye: wire.Goodbye) -> None:
        producer = self._known(identity)
        if producer is None:
            return
        producer.lost_rows = sum(loss.rows for loss in goodbye.losses)
        self.counters.lost_rows += producer.lost_rows
        if goodbye.losses:
            log.error(
                "%s (pid %d) lost %d rows of recording %s (entities: %d): %s",
                producer.hello.name,
                producer.hello.pid,
                producer.lost_rows,
                producer.recording.name,
                len({loss.entity_path for loss in goodbye.losses}),
                ", ".join({loss.cause: None for loss in goodbye.losses}),
            )
        self._to_ack.add(producer)
        self._disconnect(producer)
        del self._producers[producer.hello.producer_id]

    # meeting producers

    def _on_hello(self, identity: bytes, hello: wire.Hello) -> None:
        recording = self._store.obtain(hello.application_id, hello.recording_id)
        if recording in self._in_use:
            self._greet(identity, hello, recording)
            return
        waiting = self._waiting.setdefault(recording, {})
        waiting[identity] = hello
        if len(waiting) == 1:
            self._open(recording)

    def _open(self, recording: Recording) -> None:
        """Make a recording ready on a thread of its own: if its log must be repaired, others go on meanwhile."""

        def open_it() -> None:
            try:
                recording.prepare()
                self._opened.append((recording, ""))
            except (LogWriteError, RecordingRemoved) as error:
                self._opened.append((recording, str(error)))
            self._ring()

        threading.Thread(target=open_it, name="rerund-open", daemon=True).start()

    def _take_opened(self) -> None:
        while self._opened:
            recording, error = self._opened.popleft()
            if recording.removed:  # while it was being opened: they begin a new one of the same name
                for identity, hello in self._waiting.pop(recording, {}).items():
                    self._on_hello(identity, hello)
            elif error:
                self._postpone(recording, error)
            else:
                self._in_use.add(recording)
                for identity, hello in self._waiting.pop(recording, {}).items():
                    self._greet(identity, hello, recording)

    def _postpone(self, recording: Recording, error: str) -> None:
        if not recording.error:
            log.error("recording cannot be opened: %s", error)
        recording.error = error
        for identity in self._waiting.get(recording, ()):
            self._reject(identity, "not-now", error)
        self._to_reopen.add(recording)

    def _greet(self, identity: bytes, hello: wire.Hello, recording: Recording) -> None:
        """Welcome a producer, once its store info is in the log."""
        entry = wire.IndexEntry(rrd.Kind.STORE_INFO, len(hello.store_info), b"", "", 0, False, ())
        if recording.is_new(entry, [hello.store_info]):
            try:
                recording.append([hello.store_info], [entry], entry.size)
            except LogWriteError as error:
                self._in_use.discard(recording)
                self._waiting.setdefault(recording, {})[identity] = hello
                self._postpone(recording, str(error))
                return
            self._written(recording)
        producer = self._producers.get(hello.producer_id)
        if producer is None or producer.recording is not recording:
            producer = self._producers[hello.producer_id] = Producer(hello, recording, time.time())
        self._connect(producer, identity)
        self._send(identity, self.welcome._replace(written_seq=producer.written_seq))

    def _connect(self, producer: Producer, identity: bytes) -> None:
        self._disconnect(producer)
        producer.identity = identity
        producer.refusing = False
        producer.last_heard = time.time()
        self._connected[identity] = producer
        self._count_producers()

    def _disconnect(self, producer: Producer) -> None:
        if self._connected.get(producer.identity) is producer:
            del self._connected[producer.identity]
            self._count_producers()

    def _count_producers(self) -> None:
        now = time.time()
        for recording in self._in_use:
            recording.producers = 0
        for producer in self._connected.values():
            producer.recording.producers += now - producer.last_heard < _GONE_SECS

    # writing

    def _write(self) -> None:
        """One write for each recording."""
        for recording, batch in self._batches.items():
            try:
                if batch.entries:
                    recording.append(batch.buffers, batch.entries, batch.size)
                    self._written(recording)
            except LogWriteError as error:
                self.counters.refused_writes += 1
                for producer, appends in batch.appends.items():
                    producer.taken_seq = appends[0].seq - 1
                    self._refuse(producer, appends[0].seq, str(error))
                continue
            for producer, appends in batch.appends.items():
                self._account(producer, appends)
        self._batches.clear()

    def _written(self, recording: Recording) -> None:
        recording.publish()
        self._unindexed.add(recording)
        self._unsynced.add(recording)
        if not recording.active_since_start:
            self._store.mark_active(recording)

    def _account(self, producer: Producer, appends: list[wire.Append]) -> None:
        messages = rows = size = 0
        for append in appends:
            messages += len(append.entries)
            for entry in append.entries:
                rows += entry.rows
                size += entry.size
        for figures in (producer, self.counters):
            figures.messages += messages
            figures.rows += rows
            figures.bytes += size
        self._to_ack.add(producer)

    def _acknowledge(self) -> None:
        for producer in self._to_ack:
            if producer.taken_seq is not None:
                producer.written_seq = producer.taken_seq
            self._send(producer.identity, wire.Ack(producer.written_seq, producer.synced_seq))
        self._to_ack.clear()

    def _index(self) -> None:
        for recording in self._unindexed:
            recording.write_index()
        self._unindexed.clear()

    # syncing

    def _sync(self) -> None:
        """Hand what is written since the last time to the sync thread."""
        commits = []
        for recording in self._unsynced:
            if recording.removed:
                continue
            try:
                fds = recording.log.take_unsynced()
            except OSError as error:
                log.error("data cannot be synced (%s): %s", error.strerror, recording.directory)
                continue
            commits.append(Commit(recording, fds, {}))
        by_recording = {commit.recording: commit.written for commit in commits}
        for producer in self._connected.values():
            if producer.recording in by_recording:
                by_recording[producer.recording][producer.hello.producer_id] = producer.written_seq
        self._unsynced.clear()
        self._syncing = True
        self._commits.submit(commits)

    def _on_synced(self, commits: list[Commit]) -> None:
        """On the sync thread."""
        self._synced.append(commits)
        self._ring()

    def _take_synced(self) -> None:
        while self._synced:
            self._syncing = False
            for commit in self._synced.popleft():
                for producer_id, seq in commit.written.items():
                    producer = self._producers.get(producer_id)
                    if producer is not None and seq > producer.synced_seq:
                        producer.synced_seq = seq
                        self._to_ack.add(producer)

    # answering

    def _send(self, identity: bytes, message: wire.Message) -> None:
        """To a peer that may be gone or not listening: then it is dropped. Never waits."""
        try:
            self._router.send_multipart([identity, *wire.encode(message)], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            log.debug("%s was not sent: %s", type(message).__name__, error)

    def _refuse(self, producer: Producer, seq: int, reason: str) -> None:
        producer.refusing = True
        self._send(producer.identity, wire.Reject("not-now", reason, seq))

    def _reject(self, identity: bytes, code: str, reason: str, seq: int = 0) -> None:
        self.counters.rejected += 1
        self._send(identity, wire.Reject(code, reason, seq))

    def _skip(self, identity: bytes, seq: int, reason: str) -> None:
        """Reject an append that will never be good; if it was its producer's turn, the next one's comes."""
        self._reject(identity, "bad-message", reason, seq)
        producer = self._connected.get(identity)
        if producer is not None and seq and self._is_next(producer, seq):
            producer.taken_seq = seq
            self._to_ack.add(producer)

    # now and then

    def _keep_house(self) -> None:
        if "WATCHDOG_USEC" in os.environ:
            notify("WATCHDOG=1")  # from here, as this is what must not stand still
        self._count_producers()
        now = time.time()
        for producer in list(self._connected.values()):
            if producer.recording.removed or now - producer.last_heard > _FORGET_SECS:
                self._disconnect(producer)
                self._producers.pop(producer.hello.producer_id, None)
        for recording in list(self._in_use):
            if recording.removed or self._is_idle(recording, now):
                recording.release()
                self._in_use.discard(recording)
        to_reopen, self._to_reopen = self._to_reopen, set()
        for recording in to_reopen:
            self._open(recording)

    def _is_idle(self, recording: Recording, now: float) -> bool:
        return (
            recording not in self._unsynced
            and now - recording.last_write > _IDLE_SECS
            and not any(producer.recording is recording for producer in self._connected.values())
        )


def _seq_of(frames: Sequence[bytes | memoryview]) -> int:
    """The number of an append that is otherwise no good; 0 if not even that can be read."""
    try:
        seq = msgpack.unpackb(frames[0])["seq"]
    except Exception:  # of many kinds, and it was told already what is wrong
        return 0
    return seq if type(seq) is int and 0 < seq < 2**63 else 0


def _messages(append: wire.Append) -> list[Buffers]:
    """The buffers of each of an append's messages."""
    messages: list[Buffers] = []
    frames = iter(append.data)
    rest: bytes | memoryview = b""
    for entry in append.entries:
        parts: list[bytes | memoryview] = []
        left = entry.size
        while left:
            rest = rest or next(frames)
            part = memoryview(rest)[:left]
            parts.append(part)
            left -= len(part)
            rest = memoryview(rest)[len(part) :]
        messages.append(parts)
    return messages
