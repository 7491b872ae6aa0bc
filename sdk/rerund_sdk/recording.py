"""One recording, as this process logs into it.

Rule 1: `log` takes the time, keeps the row and returns: no encoding, no waiting, no lock.
Rule 2: what is wrong with the data costs that call alone: a warning, or an exception in strict mode (strictness.py).
Rule 3: without a mode (modes.py) messages are kept in memory; the first mode gets them all.
"""

from __future__ import annotations

import itertools
import os
import time as clock
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import numpy as np

from rerund_sdk import current, messages, names
from rerund_sdk.archetype import as_row
from rerund_sdk.batch import Cell, Field
from rerund_sdk.batcher import Batcher
from rerund_sdk.batcher_config import BatcherConfig
from rerund_sdk.endings import CLOSE_SECS
from rerund_sdk.entity_path import escape_part, normalise
from rerund_sdk.recording_extras import RecordingExtras
from rerund_sdk.series import Series
from rerund_sdk.shared_memory import own_copy
from rerund_sdk.sinks import BufferSink, EncodedMessage, Flushed, Level, Sink, SinkHolder, Store
from rerund_sdk.strictness import catch_and_log_exceptions, complain
from rerund_sdk.time import LOG_TICK, SEQUENCE, Timelines, shared_thread_time, time_value, with_value
from rerund_sdk.tuid import TuidClock, tuid_parts

if TYPE_CHECKING:
    from rerund_sdk.archetype import AsComponents
    from rerund_sdk.chunk import ChunkEncoder
    from rerund_sdk.column_chunk import ComponentColumnLike, TimeColumnLike

PROPERTIES_PATH: Final = "/__properties"
FOREVER: Final = 1e38  # seconds

_INT64_MAX: Final = 2**63 - 1
_STATIC: Final = (None, ())
_HEAVY_BYTES: Final = 16 * 1024  # of a row's arrays: smaller ones need no bound of their own
_KNOWN_PATHS: Final = 100_000


class RecordingStream(RecordingExtras):
    """Logs rows into one recording. Mirrors `rerun.RecordingStream`.

    application_id: names the program; bad characters are rewritten (names.py).
    recording_id: processes that give the same one share a recording. Default: a random one.
    make_default, make_thread_default: make it the current recording of the process, or of this thread.
    default_enabled: whether to log if the environment variable RERUN says nothing.
    send_properties: log the start time, which viewers show in the recording's title.

    As a context manager it is this thread's current recording, and is flushed at the end.
    Raises ValueError if application_id is empty.
    """

    def __init__(
        self,
        application_id: str,
        *,
        recording_id: str | UUID | None = None,
        make_default: bool = False,
        make_thread_default: bool = False,
        default_enabled: bool = True,
        send_properties: bool = True,
        batcher_config: BatcherConfig | None = None,
    ) -> None:
        self._application_id = names.application_id(application_id)
        self._recording_id = names.recording_id(recording_id) if recording_id is not None else uuid4().hex
        self._enabled = enabled_by_environment(default_enabled)
        store = messages.store_id(self._application_id, self._recording_id)
        info = messages.store_info_message(store, tuid_parts(TuidClock().next()))
        self.store = Store(self._application_id, self._recording_id, info)
        config = BatcherConfig.from_environment(batcher_config)
        self._batcher = Batcher(self.store, messages.ArrowMsgWriter(store), config)
        self._time = shared_thread_time(self._application_id, self._recording_id)
        self._paths: dict[str, str] = {}
        self._latest_series: dict[str, Series] = {}  # by entity path as given; empty while rows get log_tick
        self._ticks: Iterator[int] | None = None
        if config.log_tick:
            self.set_log_tick_enabled(True)
        if forced := os.environ.get("_RERUN_TEST_FORCE_SAVE"):
            self._force_save(forced)
        if send_properties:
            self.send_recording_start_time_nanos(clock.time_ns())
        if make_default:
            current.set_global(self)
        if make_thread_default:
            current.set_thread_local(self)

    # Who and where

    def get_application_id(self) -> str:
        """The application id, as readers will show it."""
        return self._application_id

    def get_recording_id(self) -> str:
        """The recording id."""
        return self._recording_id

    application_id = property(get_application_id)
    recording_id = property(get_recording_id)

    def is_enabled(self) -> bool:
        """Whether calls have any effect; see the environment variable RERUN."""
        return self._enabled

    def __repr__(self) -> str:
        return f"RecordingStream({self._application_id!r}, recording_id={self._recording_id!r})"

    # Time

    def set_time(
        self,
        timeline: str,
        *,
        sequence: int | None = None,
        duration: Any = None,
        timestamp: Any = None,
    ) -> None:
        """Set where this thread's next rows lie on a timeline; exactly one of the three is given.

        sequence: an integer. duration: seconds, timedelta or timedelta64. timestamp: seconds since the epoch, datetime
        (naive: UTC) or datetime64. Holds for this thread only, until changed.
        """
        if type(sequence) is int and duration is None and timestamp is None and -_INT64_MAX <= sequence <= _INT64_MAX:
            timelines, values = self._time.now
            try:
                values[timelines.sequences[timeline]] = sequence
            except KeyError:
                self._time.set(timeline, SEQUENCE, sequence)
            return
        with catch_and_log_exceptions("set_time"):
            self._time.set(timeline, *time_value(sequence, duration, timestamp))

    def disable_timeline(self, timeline: str) -> None:
        """Let this thread's next rows be on that timeline no more, until it is set again."""
        self._time.disable(timeline)

    def reset_time(self) -> None:
        """Let this thread's next rows be on no timeline but log_time."""
        self._time.reset()

    def set_log_time_enabled(self, enabled: bool) -> None:
        """Whether rows get the time of their `log` call on the timeline `log_time`. Default: yes."""
        self._batcher.set_log_time(enabled)

    def set_log_tick_enabled(self, enabled: bool) -> None:
        """Whether rows get the number of their `log` call on the timeline `log_tick`. Default: no."""
        self._ticks = itertools.count(self._batcher.rows_logged()) if enabled else None
        self._latest_series.clear()

    # Data

    def log(
        self,
        entity_path: str | list[object],
        entity: AsComponents | Iterable[ComponentColumnLike],
        *extra: AsComponents | Iterable[ComponentColumnLike],
        static: bool = False,
        strict: bool | None = None,
    ) -> None:
        """Log one row: all components of `entity` and `extra`, at this thread's time, at `entity_path`.

        entity_path: parts separated by `/`, special characters escaped by `\\`; or a list of unescaped parts.
        static: the row holds for all times and replaces what was static there before.
        Arrays are copied, so they may be reused at once. Never waits for a daemon, disk or viewer.
        Bad data is a warning and the row is dropped; with strict (or strict mode) it is an exception.
        """
        if not self._enabled:
            return
        nanos = time_ns()
        timelines, values = _STATIC if static else self._time.now
        try:
            series = self._latest_series[entity_path]  # type: ignore[index]
            if series.fields is entity._fields and series.timelines is timelines and not extra:  # type: ignore[union-attr]
                cells = entity._cells  # type: ignore[union-attr]
                if borrowed := entity._borrowed:  # type: ignore[union-attr]
                    cells = self._owned(series.fields, cells, borrowed)
                series.data.extend((nanos, *values, *cells))
                if not series.queued:
                    self._batcher.queue(series)
                elif len(series.data) > series.crowded:
                    self._batcher.wait_for_room(series)
                return
        except (KeyError, TypeError, AttributeError):
            pass
        with catch_and_log_exceptions(strict=strict):
            self._log_checked(entity_path, (entity, *extra), nanos, timelines, tuple(values))

    def _log_checked(
        self,
        entity_path: str | list[object],
        parts: Sequence[Any],
        nanos: int,
        timelines: Timelines | None,
        values: Sequence[int],
    ) -> None:
        """All other ways of `log`: the first row of its kind, several archetypes, arrays that must be copied."""
        path = self._path(entity_path)
        fields, cells = self._merged(parts)
        if not fields:
            return
        if self._ticks is not None and timelines is not None:
            timelines, values = with_value(timelines, values, LOG_TICK, next(self._ticks))
        series = self._batcher.series(path, timelines, fields)
        series.add(nanos, values, cells)
        if not series.queued:
            self._batcher.queue(series)
        elif len(series.data) > series.crowded:
            self._batcher.wait_for_room(series)
        if isinstance(entity_path, str) and self._ticks is None:
            self._latest_series[entity_path] = series

    def _merged(self, parts: Sequence[Any]) -> tuple[tuple[Field, ...], tuple[Cell, ...]]:
        """Fields and own cells of one row. A component that comes twice counts once: the first one."""
        rows = [as_row(part) for part in parts]
        owned = [self._owned(fields, cells, borrowed) if borrowed else cells for fields, cells, borrowed in rows]
        if len(parts) == 1:
            return rows[0][0], owned[0]
        found: dict[str, tuple[Field, Cell]] = {}
        for (fields, _, _), cells in zip(rows, owned, strict=True):
            for field, cell in zip(fields, cells, strict=True):
                if field.descriptor.component in found:
                    complain(f"{field.descriptor.component} is given twice in one call of log: the first one is kept")
                else:
                    found[field.descriptor.component] = (field, cell)
        merged = tuple(field for field, _ in found.values())
        return _combinations.setdefault(tuple(map(id, merged)), merged), tuple(cell for _, cell in found.values())

    def _owned(self, fields: tuple[Field, ...], cells: tuple[Cell, ...], borrowed: int) -> tuple[Cell, ...]:
        """The cells, and copies of the borrowed ones. Large ones may wait a moment (batcher.py)."""
        heavy = 0
        own = []
        for field, cell in zip(fields, cells, strict=True):
            is_heavy = type(cell) is np.ndarray and cell.nbytes >= _HEAVY_BYTES
            if is_heavy:
                heavy += cell.nbytes
            if borrowed & 1:
                cell = own_copy(cell) if is_heavy else field.storage.owned(cell)
            own.append(cell)
            borrowed >>= 1
        if heavy:
            self._batcher.add_heavy(heavy)
        return tuple(own)

    def _path(self, entity_path: str | list[object]) -> str:
        if not isinstance(entity_path, str):
            return normalise(entity_path)
        path = self._paths.get(entity_path)
        if path is None:
            if len(self._paths) >= _KNOWN_PATHS:
                self._paths.clear()
            path = self._paths[entity_path] = normalise(entity_path)
        return path

    def send_columns(
        self,
        entity_path: str,
        indexes: Iterable[TimeColumnLike],
        columns: Iterable[ComponentColumnLike],
        *,
        strict: bool | None = None,
    ) -> None:
        """Send many rows of one entity at once, column by column; all columns must have the same number of rows.

        indexes: `TimeColumn`s; none of them makes the rows static. columns: from `Archetype.columns(...)`.
        The thread's time plays no part, and no log_time is added.
        """
        if not self._enabled:
            return
        from rerund_sdk.column_chunk import encode

        with catch_and_log_exceptions(strict=strict):
            path = self._path(entity_path)
            self._batcher.send_ready(encode(self._batcher.encoder(), path, indexes, columns))

    def send_messages(self, encode: Callable[[ChunkEncoder], Iterable[EncodedMessage]]) -> None:
        if self._enabled:
            for message in encode(self._batcher.encoder()):
                self._batcher.send_ready(message)

    # Properties

    def send_property(self, name: str, values: AsComponents | Iterable[Any]) -> None:
        """Log a property of the whole recording: shown in its details, queried with it."""
        self.log(f"{PROPERTIES_PATH}/{escape_part(name)}", values, static=True)

    def send_recording_name(self, name: str) -> None:
        """Give the recording a name for people."""
        from rerund_sdk.archetypes import RecordingInfo

        self.log(PROPERTIES_PATH, RecordingInfo.from_fields(name=name), static=True)

    def send_recording_start_time_nanos(self, nanos: int) -> None:
        """Say when the recording started, in nanoseconds since the epoch. Sent at creation with the current time."""
        from rerund_sdk.archetypes import RecordingInfo

        self.log(PROPERTIES_PATH, RecordingInfo.from_fields(start_time=nanos), static=True)

    # Where it goes

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """What the recording's messages go to now."""
        return self._batcher.sinks

    def set_sinks(self, *sinks: Sink | SinkHolder, default_blueprint: Any = None) -> None:
        """Send everything to these sinks from now on, and first what was only kept in memory.

        Replaces the sinks in use; one that equals a sink in use goes on as it is. Raises ModeError if a sink cannot be
        opened (then nothing has changed), ValueError if two are equal.
        """
        own: tuple[Sink, ...] = tuple(getattr(sink, "sink", sink) for sink in sinks)  # type: ignore[arg-type]
        if len(set(own)) < len(own):
            raise ValueError(f"two of the {len(sinks)} sinks are the same: give each file and address once")
        if not self._enabled or os.environ.get("_RERUN_TEST_FORCE_SAVE"):
            return
        self._batcher.set_sinks(own, clock.monotonic() + CLOSE_SECS)
        if default_blueprint is not None:
            self.send_blueprint(default_blueprint, make_active=False, make_default=True)

    def _force_save(self, path: str) -> None:
        """As a test wants it: all output goes to one file, which the last recording of the process replaces."""
        from rerund_sdk.file_sink import FileSink

        global _forced
        before = _forced() if _forced is not None else None
        if before is not None:
            before.disconnect()
        _forced = weakref.ref(self)
        self._batcher.set_sinks((FileSink(path),), clock.monotonic() + CLOSE_SECS)

    def flush(self, *, timeout_sec: float = FOREVER, level: Level = "written", timeout: float | None = None) -> Flushed:
        """Wait until everything logged before is where it belongs: written to the file, or in the daemon's log.

        level: "sent", "written" or "synced", see `Flushed`. timeout_sec: longest wait in seconds; timeout: the same.
        The answer is true if the level was reached in time, and says which one was.
        """
        if level not in ("sent", "written", "synced"):
            raise ValueError(f"level={level!r} is none of 'sent', 'written' and 'synced'")
        wait = timeout_sec if timeout is None else timeout
        return self._batcher.flush(clock.monotonic() + wait, level)

    def disconnect(self) -> None:
        """Send what waits, close the sinks, and keep what comes later in memory until the next mode."""
        self._batcher.set_sinks((BufferSink(),), clock.monotonic() + CLOSE_SECS)

    def __enter__(self) -> RecordingStream:
        current.push(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush(timeout_sec=CLOSE_SECS)
        current.pop(self)

    def __del__(self) -> None:
        batcher = getattr(self, "_batcher", None)
        if batcher is not None and not batcher.is_closed:  # it is after exit, when this may run with modules gone
            batcher.close(clock.monotonic() + CLOSE_SECS)


_forced: weakref.ref[RecordingStream] | None = None  # the recording that has the file of _RERUN_TEST_FORCE_SAVE
_combinations: dict[tuple[int, ...], tuple[Field, ...]] = {}  # so that equal rows have the same tuple of fields


def enabled_by_environment(default: bool) -> bool:
    """Whether the environment variable RERUN says to log; `default` if it does not."""
    text = os.environ.get("RERUN", "").lower()
    if text in ("on", "1", "true"):
        return True
    if text in ("off", "0", "false"):
        return False
    if text:
        complain(f"RERUN={text!r} is none of on, 1, true, off, 0, false: it is ignored")
    return default
