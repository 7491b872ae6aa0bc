"""The thread that moves an outbox's messages to disk when memory gets short, and back when the connection wants them.

It starts at the first need. All file I/O of an outbox is here and outside its lock: a slow disk stalls this thread
alone. A disk that fails is tried again soon, and then ever more seldom; meanwhile the outbox makes do with its memory.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rerund_sdk import background, patience
from rerund_sdk.losses import LossReport
from rerund_sdk.outbox import MIB, Outbox, Queue, cost
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.spill import Queued, SpillQueue

logger = logging.getLogger("rerund_sdk")

RETRY_SECS: Final = (0.1, 5.0)  # first and longest pause after a failure
_SOON_SECS: Final = 1.0  # while pauses are shorter, it is worth it to wait for the disk
STUCK_SECS: Final = 1.0
STUBBORN_SECS: Final = 0.6  # for which a disk that refuses what is left at the end is tried again; less than STUCK_SECS
_AGAIN_SECS: Final = 0.05
_STEP_BYTES: Final = 4 * MIB  # written or read at a time, unless memory is small
_REST: Final = "0"  # queue name of what was in memory at the end; sorts, and is older, before the others


class Rest(NamedTuple):
    """What was not delivered at the end."""

    messages: int  # 0 if all was
    lost: int  # of them
    paths: tuple[Path, ...]  # where the others lie now


class Spiller:
    """One outbox's way to and from the disk."""

    def __init__(
        self,
        outbox: Outbox,
        directory: Path,
        name: str,
        store_info: bytes,
        loss_message: Callable[[LossReport], EncodedMessage],
        on_readable: Callable[[], None],
    ) -> None:
        """name: of the files. on_readable: called whenever messages came back from disk."""
        self._outbox = outbox
        self._loss_message = loss_message
        self._limit = outbox.limits.spill_bytes
        self._step = min(_STEP_BYTES, outbox.limits.memory_bytes // 8)
        segment_bytes = max(min(64 * MIB, self._limit // 8), 64 * 1024)
        self._new_spill: Callable[[str], SpillQueue] = lambda queue_name: SpillQueue(
            directory, f"{name}-{queue_name}", store_info, segment_bytes
        )
        self._spills = {queue: self._new_spill(queue.name) for queue in outbox.queues}
        self._on_readable = on_readable
        self._thread: threading.Thread | None = None
        self._failed_at: float | None = None
        self._pause_secs = 0.0
        self._closing = False
        self._left_bytes = 0  # written down at the end
        self._lost = 0  # messages that were not, then
        self._rest: list[Path] = []
        outbox.disk_takes_more = bool(self._limit)
        outbox.on_tail = self._has_work

    @property
    def nbytes(self) -> int:
        """Disk space taken."""
        return sum(spill.nbytes for spill in self._spills.values())

    def _has_work(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="rerund spill", daemon=True)
            try:
                background.start(thread)
            except RuntimeError:  # the interpreter is ending and starts no more threads; close() does it all
                return
            self._thread = thread
        self._outbox.changed.notify_all()

    def close(self) -> Rest:
        """Put all that is not delivered on disk; delete the files if there is nothing left.

        As long as the disk takes it: one that takes nothing more for STUCK_SECS is given up.
        """
        undelivered = len(self._outbox)
        with self._outbox.changed:
            self._closing = True
            self._outbox.changed.notify_all()
        thread = self._thread
        if not self._limit:
            self._give_up([queued for _, left in self._undelivered() for queued in left], "spill_bytes = 0")
        elif thread is None and (undelivered or self._outbox.loss_report()):
            thread = threading.Thread(target=self._leave_rest, name="rerund spill", daemon=True)
            try:
                background.start(thread)
            except RuntimeError:  # the interpreter is ending and starts no more threads
                self._leave_rest()
                thread = None
        if thread is not None and not patience.join(thread, STUCK_SECS, lambda: self._left_bytes):
            return Rest(undelivered, undelivered, ())
        return Rest(undelivered, self._lost, tuple(self._rest))

    def after_fork(self) -> None:
        """In the child: close the inherited files, so that they count as the parent's alone."""
        for spill in self._spills.values():
            spill.forget()

    # The thread

    def _run(self) -> None:
        while self._wait_for_work():
            try:
                wanted = list(filter(self._wants_back, self._outbox.queues))
                self._outbox.wants_back = False  # before reading: who is told of what was read may ask again at once
                for queue in wanted:
                    self._read_back(queue)
                for queue in self._outbox.queues:
                    self._write_tail(queue)
                self._went_well()
            except OSError as error:
                self._failed(error)
            self._outbox.disk_takes_more = self._has_room() and self._pause_secs < _SOON_SECS
        self._leave_rest()

    def _wait_for_work(self) -> bool:
        """Wait until there is something to move; False once it is the end."""
        with self._outbox.changed:
            while not self._closing:
                if self._may_write() and any(queue.tail for queue in self._outbox.queues):
                    break
                if any(map(self._wants_back, self._outbox.queues)):
                    break
                self._outbox.changed.wait(self._pause_secs or None)
            return not self._closing

    def _wants_back(self, queue: Queue) -> bool:
        if not self._outbox.wants_back or not queue.on_disk or queue.head_bytes >= self._step // 2:
            return False
        return not queue.head or self._outbox.memory + self._step <= self._outbox.limits.memory_bytes // 2

    def _may_write(self) -> bool:
        is_paused = self._failed_at is not None and time.monotonic() - self._failed_at < self._pause_secs
        return not is_paused and self._has_room()

    def _has_room(self) -> bool:
        return self._outbox.limits.when_full == "drop-oldest" or self.nbytes + self._step <= self._limit

    def _read_back(self, queue: Queue) -> None:
        spill = self._spills[queue]
        batch = spill.read(self._step)
        with self._outbox.changed:
            for queued in batch:
                queue.push_head(queued)
            size = sum(map(cost, batch))
            self._outbox.memory += size
            self._outbox.disk -= size
            queue.on_disk -= len(batch)
            queue.first_on_disk = spill.first_number
        self._on_readable()

    def _write_tail(self, queue: Queue) -> None:
        if not self._may_write():
            return
        with self._outbox.changed:
            size = 0
            while queue.tail and (not queue.writing or size + queue.tail[0].message.entry.size <= self._step):
                queued = queue.tail.popleft()
                queue.writing.append(queued)
                size += queued.message.entry.size
        if not queue.writing:
            return
        spill = self._spills[queue]
        try:
            self._make_room(queue, size)
            spill.append(queue.writing)
        except OSError:
            with self._outbox.changed:
                queue.tail.extendleft(reversed(queue.writing))
                queue.writing = []
            raise
        with self._outbox.changed:
            written, queue.writing = queue.writing, []
            queue.on_disk += len(written)
            queue.first_on_disk = spill.first_number
            size = sum(map(cost, written))
            self._outbox.memory -= size
            self._outbox.disk += size
            self._outbox.changed.notify_all()

    def _make_room(self, queue: Queue, size: int) -> None:
        """By the policy "drop-oldest": what is no more urgent than `queue` gives way, the least urgent first."""
        for victim in reversed(self._outbox.queues[self._outbox.queues.index(queue) :]):
            spill = self._spills[victim]
            while self.nbytes + size > self._limit and spill.segments:
                dropped = spill.drop_oldest_segment()
                with self._outbox.changed:
                    victim.on_disk -= len(dropped)
                    victim.first_on_disk = spill.first_number
                    self._outbox.disk -= sum(map(cost, dropped))
                    self._outbox.lose([queued.message.entry for queued in dropped])

    def _failed(self, error: OSError) -> None:
        if self._failed_at is None:
            logger.error("what waits for the daemon cannot be kept on disk, only in memory: %s", error)
        shortest, longest = RETRY_SECS
        self._pause_secs = min(max(self._pause_secs * 2, shortest), longest)
        self._failed_at = time.monotonic()

    def _went_well(self) -> None:
        if self._failed_at is not None and self._may_write():
            self._failed_at, self._pause_secs = None, 0.0
            logger.warning("what waits for the daemon can be kept on disk again")

    def _leave_rest(self) -> None:
        left = self._undelivered()
        until = time.monotonic() + STUBBORN_SECS
        try:
            refused = [queued for spill, messages in left for queued in self._leave(spill, messages, until)]
            self._give_up(refused, "the disk did not take it at the end")
            rest, _ = left[0]
            while report := self._outbox.loss_report():  # what could not be declared is told among what is left
                self._leave(rest, [Queued(self._outbox.last_number, self._loss_message(report))], until)
                self._outbox.losses_reported(report.id)
        finally:
            self._rest = [path for spill, _ in left for path in spill.leave()]

    def _undelivered(self) -> list[tuple[SpillQueue, list[Queued]]]:
        """What is in memory, and where it is to go. From here on that does not change."""
        outbox = self._outbox
        with outbox.changed:
            outbox.ended = True
            outbox.changed.notify_all()
            first = [queued for append in outbox.in_flight for queued in append.batch]
            first += [*outbox.singly, *(queued for queue in outbox.queues for queued in queue.head)]
            tails = [(self._spills[queue], [*queue.writing, *queue.tail]) for queue in outbox.queues]
        return [(self._new_spill(_REST), first), *tails]

    def _leave(self, spill: SpillQueue, messages: Sequence[Queued], until: float) -> list[Queued]:
        """Write in steps: who waits for the end sees that it goes on. What the disk refuses until then comes back."""
        refused: list[Queued] = []
        for step in _steps(messages, self._step):
            if not self._is_left(spill, step, until):
                refused += [queued for queued in step if not self._is_left(spill, [queued], until)]
        return refused

    def _is_left(self, spill: SpillQueue, messages: Sequence[Queued], until: float) -> bool:
        while True:
            try:
                spill.append(messages)
            except OSError as error:
                self._failed(error)
                if time.monotonic() > until:
                    return False
                time.sleep(_AGAIN_SECS)
            else:
                self._left_bytes += sum(queued.message.entry.size for queued in messages)
                return True

    def _give_up(self, messages: Sequence[Queued], cause: str) -> None:
        self._lost += len(messages)
        self._outbox.give_up([queued.message.entry for queued in messages], f"not delivered, and {cause}")


def _steps(messages: Sequence[Queued], step_bytes: int) -> Iterator[list[Queued]]:
    step: list[Queued] = []
    size = 0
    for queued in messages:
        if step and size + queued.message.entry.size > step_bytes:
            yield step
            step, size = [], 0
        step.append(queued)
        size += queued.message.entry.size
    if step:
        yield step
