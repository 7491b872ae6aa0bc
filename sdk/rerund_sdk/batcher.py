"""From rows to sinks: the background thread of a recording.

Rule 1: `log` appends to `rows` and wakes the thread if it is idle; nothing else happens on the caller's time.
Rule 2: the thread alone encodes and sends, so messages leave in one order. What others want of it (new sinks, a flush)
is a command that it runs between two batches, after everything logged before.
Rule 3: while no sink wants messages at once, rows wait for company: for a tick, or until they are many or large.
A sink that does want them gets the first row at once; under load the thread rests between batches, in proportion to
its work, so that batches grow and its share of the processor stays small.

After a fork the child starts with nothing to send: what was logged before the fork is the parent's to send.
"""

from __future__ import annotations

import atexit
import logging
import multiprocessing.util
import os
import re
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias

from rerund_sdk.batch import Row
from rerund_sdk.chunk import ChunkEncoder
from rerund_sdk.errors import RerundError
from rerund_sdk.messages import ArrowMsgWriter
from rerund_sdk.sinks import BufferSink, EncodedMessage, Sink, Store

logger = logging.getLogger("rerund_sdk")

Command: TypeAlias = "Callable[[], None]"

_LOOK_SECS: Final = 0.008  # how often waiting rows are looked at: bounds what a burst of images can take
_REST_PER_WORK: Final = 4  # rest four times as long as the last batch took...
_LONGEST_REST_SECS: Final = 0.008  # ...but no longer than this
_SAMPLED_ROWS: Final = 16
_PART_BYTES: Final = 2 * 1024 * 1024
_PART_ROWS: Final = 65_536
HEAVY_LIMIT: Final = 64 * 1024 * 1024  # bytes of rows not yet encoded, beyond which `log` waits a moment...
LONGEST_WAIT_SECS: Final = 0.004  # ...but no longer than this
CLOSE_SECS: Final = 2.0  # what the end of a program, or the change of a mode, waits for at most


@dataclass(frozen=True, kw_only=True)
class BatcherConfig:
    """When waiting rows are sent. Environment variables of the same meaning as Rerun's overrule the defaults."""

    flush_tick_secs: float | None = None  # None: as the sink prefers, 0.2 s for files, at once for the daemon
    flush_num_bytes: int = 2 * 1024 * 1024  # about; RERUN_FLUSH_NUM_BYTES
    flush_num_rows: int = 2**63 - 1  # RERUN_FLUSH_NUM_ROWS
    log_time: bool = True  # add that timeline to every row; RERUN_LOG_TIME
    log_tick: bool = False  # likewise; RERUN_LOG_TICK

    @staticmethod
    def from_environment(config: BatcherConfig | None = None) -> BatcherConfig:
        """`config`, or the default one, with what RERUN_FLUSH_* and RERUN_LOG_* say. Nonsense is warned of."""
        config = config or BatcherConfig()
        for variable, option, parse in _VARIABLES:
            text = os.environ.get(variable)
            if text is None:
                continue
            try:
                config = replace(config, **{option: parse(text)})
            except (ValueError, KeyError):
                logger.warning("%s=%r is not understood and ignored", variable, text)
        return config


def _parse_bytes(text: str) -> Any:
    match = re.fullmatch(r"\s*(\d+)\s*([kKMG]i?)?B?\s*", text)
    if not match:
        raise ValueError(text)
    unit = match[2] or ""
    step = 1024 if unit.endswith("i") else 1000
    return int(match[1]) * step ** ["", "k", "m", "g"].index(unit[:1].lower())


def _parse_flag(text: str) -> bool:
    return {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}[
        text.lower()
    ]


_VARIABLES: Final[tuple[tuple[str, str, Callable[[str], Any]], ...]] = (
    ("RERUN_FLUSH_TICK_SECS", "flush_tick_secs", float),
    ("RERUN_FLUSH_NUM_BYTES", "flush_num_bytes", _parse_bytes),
    ("RERUN_FLUSH_NUM_ROWS", "flush_num_rows", int),
    ("RERUN_LOG_TIME", "log_time", _parse_flag),
    ("RERUN_LOG_TICK", "log_tick", _parse_flag),
)


class Batcher:
    """The rows of one recording in this process, on their way to its sinks."""

    rows: list[Row]
    idle: bool  # the thread sleeps until it is woken

    def __init__(self, store: Store, writer: ArrowMsgWriter, config: BatcherConfig) -> None:
        self.store = store
        self.config = config
        self.log_time = config.log_time
        self.log_tick = config.log_tick
        self._writer = writer
        self._sinks: tuple[Sink, ...] = (BufferSink(),)
        self._sinks[0].open(store)
        self._start_empty()
        _live.add(self)

    def _start_empty(self) -> None:
        self.rows = []
        self.ready: list[EncodedMessage] = []  # made elsewhere, to be sent as they are
        self.heavy_bytes = 0  # of rows of large arrays, about: threads add to it without a lock
        self._room = threading.Event()
        self.idle = True
        self._rows_taken = 0
        self._encoder = ChunkEncoder(self._writer)
        self._commands: SimpleQueue[Command | None] = SimpleQueue()
        self._control = threading.Lock()  # serialises callers of set_sinks and close
        self._thread: threading.Thread | None = None
        self._thread_lock = threading.Lock()
        self._closed = False

    # For any thread

    def wake(self) -> None:
        """Make an idle thread look at `rows`; starts it at the first call."""
        self.idle = False
        self._start_thread()
        self._commands.put(None)

    def encoder(self) -> ChunkEncoder:
        """An encoder for the calling thread's own use."""
        return ChunkEncoder(self._writer)

    def add_heavy(self, row: Row) -> None:
        """Append a row of large arrays; first waits a moment if very much of that kind waits already.

        So a loop that logs images cannot outrun the thread without end, and still no call of `log` takes long.
        """
        if self.heavy_bytes > HEAVY_LIMIT:
            self._room.clear()
            self._room.wait(LONGEST_WAIT_SECS)
        self.heavy_bytes += row_bytes(row)
        self.rows.append(row)

    def send_ready(self, message: EncodedMessage) -> None:
        """Send a message that was made elsewhere."""
        self.ready.append(message)
        if self.idle or self._thread is None:
            self.wake()

    @property
    def sinks(self) -> tuple[Sink, ...]:
        return self._sinks

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
                    sink.flush(deadline)
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

    def _replace_sinks(self, sinks: tuple[Sink, ...]) -> None:
        kept = [message for sink in self._sinks if isinstance(sink, BufferSink) for message in sink.drain()]
        self._sinks = sinks
        if kept:
            self._send(kept)

    def flush(self, deadline: float) -> bool:
        """Whether everything logged before has reached where the sinks bring it, waiting until `deadline` at most."""
        if not self._run_in_thread(lambda: None, deadline):
            return False
        reached = [sink.flush(deadline) for sink in self._sinks]  # all of them, also after one that failed
        return all(reached)

    def close(self, deadline: float) -> None:
        """Send what waits, close the sinks, end the thread. Idempotent."""
        with self._control:
            if self._closed:
                return
            if self._thread is not None:
                self._run_in_thread(self._stop, deadline)
            self._closed = True
            for sink in self._sinks:
                sink.flush(deadline)
                sink.close()

    def _stop(self) -> None:
        self._closed = True

    def after_fork(self) -> None:
        """In the child: forget what the parent will send, and its thread and locks, which are not here."""
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
                    _close_at_exit()
                    thread = threading.Thread(target=self._run, name="rerund batcher", daemon=True)
                    thread.start()
                    self._thread = thread

    # The thread

    def _run(self) -> None:
        rest = 0.0
        while not self._closed:
            command = self._next_command(rest)
            started = time.perf_counter()
            self._send_all()
            rest = min((time.perf_counter() - started) * _REST_PER_WORK, _LONGEST_REST_SECS)
            if command is not None:
                command()

    def _next_command(self, rest: float) -> Command | None:
        """Wait until a command has come (it is returned) or rows are due to be sent (None)."""
        if not self.rows and not self.ready:
            self.idle = True
            if not self.rows and not self.ready:  # looked at again: a row may have come before `idle` was seen
                command = self._commands.get()
                self.idle = False
                if command is not None:
                    return command
            self.idle = False
        return self._wait_for_company(max(rest, self._tick()))

    def _tick(self) -> float:
        if self.config.flush_tick_secs is not None:
            return self.config.flush_tick_secs
        return min((getattr(sink, "tick_secs", 0.2) for sink in self._sinks), default=0.2)

    def _wait_for_company(self, secs: float) -> Command | None:
        end = time.monotonic() + secs
        pending = _Pending(self.rows)
        while (left := end - time.monotonic()) > 0:
            if pending.bytes() >= self.config.flush_num_bytes or len(self.rows) >= self.config.flush_num_rows:
                break
            try:
                command = self._commands.get(timeout=min(left, _LOOK_SECS))
            except Empty:
                continue
            if command is not None:
                return command
        return None

    def _send_all(self) -> None:
        """Everything that was logged before this call, in parts of a size that a sink takes in one go."""
        left = len(self.rows)
        while left:
            rows = self._take(left)
            left -= len(rows)
            first_tick = self._rows_taken if self.log_tick else None
            self._rows_taken += len(rows)
            self._send(self._encode(rows, first_tick))
        if self.ready:
            count = len(self.ready)
            ready = self.ready[:count]
            del self.ready[:count]
            self._send(ready)

    def _take(self, most: int) -> list[Row]:
        """The oldest rows, few enough to be sent together."""
        rows = self.rows[: min(most, _PART_ROWS)]
        if self.heavy_bytes:
            rows = self._light_enough(rows)
        del self.rows[: len(rows)]  # rows that came meanwhile stay
        return rows

    def _light_enough(self, rows: list[Row]) -> list[Row]:
        size = count = 0
        while count < len(rows) and size < _PART_BYTES:
            size += row_bytes(rows[count])
            count += 1
        self.heavy_bytes = self.heavy_bytes - size if len(self.rows) > count else 0
        if self.heavy_bytes < HEAVY_LIMIT:
            self._room.set()
        return rows[:count]

    def _encode(self, rows: Sequence[Row], first_tick: int | None) -> list[EncodedMessage]:
        try:
            return self._encoder.encode_rows(rows, self.log_time, first_tick)
        except Exception:  # a bug, or data that no check foresaw: it must not take the other rows with it
            if len(rows) == 1:
                logger.exception("a row of %s could not be encoded and is lost", rows[0][0])
                return []
        ticks = [None] * len(rows) if first_tick is None else range(first_tick, first_tick + len(rows))
        return [message for row, tick in zip(rows, ticks, strict=True) for message in self._encode([row], tick)]

    def _send(self, messages: Sequence[EncodedMessage]) -> None:
        for sink in self._sinks:
            try:
                sink.send(messages)
            except (OSError, RerundError):
                logger.exception("%s failed", type(sink).__name__)


def row_bytes(row: Row) -> int:
    """What the cells of a row take, about."""
    return sum(field.storage.nbytes(cell) for field, cell in zip(row[3], row[4], strict=True))


class _Pending:
    """An estimate of how many bytes wait, from a sample of the rows that came since it was last asked."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows
        self._seen = 0
        self._bytes = 0

    def bytes(self) -> int:
        count = len(self._rows)
        if new := count - self._seen:
            sample = self._rows[self._seen : count : max(1, new // _SAMPLED_ROWS)]
            sampled = sum(map(row_bytes, sample))
            self._bytes += sampled * new // len(sample)
            self._seen = count
        return self._bytes


_live: weakref.WeakSet[Batcher] = weakref.WeakSet()
_exit_hook_of = 0  # the process that has one


def close_all(deadline: float | None = None) -> None:
    """Close every recording of this process; by default within the time that an exit may take."""
    until = time.monotonic() + CLOSE_SECS if deadline is None else deadline
    for batcher in list(_live):
        batcher.close(until)


def _close_at_exit() -> None:
    """Once a process, when it first logs: multiprocessing clears what is registered before a child runs."""
    global _exit_hook_of
    if _exit_hook_of == os.getpid():
        return
    if multiprocessing.parent_process() is not None:  # such children end without atexit
        multiprocessing.util.Finalize(None, close_all, exitpriority=0)
    elif _exit_hook_of == 0:  # inherited by a child of os.fork
        atexit.register(close_all)
    _exit_hook_of = os.getpid()


def close_all_before_others() -> None:
    """At exit, close before what other modules registered until now: what is registered last runs first."""
    if _exit_hook_of and multiprocessing.parent_process() is None:
        atexit.unregister(close_all)
        atexit.register(close_all)


def _after_fork_in_child() -> None:
    for batcher in list(_live):
        batcher.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
