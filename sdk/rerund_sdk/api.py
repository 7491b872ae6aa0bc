"""The module-level functions: each calls the method of the same name on the current recording.

Where there is none, nothing is logged and a warning says so, once for each place in the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from rerund_sdk import current, names, strictness
from rerund_sdk.batcher_config import BatcherConfig
from rerund_sdk.endings import close_all
from rerund_sdk.recording import FOREVER, RecordingStream
from rerund_sdk.sinks import Flushed

if TYPE_CHECKING:
    from rerund_sdk.archetype import AsComponents
    from rerund_sdk.column_chunk import ComponentColumnLike, TimeColumnLike
    from rerund_sdk.sinks import Level, Sink, SinkHolder

_required = current.required
_Function = TypeVar("_Function", bound=Callable[..., Any])


def init(
    application_id: str,
    recording_id: str | UUID | None = None,
    spawn: bool = False,
    *,
    init_logging: bool = True,
    default_enabled: bool = True,
    strict: bool | None = None,
    default_blueprint: Any = None,
    send_properties: bool = True,
    batcher_config: BatcherConfig | None = None,
) -> RecordingStream:
    """Make a new recording the current one of this process. Mirrors `rerun.init`, and returns the recording.

    application_id: names the program; viewers keep their layout by it.
    recording_id: processes that give the same one log into one recording. Default: `RERUND_RECORDING_ID`, else an id
    that this process shares with its multiprocessing children only.
    spawn: also start the daemon and a viewer, or use those that run; see `spawn`.
    strict: bad data raises an exception instead of a warning. Default: as the environment variable RERUN_STRICT says.
    default_blueprint: goes with spawn; as in Rerun, without it this has no effect: give it to the mode.
    """
    if strict is not None:
        strictness.set_strict_mode(strict)
    del init_logging  # Rerun's: whether its own log messages are shown; ours go to Python's logging as usual
    if application_id.startswith("rerun_example_"):
        _seed_random()
    recording = RecordingStream(
        application_id,
        recording_id=recording_id or names.default_recording_id(names.application_id(application_id)),
        default_enabled=default_enabled,
        send_properties=send_properties,
        batcher_config=batcher_config,
    )
    before = current.set_global(recording)
    if before is not None:
        before.flush(timeout_sec=0.5)
    if spawn:
        from rerund_sdk import modes

        modes.spawn(default_blueprint=default_blueprint, recording=recording)
    return recording


def _seed_random() -> None:
    """Rerun's examples look the same in every run."""
    import random

    import numpy as np

    random.seed(0)
    np.random.seed(0)


def log(
    entity_path: str | list[object],
    entity: AsComponents | Iterable[ComponentColumnLike],
    *extra: AsComponents | Iterable[ComponentColumnLike],
    static: bool = False,
    recording: RecordingStream | None = None,
    strict: bool | None = None,
) -> None:
    """Log one row; see `RecordingStream.log`."""
    found = recording or current.only or current.get() or _required(None, "log")
    if found is None:
        return
    if extra or static or strict is not None:
        found.log(entity_path, entity, *extra, static=static, strict=strict)
    else:
        found.log(entity_path, entity)  # a call with a star costs as much as all of `log`


def send_columns(
    entity_path: str,
    indexes: Iterable[TimeColumnLike],
    columns: Iterable[ComponentColumnLike],
    *,
    recording: RecordingStream | None = None,
    strict: bool | None = None,
) -> None:
    """Send many rows at once, column by column; see `RecordingStream.send_columns`."""
    if found := _required(recording, "send_columns"):
        found.send_columns(entity_path, indexes, columns, strict=strict)


def set_time(
    timeline: str,
    *,
    recording: RecordingStream | None = None,
    sequence: int | None = None,
    duration: Any = None,
    timestamp: Any = None,
) -> None:
    """Set where this thread's next rows lie on a timeline; see `RecordingStream.set_time`."""
    found = recording or current.only or current.get() or _required(None, "set_time")
    if found is not None:
        found.set_time(timeline, sequence=sequence, duration=duration, timestamp=timestamp)


def disable_timeline(timeline: str, recording: RecordingStream | None = None) -> None:
    """Let this thread's next rows be on that timeline no more."""
    if found := _required(recording, "disable_timeline"):
        found.disable_timeline(timeline)


def reset_time(recording: RecordingStream | None = None) -> None:
    """Let this thread's next rows be on no timeline but log_time."""
    if found := _required(recording, "reset_time"):
        found.reset_time()


def set_log_time_enabled(enabled: bool, recording: RecordingStream | None = None) -> None:
    """Whether rows get the time of their call on the timeline `log_time`."""
    if found := _required(recording, "set_log_time_enabled"):
        found.set_log_time_enabled(enabled)


def set_log_tick_enabled(enabled: bool, recording: RecordingStream | None = None) -> None:
    """Whether rows get the number of their call on the timeline `log_tick`."""
    if found := _required(recording, "set_log_tick_enabled"):
        found.set_log_tick_enabled(enabled)


def send_property(name: str, values: AsComponents | Iterable[Any], recording: RecordingStream | None = None) -> None:
    """Log a property of the whole recording."""
    if found := _required(recording, "send_property"):
        found.send_property(name, values)


def send_recording_name(name: str, recording: RecordingStream | None = None) -> None:
    """Give the recording a name for people."""
    if found := _required(recording, "send_recording_name"):
        found.send_recording_name(name)


def send_recording_start_time_nanos(nanos: int, recording: RecordingStream | None = None) -> None:
    """Say when the recording started, in nanoseconds since the epoch."""
    if found := _required(recording, "send_recording_start_time_nanos"):
        found.send_recording_start_time_nanos(nanos)


def send_blueprint(
    blueprint: Any,
    *,
    make_active: bool = True,
    make_default: bool = True,
    recording: RecordingStream | None = None,
) -> None:
    """Send a layout for the viewers of this application; see `RecordingStream.send_blueprint`."""
    if found := _required(recording, "send_blueprint"):
        found.send_blueprint(blueprint, make_active=make_active, make_default=make_default)


def set_sinks(
    *sinks: Sink | SinkHolder, default_blueprint: Any = None, recording: RecordingStream | None = None
) -> None:
    """Send everything to these sinks from now on; see `RecordingStream.set_sinks`."""
    if found := _required(recording, "set_sinks"):
        found.set_sinks(*sinks, default_blueprint=default_blueprint)


def flush(
    *,
    timeout_sec: float = FOREVER,
    level: Level = "written",
    timeout: float | None = None,
    recording: RecordingStream | None = None,
) -> Flushed:
    """Wait until everything logged before is where it belongs; see `RecordingStream.flush`."""
    found = _required(recording, "flush")
    if found is None:
        return Flushed("", level)
    return found.flush(timeout_sec=timeout_sec, level=level, timeout=timeout)


def disconnect(recording: RecordingStream | None = None) -> None:
    """Close the sinks, and keep what comes later in memory until the next mode."""
    if found := _required(recording, "disconnect"):
        found.disconnect()


def is_enabled(recording: RecordingStream | None = None) -> bool:
    """Whether logging has any effect; see the environment variable RERUN."""
    found = current.get(recording)
    return found is not None and found.is_enabled()


def get_application_id(recording: RecordingStream | None = None) -> str | None:
    """The current recording's application id; None without one."""
    found = current.get(recording)
    return None if found is None else found.get_application_id()


def get_recording_id(recording: RecordingStream | None = None) -> str | None:
    """The current recording's id; None without one."""
    found = current.get(recording)
    return None if found is None else found.get_recording_id()


def get_data_recording(recording: RecordingStream | None = None) -> RecordingStream | None:
    """The recording that module-level functions log into now."""
    return current.get(recording)


def get_global_data_recording() -> RecordingStream | None:
    """The current recording of this process, whatever the thread has."""
    return current.get_global()


def set_global_data_recording(recording: RecordingStream | None) -> RecordingStream | None:
    """Make it the current recording of this process; returns the one before."""
    return current.set_global(recording)


def get_thread_local_data_recording() -> RecordingStream | None:
    """The current recording of this thread, if it has one of its own."""
    return current.get_thread_local()


def set_thread_local_data_recording(recording: RecordingStream | None) -> RecordingStream | None:
    """Make it the current recording of this thread; returns the one before."""
    return current.set_thread_local(recording)


def rerun_shutdown() -> None:
    """Flush and close every recording of this process. Named as Rerun names it; it also runs at exit."""
    close_all()


def shutdown_at_exit(function: _Function) -> _Function:
    """Rerun needs this decorator on functions that run in a child process; here every child flushes as it ends."""
    return function
