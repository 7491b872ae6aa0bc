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
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgpack
import zmq

from rerund import listening
from rerund.answers import Answers, Counters
from rerund.credits import Credits
from rerund.errors import LogWriteError
from rerund.guard import Guard
from rerund.lent_memory import Lenders, is_from_inside
from rerund.limits import Limits
from rerund.loss_entries import LossEntries
from rerund.memory import Memory
from rerund.notify import notify
from rerund.producers import Producer, ProducerInfo
from rerund.reception import Newcomer, Reception
from rerund.recording import Recording
from rerund.store import Store
from rerund.sync import GroupCommit
from rerund.wakeup import Wakeup
from rerund_sdk import rrd, wire
from rerund_sdk.errors import BadWireMessage, WrongVersion
from rerund_sdk.whole_writes import Buffers

log = logging.getLogger(__name__)

_PASS_BYTES: Final = 16 << 20
_PASS_MESSAGES: Final = 2048
_COPIED_BYTES: Final = 8 << 10  # a frame up to this size is cheaper copied than wrapped
_HOUSEKEEPING_SECS: Final = 2.0
_ACK_SECS: Final = 0.02  # an ack wakes its producer: unless it asks, it gets one for all that came in such a time...
_UNACKED_BYTES: Final = 1 << 20  # ...or for so much, or half of what it may have on its way: it needs the room
_UNACKED_APPENDS: Final = 32
_DRAIN_SECS: Final = 2.0  # at the end, for what arrives faster than it is written


class Batch:
    """What one pass brings for one recording."""

    def __init__(self) -> None:
        self.buffers: list[bytes | memoryview] = []
        self.entries: list[wire.IndexEntry] = []
        self.size = 0
        self.appends: dict[Producer, list[wire.Append]] = {}


class Intake:
    """Owns the ROUTER and its thread. What has no underscore is for other threads."""

    def __init__(
        self,
        store: Store,
        context: zmq.Context[Any],
        welcome: wire.Welcome,
        sync_secs: float | None,
        on_failure: Callable[[], None],
        guard: Guard,
        limits: Limits,
        memory: Memory,
    ) -> None:
        """sync_secs: longest that data waits to be forced to the disk; None: it is not.

        on_failure: called on the intake's thread if it ends by itself; `failure` says why.
        """
        self.counters = Counters()
        self.failure: BaseException | None = None
        self._on_failure = on_failure
        self._store = store
        self._router: zmq.Socket[bytes] = context.socket(zmq.ROUTER)
        self._door = guard.door(self._router)
        self._wakeup = Wakeup()
        self._answers = Answers(self._router, self.counters)
        self._commits = GroupCommit(sync_secs, self._wakeup.ring)
        self._reception = Reception(
            store, self._answers, welcome, limits, written=self._written, opened=self._wakeup.ring
        )
        self._lenders = Lenders()
        self._pass_bytes = 0  # taken in this pass
        self._credits = Credits(memory, self._reception.count)
        self._reception.first_window = self._credits.first_window
        self._losses = LossEntries(self.counters, self._written)
        self._batches: dict[Recording, Batch] = {}
        self._to_ack: set[Producer] = set()
        self._ack_later: set[Producer] = set()
        self._ack_later_at = float("inf")  # when, of time.monotonic()
        self._unindexed: set[Recording] = set()
        self._next_housekeeping = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="rerund-intake")

    def bind(self, endpoints: Sequence[str], max_message_bytes: int) -> list[str]:
        """Listen at `endpoints`; they come back with the ports that were chosen. Raises RerundError."""
        listening.prepare(self._router, max_message_bytes)
        return listening.bind(self._router, endpoints, self._door)

    def start(self, welcome: wire.Welcome) -> None:
        """Begin to take data. `welcome`: what producers are told of the daemon."""
        self._reception.welcome = welcome
        self._commits.start()
        self._thread.start()

    def stop(self) -> None:
        """Take what has arrived, write and sync it, acknowledge it, end. Idempotent."""
        if self._thread.ident:
            self._stopping = True
            self._wakeup.ring()
            self._thread.join()
        elif not self._router.closed:  # it never began
            self._close()

    def producers(self) -> list[ProducerInfo]:
        """Those that are connected."""
        now = time.time()
        return [producer.info(now) for producer in self._reception.connected()]

    # the thread

    def _run(self) -> None:
        try:
            self._serve()
            self._drain()
        except BaseException as error:
            self.failure = error
            log.critical("the intake stopped", exc_info=error)
            self._on_failure()
        finally:
            self._close()

    def _close(self) -> None:
        self._router.close(linger=500)
        self._wakeup.close()

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._wakeup.fileno(), zmq.POLLIN)
        while not self._stopping:
            poller.poll(self._patience_ms())
            self._wakeup.hear()
            self._pass()

    def _patience_ms(self) -> int:
        secs = min(self._next_housekeeping, self._commits.due(), self._ack_later_at) - time.monotonic()
        return int(secs * 1000) + 1 if secs > 0 else 0

    def _pass(self) -> bool:
        """Everything once; whether there may be more."""
        more = self._take()
        self._reception.take_opened()
        self._write()
        self._index()  # before the acks: who has one finds what it is for
        self._note_synced()
        self._to_ack.update(self._credits.changed(self._reception.connected))
        self._acknowledge()
        now = time.monotonic()
        self._commits.hand_over_if_due(now, self._reception.connected())
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + _HOUSEKEEPING_SECS
            self._keep_house()
        return more

    def _drain(self) -> None:
        until = time.monotonic() + _DRAIN_SECS
        while self._pass() and time.monotonic() < until:
            pass
        self._commits.stop(self._reception.connected())
        self._note_synced()
        self._acknowledge(all_of_them=True)
        for recording in self._reception.in_use():
            recording.release()

    def _keep_house(self) -> None:
        if "WATCHDOG_USEC" in os.environ:
            notify("WATCHDOG=1")  # from here, as this is what must not stand still
        self._door.check()
        self._reception.keep_house(self._commits.is_noted)
        self._losses.retry()

    # taking

    def _take(self) -> bool:
        """Receive what is ready and sort it by recording; whether a bound of the pass was met."""
        receive = self._router.recv
        self._pass_bytes = 0
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
                self._pass_bytes += len(frames[-1])
            self._handle(identity, frames, part)
            if self._pass_bytes >= _PASS_BYTES:
                break
        return True

    def _handle(self, identity: bytes, frames: Sequence[bytes | memoryview], last: zmq.Frame) -> None:
        """last: the last of the frames as it was received, which knows whom it is from."""
        try:
            message = wire.decode(frames)
        except WrongVersion as error:
            self._answers.reject(identity, "version", str(error))
        except BadWireMessage as error:
            self._skip(identity, _seq_of(frames), str(error))
        else:
            if isinstance(message, wire.Append):
                self._on_append(identity, message)
            elif isinstance(message, wire.Hello):
                memory = self._lenders.memory_of(last, message.memory)
                self._reception.hello(identity, Newcomer(message, memory, is_from_inside(last)))
            elif isinstance(message, wire.Ping):
                self._on_ping(identity, message)
            elif isinstance(message, wire.Goodbye):
                self._on_goodbye(identity, message)
            else:
                name = type(message).__name__.lower()
                self._answers.reject(identity, "bad-message", f"{name} is nothing to send to where data goes in")

    def _on_append(self, identity: bytes, append: wire.Append) -> None:
        producer = self._reception.known(identity, append.seq)
        if producer is None:
            return
        producer.hear_of(append)
        if not self._is_next(producer, append.seq):
            return
        if append.lent:
            if producer.memory is None:
                reason = f"append {append.seq} lends frames of a memory that the daemon does not see: say hello again"
                self._answers.reject(identity, "unknown-producer", reason, append.seq)
                return
            self._pass_bytes += sum(lent.size for lent in append.lent)
            try:
                append = wire.completed(append, producer.memory.borrow)
            except BadWireMessage as error:
                self._skip(identity, append.seq, str(error))
                return
        largest, limit = max(entry.size for entry in append.entries), self._reception.welcome.max_message_bytes
        if largest > limit:
            over = f"over the daemon's max_message_bytes = {limit}: raise the option"
            self._skip(identity, append.seq, f"an .rrd message has {largest} bytes, {over}")
            return
        batch = self._batches.setdefault(producer.recording, Batch())
        self._add_new(producer.recording, batch, append)
        batch.appends.setdefault(producer, []).append(append)
        self._credits.took(producer, append)
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
            reason = f"append {seq} came before {taken + 1}: send all from that one on again"
            self._answers.refuse(producer, taken + 1, reason)
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

    def _on_ping(self, identity: bytes, ping: wire.Ping) -> None:
        producer = self._reception.known(identity)
        if producer is not None:
            self._losses.declare(producer, ping.losses, ping.losses_id)
            self._credits.want(producer, ping.wants)
            self._to_ack.add(producer)
            if producer.refusing and producer.taken_seq is not None:
                self._answers.refuse(producer, producer.taken_seq + 1, "send this append and all after it again")

    def _on_goodbye(self, identity: bytes, goodbye: wire.Goodbye) -> None:
        producer = self._reception.known(identity)
        if producer is None:
            return
        self._losses.declare(producer, goodbye.losses, goodbye.losses_id)
        self._to_ack.add(producer)
        self._reception.goodbye(producer)

    def _skip(self, identity: bytes, seq: int, reason: str) -> None:
        """Reject an append that will never be good; if it was its producer's turn, the next one's comes."""
        self._answers.reject(identity, "bad-message", reason, seq)
        producer = self._reception.known(identity) if seq else None
        if producer is not None and self._is_next(producer, seq):
            producer.taken_seq = seq
            self._to_ack.add(producer)

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
                    self._answers.refuse(producer, appends[0].seq, str(error))
                continue
            for producer, appends in batch.appends.items():
                self._account(producer, appends)
        self._batches.clear()
        self._lenders.look_away_if_much()
        self._to_ack |= self._losses.write()

    def _written(self, recording: Recording) -> None:
        recording.publish()
        self._unindexed.add(recording)
        self._commits.note(recording)
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
        producer.written_seq = appends[-1].seq  # before its ack leaves: a sync may be handed over first
        producer.unacked_bytes += size
        producer.unacked_appends += len(appends)
        much = min(_UNACKED_BYTES, self._credits.window(producer) // 2)
        if producer.unacked_bytes >= much or producer.unacked_appends >= _UNACKED_APPENDS:
            self._to_ack.add(producer)
        elif producer not in self._to_ack:
            self._ack_later.add(producer)
            self._ack_later_at = min(self._ack_later_at, time.monotonic() + _ACK_SECS)

    def _note_synced(self) -> None:
        for producer, seq in self._commits.synced():
            if seq > producer.synced_seq:
                producer.synced_seq = seq
                self._to_ack.add(producer)

    def _acknowledge(self, *, all_of_them: bool = False) -> None:
        if all_of_them or time.monotonic() >= self._ack_later_at:
            self._to_ack |= self._ack_later
            self._ack_later.clear()
            self._ack_later_at = float("inf")
        for producer in self._to_ack:
            producer.unacked_bytes = producer.unacked_appends = 0
            if producer.taken_seq is not None:
                producer.written_seq = producer.taken_seq
            window = self._credits.window(producer)
            ack = wire.Ack(producer.written_seq, producer.synced_seq, producer.losses_id, window)
            self._answers.send(producer.identity, ack)
        self._to_ack.clear()

    def _index(self) -> None:
        for recording in self._unindexed:
            recording.write_index()
        self._unindexed.clear()


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
