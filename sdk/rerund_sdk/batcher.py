"""From rows to sinks: the background thread of a recording.

Rule 1: `log` appends to a series (series.py) and queues it if it is not yet; that wakes the thread if it is idle.
Nothing else happens on the time of the caller.
Rule 2: the thread alone encodes and sends, so messages leave in one order. What others want of it (new sinks, a flush)
is a command that it runs between two batches, after everything logged before.
Rule 3: while no sink wants messages at once, rows wait for company: for a tick, or until they are many or large.
A sink that does want them gets the first row at once; under load the thread rests between batches, in proportion to
its work, so that batches grow and its share of the processor stays small.
Rule 4: what waits has a bound. Who logs beyond it waits for the thread, some ms at a time, and less often if it stands.

After a fork the child starts with nothing to send: what was logged before the fork is the parent's to send.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from queue import Empty
from typing import Any, Final, TypeAlias

from rerund_sdk import background, endings
from rerund_sdk.batch import Field, Row
from rerund_sdk.batcher_config import BatcherConfig
from rerund_sdk.chunk import ChunkEncoder
from rerund_sdk.chunk_template import LARGE_BYTES
from rerund_sdk.compression import Compressor
from rerund_sdk.endings import LEAVE_SECS
from rerund_sdk.errors import RerundError
from rerund_sdk.mailbox import Mailbox
from rerund_sdk.messages import ArrowMsgWriter
from rerund_sdk.series import Rows, Series
from rerund_sdk.sinks import BufferSink, Dismissible, EncodedMessage, Flushed, Level, Sink, Store
from rerund_sdk.time import Timelines

logger = logging.getLogger("rerund_sdk")

Command: TypeAlias = "Callable[[], None]"

_LOOK_IDLE_SECS: Final = 1.0  # how often an idle thread looks whether it was forgotten
_LOOK_SECS: Final = 0.008  # how often waiting rows are looked at: bounds what a burst of small ones can take
_REST_PER_WORK: Final = 4  # rest four times as long as the last batch took...
_LONGEST_REST_SECS: Final = 0.008  # ...but no longer than this
_LINGER_SECS: Final = 0.0005  # wait for company so long, where the last rows did not come alone
_ROW_BYTES: Final = 32  # of a row beside its cells: ids and times
_PART_BYTES: Final = 1024 * 1024  # of rows that travel together; one of LARGE_BYTES goes alone and is never copied
_PART_ROWS: Final = 4096  # few enough to stay in the processor's cache: tests/bench/bench_log.py
HEAVY_LIMIT: Final = 4 * 1024 * 1024  # of large arrays not yet encoded, beyond which `log` waits a moment...
_WAITING_BYTES: Final = 32 * 1024 * 1024  # of other rows, of all kinds, beyond which it waits likewise
_WAITING_ROW_BYTES: Final = 128  # of a waiting row beside its cells: numbers, and places in lists
_FIRST_CROWD: Final = 4096  # rows, of all kinds, before one is looked at for the first time
_LEAST_CROWD: Final = 16
LONGEST_WAIT_SECS: Final = 0.004  # ...but no longer than this


class Batcher:
    """The rows of one recording in this process, on their way to its sinks."""

    def __init__(self, store: Store, writer: ArrowMsgWriter, config: BatcherConfig) -> None:
        self.store = store
        self.config = config
        self.log_time = config.log_time
        self._writer = writer
        self._sinks: tuple[Sink, ...] = (BufferSink(),)
        self._sinks[0].open(store)
        self._start_empty()
        _live.add(self)

    def _start_empty(self) -> None:
        self._series: dict[tuple[str, int, int], Series] = {}
        self._queue: list[Series] = []  # those that have rows
        self.ready: list[EncodedMessage] = []  # made elsewhere, to be sent as they are
        self._heavy_bytes = 0  # of rows of large arrays, about: threads add to it without a lock
        self._room = threading.Lock()  # released for who waits until less of that is left, whoever took it
        self._room.acquire()
        self._linger = 0.0  # seconds to wait for company
        self._to_send: list[EncodedMessage] = []
        self._to_send_bytes = 0
        self._idle = True  # the thread sleeps until it is woken
        self._rows_taken = 0
        self._encoder = ChunkEncoder(self._writer)
        self._compressor = self._new_compressor()
        self._commands: Mailbox[Command | None] = Mailbox()
        self._control = threading.Lock()  # serialises callers of set_sinks and close
        self._thread: threading.Thread | None = None
        self._thread_lock = threading.RLock()
        self._is_running = False
        self._closed = False
        self._has_told_of_late_rows = False

    # For any thread

    def series(self, path: str, timelines: Timelines | None, fields: tuple[Field, ...]) -> Series:
        """Where rows of this kind wait. `timelines` and `fields` are told apart by identity."""
        key = (path, id(timelines), id(fields))
        series = self._series.get(key)
        if series is None:
            series = self._series.setdefault(key, Series(path, timelines, fields))
            series.crowded = series.width * max(_FIRST_CROWD // len(self._series), _LEAST_CROWD)
        return series

    def queue(self, series: Series) -> None:
        """Have its rows sent; for whoever added one and found the series not queued."""
        series.queued = True
        self._queue.append(series)
        self._wake()
        if self._closed:
            self._tell_of_late_rows(series)

    def _wake(self) -> None:
        if self._idle:
            self._start_thread()
            self._idle = False
            self._commands.put(None)

    def _tell_of_late_rows(self, series: Series) -> None:
        """Who logs on while the main thread ends the program knows that; who logs at its end should hear of it."""
        if not self._has_told_of_late_rows and threading.current_thread() is threading.main_thread():
            self._has_told_of_late_rows = True
            logger.warning(
                "what is logged to %s comes after recording %s was closed, and is lost, as is all that follows: "
                "what runs at the end of a program is in time if it is registered with atexit after the first log",
                *(series.path, self.store.recording_id),
            )

    def rows_logged(self) -> int:
        """How many rows there were so far."""
        return self._rows_taken + sum(map(len, set(self._queue)))

    def encoder(self) -> ChunkEncoder:
        """An encoder for the calling thread's own use."""
        return ChunkEncoder(self._writer)

    def add_heavy(self, size: int) -> None:
        """For who adds a row with `size` bytes of arrays: waits a moment if very much of that kind waits already.

        So a loop that logs images cannot outrun the thread without end, and still no call of `log` takes long.
        """
        if self._heavy_bytes > HEAVY_LIMIT:
            self._room.acquire(timeout=LONGEST_WAIT_SECS)
        was_little = self._heavy_bytes < self.config.flush_num_bytes
        self._heavy_bytes += size
        if was_little and self._heavy_bytes >= self.config.flush_num_bytes:
            self._commands.put(None)  # have it look at once

    def wait_for_room(self, series: Series) -> None:
        """For who added a row to a crowded series: waits a moment.

        A loop without a pause leaves the thread the interpreter so seldom that rows would pile up without end.
        """
        series.crowded = max(series.crowded, series.width * _crowd(series, self._share(len(self._queue))))
        if len(series.data) <= series.crowded:  # nobody had looked at it yet
            return
        self._commands.put(None)
        if not self._room.acquire(timeout=LONGEST_WAIT_SECS) and len(series.data) > series.crowded:
            series.crowded += series.crowded // 4  # the thread is held up: not at every call

    def _share(self, count: int) -> int:
        """Bytes that may wait of each of so many series."""
        return max(_WAITING_BYTES, 2 * self.config.flush_num_bytes) // max(1, count)

    def send_ready(self, message: EncodedMessage) -> None:
        """Send a message that was made elsewhere."""
        self.ready.append(message)
        self._wake()

    @property
    def sinks(self) -> tuple[Sink, ...]:
        return self._sinks

    def set_log_time(self, enabled: bool) -> None:
        """Whether rows logged from now on get that timeline."""

        def set_it() -> None:
            self.log_time = enabled

        if self._thread is None:
            set_it()
        else:
            self._run_in_thread(set_it)

    def set_sinks(self, sinks: Sequence[Sink], deadline: float) -> None:
        """Send everything from now on to `sinks`, and first what was only kept in memory.

        The old ones get all that was logged before, and are closed; one that equals a new one goes on in its place.
        Raises ModeError if a sink cannot be opened; then nothing has changed.
        """
        with self._control:
            in_use = {sink: sink for sink in self._sinks}
            next_sinks = tuple(in_use.get(sink, sink) for sink in sinks)
            self._open([sink for sink in next_sinks if sink not in in_use])
            self._run_in_thread(lambda: self._replace_sinks(next_sinks))
            for sink in in_use:
                if sink not in next_sinks:
                    sink.flush(deadline - LEAVE_SECS)
                    sink.close()

    def _open(self, sinks: Sequence[Sink]) -> None:
        opened: list[Sink] = []
        try:
            for sink in sinks:
                sink.open(self.store)
                opened.append(sink)
        except BaseException:
            for sink in opened:
                sink.close()
            raise

    def _new_compressor(self) -> Compressor:
        is_far = any(getattr(sink, "is_far", False) for sink in self._sinks)
        return Compressor(self._writer, self.config.compression, is_far=is_far)

    def _replace_sinks(self, sinks: tuple[Sink, ...]) -> None:
        kept = [message for sink in self._sinks if isinstance(sink, BufferSink) for message in sink.drain()]
        self._sinks = sinks
        self._compressor = self._new_compressor()
        if kept:
            self._send(kept)
            self._send_rest()

    def flush(self, deadline: float, level: Level = "written") -> Flushed:
        """Bring everything logged before as far as `level` says, waiting until `deadline` at most."""
        if not self._run_in_thread(self._send_forgotten, deadline) or (self._closed and self._queue):
            return Flushed("", level)
        if level == "sent":
            return Flushed("sent", level)
        written = [sink.flush(deadline) for sink in self._sinks]  # all of them, also after one that failed
        if not all(written):
            return Flushed("sent", level)
        if level == "written" or not all(sink.sync(deadline) for sink in self._sinks):
            return Flushed("written", level)
        return Flushed("synced", level)

    @property
    def is_closed(self) -> bool:
        return self._closed

    def close(self, deadline: float) -> None:
        """Send what waits, close the sinks, end the thread. Idempotent."""
        self.settle(deadline - LEAVE_SECS)
        with self._control:
            for sink in self._sinks:
                sink.close()

    def settle(self, deadline: float) -> None:
        """Send what waits, end the thread, and have the sinks begin to end; `close` waits for them. Idempotent."""
        with self._control:
            if self._closed:
                return
            if self._thread is not None:
                self._run_in_thread(self._stop, deadline)
            self._closed = True
            for sink in self._sinks:
                sink.flush(deadline)
                if isinstance(sink, Dismissible):
                    sink.dismiss()

    def _stop(self) -> None:
        self._send_forgotten()
        self._closed = True

    def after_fork(self) -> None:
        """In the child: forget what the parent will send, and its thread and locks, which are not here."""
        for series in self._series.values():
            series.forget()  # whoever logs has them at hand, and goes on with them
        self._start_empty()
        for sink in self._sinks:
            sink.after_fork()

    def _run_in_thread(self, command: Command, deadline: float = float("inf")) -> bool:
        """Run `command` in the thread, after everything logged so far; False if that did not happen in time."""
        if self._closed or sys.is_finalizing():  # no thread can be started or waited for then
            return True
        done = threading.Event()

        def run() -> None:
            try:
                command()
            finally:
                done.set()

        self._start_thread()
        self._commands.put(run)
        return done.wait(min(deadline - time.monotonic(), threading.TIMEOUT_MAX))

    def _start_thread(self) -> None:
        if self._thread is None and not self._closed:
            with self._thread_lock:
                if self._thread is None:
                    endings.remember(self)
                    thread = threading.Thread(target=self._run, name="rerund batcher", daemon=True)
                    background.start(thread)
                    self._thread = thread

    # The thread

    def _run(self) -> None:
        with self._thread_lock:
            if self._is_running:  # whoever started one was interrupted then, and it was started again
                return
            self._is_running = True
        rest_until = 0.0
        while not self._closed:
            command = self._next_command(rest_until)
            started = time.monotonic()
            self._send_all()
            now = time.monotonic()
            rest_until = now + min((now - started) * _REST_PER_WORK, _LONGEST_REST_SECS)
            if command is not None:
                command()

    def _next_command(self, rest_until: float) -> Command | None:
        """Wait until a command has come (it is returned) or rows are due to be sent (None)."""
        command = self._sleep()
        if command is not None:
            return command
        now = time.monotonic()
        return self._wait_for_company(max(rest_until, now + max(self._tick(), self._linger)))

    def _sleep(self) -> Command | None:
        """Until there are rows, or a command has come. Looks now and then: who was to wake us may be interrupted."""
        looked_at = -1
        while not self._queue and not self.ready:
            self._idle = True
            if self._queue or self.ready:  # looked at again: a row may have come before `_idle` was seen
                break
            try:
                command = self._commands.get(timeout=_LOOK_IDLE_SECS)
            except Empty:
                if looked_at != self._rows_taken:
                    self._send_forgotten()
                    looked_at = self._rows_taken
                continue
            if command is not None:
                self._idle = False
                return command
        self._idle = False
        return None

    def _tick(self) -> float:
        if self.config.flush_tick_secs is not None:
            return self.config.flush_tick_secs
        return min((getattr(sink, "tick_secs", 0.2) for sink in self._sinks), default=0.2)

    def _wait_for_company(self, until: float) -> Command | None:
        while (left := until - time.monotonic()) > 0 and not self._is_much():
            try:
                command = self._commands.get(timeout=min(left, _LOOK_SECS))
            except Empty:
                continue
            if command is not None:
                return command
        return None

    def _is_much(self) -> bool:
        """Whether what waits is worth sending, by an estimate that takes each series' last row for all of its rows."""
        rows = size = 0
        for series in self._queue:
            if count := len(series):
                rows += count
                size += count * (_ROW_BYTES + series.cells_bytes(count - 1))
        return rows >= min(self.config.flush_num_rows, _PART_ROWS) or size >= self.config.flush_num_bytes

    def _send_all(self) -> None:
        """Everything that was logged before this call, in parts of a size that a sink takes in one go."""
        queue = self._queue[:]
        del self._queue[: len(queue)]
        before = self._rows_taken
        share = self._share(len(queue))
        by_kind: dict[tuple[Any, ...], dict[Series, None]] = {}
        for series in queue:
            series.queued = False
            if len(series) > 1:
                series.crowded = series.width * _crowd(series, share)
            by_kind.setdefault(series.chunk_kind, {})[series] = None
        for alike in by_kind.values():
            if len(alike) == 1:
                self._send_series(*alike)
            else:
                self._send_merged(list(alike))
        if self.ready:
            count = len(self.ready)
            ready = self.ready[:count]
            del self.ready[:count]
            self._send(ready)
        self._send_rest()
        self._linger = _LINGER_SECS if self._rows_taken - before > 1 else 0.0
        if not self._queue:
            self._heavy_bytes = 0  # what was miscounted does not add up

    def _send_forgotten(self) -> None:
        """Rows whose caller was interrupted, by Ctrl-C say, before it could queue them."""
        queued = set(self._queue)
        for series in list(self._series.values()):
            if series.data and series not in queued:
                series.queued = False
                self._send_series(series)
        self._send_rest()

    def _send_series(self, series: Series) -> None:
        left = len(series)
        was_crowded = left * series.width > series.crowded
        while left:
            row_bytes = series.cells_bytes(0)
            most_rows = 1 if row_bytes >= LARGE_BYTES else _PART_BYTES // (1 + row_bytes)
            rows = series.take(min(left, _PART_ROWS, most_rows))
            left -= rows.count
            self._rows_taken += rows.count
            self._send(self._encode(rows))
            if row_bytes:
                was_much = self._heavy_bytes > HEAVY_LIMIT
                self._heavy_bytes -= rows.count * row_bytes
                if was_much and self._heavy_bytes <= HEAVY_LIMIT:
                    self._make_room()
            if was_crowded and len(series.data) <= series.crowded:
                was_crowded = False
                self._make_room()

    def _make_room(self) -> None:
        if self._room.locked():
            self._room.release()

    def _send_merged(self, alike: Sequence[Series]) -> None:
        """Rows of different fields of the same types share a chunk, in the order of their calls."""
        rows = [row for series in alike for row in series.take(len(series)).one_by_one()]
        rows.sort(key=_log_nanos)
        self._rows_taken += len(rows)
        self._send(self._encode_rows(rows))

    def _encode(self, rows: Rows) -> list[EncodedMessage]:
        try:
            return [self._encoder.encode_series(rows, self.log_time)]
        except Exception:  # a bug, or data that no check foresaw: it must not take the other rows with it
            return self._encode_one_by_one(rows.one_by_one())

    def _encode_rows(self, rows: Sequence[Row]) -> list[EncodedMessage]:
        try:
            return self._encoder.encode_rows(rows, self.log_time)
        except Exception:  # likewise
            return self._encode_one_by_one(rows)

    def _encode_one_by_one(self, rows: Sequence[Row]) -> list[EncodedMessage]:
        messages: list[EncodedMessage] = []
        for row in rows:
            try:
                messages += self._encoder.encode_rows([row], self.log_time)
            except Exception:
                logger.exception("a row of %s could not be encoded and is lost", row[0])
        return messages

    def _send(self, messages: Sequence[EncodedMessage]) -> None:
        """Now, if it is much; what is not goes together, as each time a sink is given something costs."""
        messages = self._compressor.compressed(messages)
        self._to_send += messages
        self._to_send_bytes += sum(message.entry.size for message in messages)
        if self._to_send_bytes >= _PART_BYTES // 2:
            self._send_rest()

    def _send_rest(self) -> None:
        messages, self._to_send = self._to_send, []
        self._to_send_bytes = 0
        for sink in self._sinks if messages else ():
            try:
                sink.send(messages)
            except (OSError, RerundError):
                logger.exception("%s failed", type(sink).__name__)


def _crowd(series: Series, most_bytes: int) -> int:
    """How many of its rows may wait before it is crowded; those of large arrays are counted by `add_heavy`."""
    row_bytes = series.cells_bytes(0)
    if row_bytes >= LARGE_BYTES:
        return sys.maxsize
    return most_bytes // (row_bytes + _WAITING_ROW_BYTES)


def _log_nanos(row: Row) -> int:
    return row[1]


_live: weakref.WeakSet[Batcher] = weakref.WeakSet()  # what a forked child has to forget of


def _after_fork_in_child() -> None:
    for batcher in list(_live):
        batcher.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
