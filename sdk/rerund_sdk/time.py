"""The current time of each thread, on as many timelines as it has set.

Rule: a thread's values change in place, as a new tuple for each `set_time` would cost more than all the rest of it. So
who keeps a point in time copies it; `log` does, as it adds the values to a row.
All recording streams with the same ids share one `ThreadTime`; every thread starts without any timeline.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import numpy as np

from rerund_sdk.errors import BadData

SEQUENCE: Final = "sequence"
DURATION: Final = "duration"
TIMESTAMP: Final = "timestamp"
LOG_TIME: Final = "log_time"  # the timelines that a row is on without being told
LOG_TICK: Final = "log_tick"

_INT64_MIN: Final = -(2**63)
_LATEST_SECONDS: Final = 100_000_000_000  # year 5138: a larger number of seconds was surely given in other units
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Timelines(tuple[tuple[str, str], ...]):
    """The (name, type) of some timelines, sorted by name. Interned: the same timelines are the same object."""

    places: dict[tuple[str, str], int]  # of each timeline
    sequences: dict[str, int]  # places of those of that type, by name

    _interned: ClassVar[dict[tuple[tuple[str, str], ...], Timelines]] = {}

    @classmethod
    def of(cls, types: Mapping[str, str]) -> Timelines:
        key = tuple(sorted(types.items()))
        timelines = cls._interned.get(key)
        if timelines is None:
            timelines = cls(key)
            timelines.places = {timeline: place for place, timeline in enumerate(key)}
            timelines.sequences = {name: place for place, (name, type_name) in enumerate(key) if type_name == SEQUENCE}
            timelines = cls._interned.setdefault(key, timelines)
        return timelines


# Where a row lies on its timelines, and its value on each.
TimePoint: TypeAlias = "tuple[Timelines, Sequence[int]]"


class ThreadTime(threading.local):
    """`now` is the calling thread's point in time."""

    now: tuple[Timelines, list[int]] = (Timelines.of({}), [])

    def set(self, name: str, type_name: str, value: int) -> None:
        timelines, values = self.now
        place = timelines.places.get((name, type_name))
        if place is None:
            self.now = with_value(timelines, values, name, value, type_name)
        else:
            values[place] = value

    def disable(self, name: str) -> None:
        timelines, values = self.now
        types = dict(timelines)
        now = dict(zip(types, values, strict=True))
        types.pop(name, None)
        self.now = _point(types, now)

    def reset(self) -> None:
        self.now = (Timelines.of({}), [])


def with_value(
    timelines: Timelines, values: Sequence[int], name: str, value: int, type_name: str = SEQUENCE
) -> tuple[Timelines, list[int]]:
    """The point in time that differs from the given one on this timeline."""
    types = dict(timelines)
    now = dict(zip(types, values, strict=True))
    types[name] = type_name
    now[name] = value
    return _point(types, now)


def _point(types: Mapping[str, str], values: Mapping[str, int]) -> tuple[Timelines, list[int]]:
    timelines = Timelines.of(types)
    return timelines, [values[name] for name, _ in timelines]


_shared: weakref.WeakValueDictionary[tuple[str, str], ThreadTime] = weakref.WeakValueDictionary()


def shared_thread_time(application_id: str, recording_id: str) -> ThreadTime:
    """The one `ThreadTime` of all streams of a recording in this process."""
    return _shared.setdefault((application_id, recording_id), ThreadTime())


def time_value(sequence: Any, duration: Any, timestamp: Any) -> tuple[str, int]:
    """(type, value) of the one argument that is not None. Raises BadData, or ValueError if it is not exactly one.

    sequence: an integer. duration: seconds, timedelta or timedelta64. timestamp: seconds since the epoch, datetime
    (naive is taken as UTC) or datetime64. Durations and timestamps become nanoseconds.
    """
    given = [
        (kind, value) for kind, value in zip(_KINDS, (sequence, duration, timestamp), strict=True) if value is not None
    ]
    if len(given) != 1:
        raise ValueError(f"set_time takes exactly one of sequence=, duration= and timestamp=, not {len(given)} of them")
    kind, value = given[0]
    if kind == SEQUENCE:
        return kind, _in_range(_integer(value), f"sequence={value!r}")
    if kind == DURATION:
        return kind, _in_range(duration_nanos(value), f"duration={value!r}")
    return kind, _in_range(timestamp_nanos(value), f"timestamp={value!r}")


_KINDS: Final = (SEQUENCE, DURATION, TIMESTAMP)


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise BadData(f"sequence={value!r} is no integer") from error


def _in_range(value: int, what: str) -> int:
    if not _INT64_MIN <= value < 2**63:
        raise BadData(f"{what} does not fit into 64 bits")
    return max(value, _INT64_MIN + 1)  # the smallest number is Rerun's mark for static data


def duration_nanos(value: Any) -> int:
    """Nanoseconds of seconds (int, float), a timedelta or a timedelta64. Raises BadData."""
    if isinstance(value, np.timedelta64):
        return int(value.astype("timedelta64[ns]").astype(np.int64))
    if isinstance(value, timedelta):
        return (value.days * 86_400 + value.seconds) * 1_000_000_000 + value.microseconds * 1_000
    return _seconds_to_nanos(value, "duration")


def timestamp_nanos(value: Any) -> int:
    """Nanoseconds since the epoch of seconds (int, float), a datetime or a datetime64. Raises BadData."""
    if isinstance(value, np.datetime64):
        return int(value.astype("datetime64[ns]").astype(np.int64))
    if isinstance(value, datetime):
        return duration_nanos((value if value.tzinfo else value.replace(tzinfo=timezone.utc)) - _EPOCH)
    if isinstance(value, (int, float)) and value > _LATEST_SECONDS:
        raise BadData(
            f"timestamp={value!r} is beyond the year 5138 in seconds since the epoch: "
            "for nanoseconds use np.datetime64(value, 'ns')"
        )
    return _seconds_to_nanos(value, "timestamp")


def _seconds_to_nanos(value: Any, what: str) -> int:
    if isinstance(value, (int, np.integer)):
        return int(value) * 1_000_000_000
    try:
        return round(float(value) * 1e9)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadData(f"{what}={value!r} is no finite number of seconds, and no {what} of datetime or numpy") from error


to_nanos, to_nanos_since_epoch = duration_nanos, timestamp_nanos  # Rerun's names

# Rerun has these here: `from rerun.time import set_time`
_ELSEWHERE: Final = ("disable_timeline", "reset_time", "set_log_tick_enabled", "set_log_time_enabled", "set_time")

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _ELSEWHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import rerund_sdk

        return getattr(rerund_sdk, name)
