"""What a producer has not yet delivered: in memory up to a bound, then on disk up to a bound, then a policy decides.

A message waits in one of three queues: static data, small rows, and bulk (images, clouds, meshes). The first go first,
but every append takes something of each, so none starves another; rows of one entity keep their order. Room is made at
the cost of the least urgent queue: an image never displaces a text.

Form: a queue is `head` (leaves next), then what is on disk, then `writing`, then `tail` (waits to be written). While
something is behind the head, new messages go to the tail. `spiller.py` alone moves messages between memory and disk.
Rule 1: `put` waits for nothing but a lock that nobody holds during I/O, unless the memory is full: then at most
PATIENCE_SECS while the disk may still make room, or as long as the policy "block" was told to.
Rule 2: an append keeps its content until it is acked; the policy never drops it. The daemon takes appends without gap,
so a seq that was given is sent. One that a daemon refused is a gap for the next daemon: `close_gaps`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Literal, NamedTuple

from rerund_sdk.losses import LossCounter, LossReport
from rerund_sdk.rrd import Kind
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.spill import Queued
from rerund_sdk.wire import UNLIMITED, IndexEntry, Loss

logger = logging.getLogger("rerund_sdk")

MIB: Final = 1024 * 1024
BULK_ROW_BYTES: Final = 8 * 1024  # rows larger than this are bulk
MESSAGE_OVERHEAD: Final = 512  # bytes that a waiting message takes in memory beside its own, about
PATIENCE_SECS: Final = 2.0
PACE_SECS: Final = 0.05  # how long who sends waits for a daemon that is at work...
PACE_BYTES: Final = 4 * MIB  # ...once so much is undelivered: more would only leave the processor's cache
IMPATIENT_SECS: Final = 5.0  # how long nobody waits for the disk any more after it was waited for in vain
WINDOW_BYTES: Final = 16 * MIB  # sent and not yet acked: keeps a socket busy while acks travel; less if memory is small
WINDOW_APPENDS: Final = 256
APPEND_BYTES: Final = 1 * MIB  # small messages travel together up to this, a larger one alone
APPEND_MESSAGES: Final = 512


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How much is kept while the daemon is away or slow, and what happens beyond that.

    memory_bytes, spill_bytes: kept in memory, and then in the state directory (0: nothing there).
    when_full: "drop-oldest", "drop-newest", or "block": wait up to block_secs for room, then drop the newest. It is
    the thread that encodes which waits; `log` itself never does. What is dropped is counted and told to the daemon.
    shared_bytes: memory that this process shares with the daemon of its machine, for large arrays (0: none; it is made
    once a process, for the first sink or, with the default size, for the first large array).
    """

    memory_bytes: int = 64 * MIB
    spill_bytes: int = 2048 * MIB
    when_full: Literal["drop-oldest", "drop-newest", "block"] = "drop-oldest"
    block_secs: float = 1.0
    shared_bytes: int = 64 * MIB


class InFlight(NamedTuple):
    """An append that is being sent and not yet acked."""

    seq: int
    batch: tuple[Queued, ...]
    cost: int  # bytes of memory


class Queue:
    """The messages of one class."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.head: deque[Queued] = deque()
        self.head_bytes = 0
        self.on_disk = 0  # messages
        self.first_on_disk = 0  # number of the oldest of them
        self.writing: list[Queued] = []
        self.tail: deque[Queued] = deque()

    def __len__(self) -> int:
        return len(self.head) + self.on_disk + len(self.writing) + len(self.tail)

    @property
    def is_behind(self) -> bool:
        """New messages must not go to the head."""
        return bool(self.on_disk or self.writing or self.tail)

    def push_head(self, queued: Queued) -> None:
        self.head.append(queued)
        self.head_bytes += queued.message.entry.size

    def pop_head(self) -> Queued:
        queued = self.head.popleft()
        self.head_bytes -= queued.message.entry.size
        return queued

    def pop_oldest_in_memory(self) -> Queued | None:
        if self.head:
            return self.pop_head()
        return self.tail.popleft() if self.tail else None

    def advance(self) -> None:
        """Spare the tail the way over the disk, if nothing is there before it."""
        while self.tail and not self.on_disk and not self.writing and self.head_bytes < APPEND_BYTES:
            self.push_head(self.tail.popleft())

    def lowest_number(self) -> float:
        if self.head:
            return self.head[0].number
        if self.on_disk:
            return self.first_on_disk
        waiting = self.writing or self.tail
        return waiting[0].number if waiting else float("inf")


class Outbox:
    """All that one producer has to deliver. Every method is for any thread."""

    def __init__(self, limits: Delivery) -> None:
        self.limits = limits
        self.changed = threading.Condition()  # guards all state
        self.static, self.small, self.bulk = Queue("1"), Queue("2"), Queue("3")
        self.queues = (self.static, self.small, self.bulk)  # most urgent first
        self.singly: deque[Queued] = deque()  # of appends that were refused: to be sent one by one
        self.in_flight: deque[InFlight] = deque()
        self.memory = 0  # bytes
        self.disk = 0  # bytes, as they would be in memory
        self.disk_takes_more = False  # set by the spiller while it can write
        self.wants_back = False  # somebody sends, so the spiller should read back; it resets this
        self.on_tail: Callable[[], None] = lambda: None  # the spiller's: called, with the lock held, when it has work
        self.ended = (
            False  # what is here has been, or is being, kept for somebody else: nothing more is taken or dropped
        )
        self.last_number = 0
        self.last_seq = 0
        self.window = UNLIMITED  # bytes that the daemon lets us have in flight
        self.wants = 0  # bytes of a message that is larger than that: it waits until it is let
        self._held: Queue | None = None  # its next message found no room: some is kept for it
        self._window_bytes = min(WINDOW_BYTES, limits.memory_bytes // 4)
        self._pace_bytes = min(PACE_BYTES, limits.memory_bytes * 3 // 8)
        self._in_flight_bytes = 0
        self._small_paths: set[str] = set()  # entities of which something waits in `small`
        self._bulk_paths: set[str] = set()  # entities that have had bulk rows
        self._losses = LossCounter()
        self._dropping = False
        self._impatient_until = 0.0
        self._last_taken = float("-inf")  # when the daemon last took something
        self._too_large_told = False

    def __len__(self) -> int:
        """How many messages are not delivered."""
        return sum(map(len, self.queues)) + len(self.singly) + sum(len(append.batch) for append in self.in_flight)

    @property
    def has_waiting(self) -> bool:
        """Something is not even in flight."""
        return bool(self.singly) or any(map(len, self.queues))

    @property
    def lost_rows(self) -> int:
        return self._losses.rows

    def losses(self) -> tuple[Loss, ...]:
        with self.changed:
            return self._losses.entries()

    def loss_report(self) -> LossReport | None:
        """Losses to declare; the same until they are `losses_reported`."""
        with self.changed:
            return self._losses.report()

    def losses_reported(self, report_id: bytes) -> None:
        with self.changed:
            self._losses.reported(report_id)

    def put(self, messages: Sequence[EncodedMessage]) -> None:
        """Take messages, in order."""
        with self.changed:
            for message in messages:
                self._put(message)

    def waiting_behind(self, append: InFlight) -> int:
        """Bytes that are not delivered once `append` is."""
        with self.changed:
            sent = sum(each.cost for each in self.in_flight if each.seq <= append.seq)
            return max(0, self.memory + self.disk - sent)

    def keep_pace(self) -> None:
        """Wait a moment if much waits and the daemon is taking it: what it takes soon need not go over the disk."""
        with self.changed:
            if not self._is_in_pace() and time.monotonic() - self._last_taken < PACE_SECS:
                self.changed.wait_for(self._is_in_pace, PACE_SECS)

    def _is_in_pace(self) -> bool:
        return self.memory <= self._pace_bytes and not any(queue.is_behind for queue in self.queues)

    def wait_delivered(self, number: int, deadline: float) -> bool:
        """Whether all messages up to `number` are delivered, or given up, by `deadline` (of time.monotonic())."""
        return self.wait_until(lambda: self._lowest_number() > number, deadline)

    def wait_until(self, condition: Callable[[], bool], deadline: float) -> bool:
        """Whether `condition`, which acks can bring about, holds by `deadline`."""
        with self.changed:
            timeout = min(max(deadline - time.monotonic(), 0), threading.TIMEOUT_MAX)
            return self.changed.wait_for(condition, timeout)

    # Appends

    def next_append(self, max_message_bytes: int) -> InFlight | None:
        """The next append to send; None if there is nothing to send now, or too much in flight.

        max_message_bytes: larger messages are lost: the daemon would refuse them.
        """
        with self.changed:
            room = self.window - self._in_flight_bytes
            if self._in_flight_bytes >= self._window_bytes or len(self.in_flight) >= WINDOW_APPENDS or room <= 0:
                return None
            batch: list[Queued] = []
            while not batch and (given := self._next_batch(room)):
                batch = [queued for queued in given if not self._is_too_large(queued, max_message_bytes)]
            if any(queue.on_disk for queue in self.queues):
                self.wants_back = True
                self.changed.notify_all()
            if not batch:
                return None
            self.last_seq += 1
            append = InFlight(self.last_seq, tuple(batch), sum(map(cost, batch)))
            self.in_flight.append(append)
            self._in_flight_bytes += append.cost
            return append

    def acked(self, written_seq: int) -> None:
        """The daemon has everything up to `written_seq`."""
        with self.changed:
            while self.in_flight and self.in_flight[0].seq <= written_seq:
                self._forget(self.in_flight.popleft())
                self._last_taken = time.monotonic()
            self._room_was_made()

    def refused(self, seq: int, cause: str) -> int:
        """The daemon will never take this append: one message alone is lost, several are tried singly. Lost rows."""
        with self.changed:
            append = next((append for append in self.in_flight if append.seq == seq), None)
            if append is None:
                return 0
            self.in_flight.remove(append)
            if len(append.batch) > 1:
                self._in_flight_bytes -= append.cost
                self.singly.extend(append.batch)
                return 0
            self._forget(append)
            entry = append.batch[0].message.entry
            self._losses.add(entry, cause)
            self._room_was_made()
            return entry.rows

    def close_gaps(self, max_message_bytes: int) -> bool:
        """Give what is in flight new, successive seqs if some between them were refused, or are now; whether it did.

        Then a daemon must not know this producer: it would wait for the old ones.
        """
        with self.changed:
            kept = list(takewhile(lambda append: _is_taken(append, max_message_bytes), self.in_flight))
            for append in list(self.in_flight)[len(kept) :]:  # also those after it: an entity's order holds
                self._in_flight_bytes -= append.cost
                self.singly.extend(append.batch)
            if not kept or (kept[-1].seq == self.last_seq and self.last_seq - kept[0].seq < len(kept)):
                self.in_flight = deque(kept)
                return False
            self.in_flight = deque(append._replace(seq=self.last_seq + n) for n, append in enumerate(kept, 1))
            self.last_seq += len(kept)
            return True

    def _is_too_large(self, queued: Queued, max_message_bytes: int) -> bool:
        size = queued.message.entry.size
        if size <= max_message_bytes:
            return False
        self.memory -= cost(queued)
        reason = f"a message has more bytes than the daemon's max_message_bytes = {max_message_bytes}"
        if not self._too_large_told:
            self._too_large_told = True
            logger.error("%s (%d): it is lost, raise the option: %s", reason, size, queued.message.entry.entity_path)
        self._losses.add(queued.message.entry, reason)
        self._room_was_made()
        return True

    def _next_batch(self, room: int) -> list[Queued]:
        """What goes together, in at most `room` bytes."""
        if self.singly:
            return [self.singly.popleft()] if self._fits(self.singly[0], room) else []
        queues, room = self._after_what_was_held(room)
        batch: list[Queued] = []
        size = 0
        for queue in queues:
            queue.advance()
            first_of_queue = True  # goes along whatever its size: no queue starves another
            while queue.head and len(batch) < APPEND_MESSAGES:
                if not self._fits(queue.head[0], room):
                    self._held = self._held or (queue if first_of_queue else None)
                    break
                if not first_of_queue and size + queue.head[0].message.entry.size > APPEND_BYTES:
                    break
                queued = queue.pop_head()
                batch.append(queued)
                size += queued.message.entry.size
                room -= cost(queued)
                first_of_queue = False
        return batch

    def _fits(self, queued: Queued, room: int) -> bool:
        """Whether there is room for it now; if it would not even fit alone, a turn is wanted for it."""
        needed = cost(queued)
        if needed > self.window and not self.wants:
            self.wants = needed
        return needed <= room

    def _after_what_was_held(self, room: int) -> tuple[Sequence[Queue], int]:
        """The queues, first the one whose message there was no room for; the room that is not kept for it."""
        held, self._held, self.wants = self._held, None, 0
        if held is None or not held.head:
            return self.queues, room
        needed = cost(held.head[0])
        if needed > room and needed <= self.window:
            room -= needed
        return (held, *(queue for queue in self.queues if queue is not held)), room

    def _forget(self, append: InFlight) -> None:
        self._in_flight_bytes -= append.cost
        self.memory -= append.cost

    def _lowest_number(self) -> float:
        """Of all that is not delivered."""
        flying = min((queued.number for append in self.in_flight for queued in append.batch), default=float("inf"))
        refused = min((queued.number for queued in self.singly), default=float("inf"))
        return min(flying, refused, *(queue.lowest_number() for queue in self.queues))

    # Taking messages in

    def _put(self, message: EncodedMessage) -> None:
        queue = self._queue_for(message.entry)
        self.last_number += 1
        queued = Queued(self.last_number, message)
        if not self.ended and not self._has_room(cost(queued)) and not self._make_room(cost(queued), queue):
            self.lose([message.entry])
            return
        if self.ended:
            self._losses.add(message.entry, "not delivered, and it came when the rest was already kept on disk")
            return
        self.memory += cost(queued)
        if self.limits.spill_bytes and (queue.is_behind or self.memory > self.limits.memory_bytes // 2):
            queue.tail.append(queued)
            self.on_tail()
        else:
            queue.push_head(queued)

    def _queue_for(self, entry: IndexEntry) -> Queue:
        """An entity with a large row is bulk from then on; while it still waits as small, it stays small."""
        if entry.static:
            return self.static
        path = entry.entity_path
        if path in self._bulk_paths:
            return self.bulk
        if not len(self.small):
            self._small_paths.clear()
        is_large = entry.kind == Kind.ARROW and entry.size > BULK_ROW_BYTES * max(entry.rows, 1)
        if is_large and path not in self._small_paths:
            self._bulk_paths.add(path)
            return self.bulk
        self._small_paths.add(path)
        return self.small

    def _has_room(self, needed: int) -> bool:
        limit = self.limits.memory_bytes
        # A large message is in memory anyway: the last one may go over the limit, so that it has a way to the disk
        return self.memory + needed <= limit or (needed > limit // 4 and self.memory <= limit)

    def _make_room(self, needed: int, queue: Queue) -> bool:
        """Whether a message that belongs to `queue` may stay; what is less urgent goes first."""
        patience = self._patience()
        if patience and self.changed.wait_for(lambda: self.ended or self._has_room(needed), patience):
            return True
        if patience == PATIENCE_SECS:
            self._impatient_until = time.monotonic() + IMPATIENT_SECS
        first_victim = self.queues.index(queue)
        if self.limits.when_full != "drop-oldest":
            first_victim += 1
        for victim in reversed(self.queues[first_victim:]):
            while not self._has_room(needed) and (oldest := victim.pop_oldest_in_memory()):
                self.memory -= cost(oldest)
                self.lose([oldest.message.entry])
        return self._has_room(needed)

    def _patience(self) -> float:
        if self.limits.when_full == "block":
            return self.limits.block_secs
        return PATIENCE_SECS if self.disk_takes_more and time.monotonic() > self._impatient_until else 0.0

    def lose(self, entries: Sequence[IndexEntry]) -> None:
        """These messages are dropped for want of room."""
        for entry in entries:
            self._losses.add(entry, f"no room: {self.limits.when_full}")
        if entries and not self._dropping:
            self._dropping = True
            logger.error(
                "rows are being lost, by %s: more waits for the daemon than memory_bytes = %d and spill_bytes = %d. "
                "See why it does not take them, or raise these limits (rerund_sdk.Delivery)",
                self.limits.when_full,
                self.limits.memory_bytes,
                self.limits.spill_bytes,
            )

    def give_up(self, entries: Sequence[IndexEntry], cause: str) -> None:
        """These messages are lost at the end."""
        with self.changed:
            for entry in entries:
                self._losses.add(entry, cause)

    def _room_was_made(self) -> None:
        if self._dropping and self.memory < self.limits.memory_bytes // 2 and not any(q.on_disk for q in self.queues):
            self._dropping = False
            logger.warning("no more rows are being lost; %d have been, all in all", self._losses.rows)
        self.changed.notify_all()


def _is_taken(append: InFlight, max_message_bytes: int) -> bool:
    """Whether a daemon with this limit takes it."""
    return all(queued.message.entry.size <= max_message_bytes for queued in append.batch)


def cost(queued: Queued) -> int:
    """Bytes of memory that the message takes."""
    return queued.message.entry.size + MESSAGE_OVERHEAD
