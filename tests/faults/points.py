"""Named points of the write path at which a process kills itself: the Nth time that it comes there.

The code knows nothing of it: what runs at the point is wrapped in the process that is to die, before it begins.
"""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

When = Literal["before", "after", "half"]  # half: of what it was to write


class Point(NamedTuple):
    """Where: a function, or a method of a class."""

    module: str
    name: str
    when: When
    often: int  # how often it is passed in a second or so, about

    def __str__(self) -> str:
        return f"{self.when} {self.module}.{self.name}"


class Armed(NamedTuple):
    """The point, and which passing of it is the last."""

    point: Point
    passing: int

    def __str__(self) -> str:
        return f"{self.point} for the {self.passing}. time"


_DAEMON: Final = (
    ("rerund.log", "Log.append", 15),
    ("rerund.log", "Log.begin_segment", 4),
    ("rerund.log", "cut_torn_tail", 1),
    ("rerund.index", "SegmentIndex.add", 15),
    ("rerund.index", "SegmentIndex.write_totals", 3),
    ("rerund.index", "Names.write", 5),
    ("rerund.recovery", "_repair", 1),
    ("rerund.reception", "Reception._greet", 3),
    ("rerund.intake", "Intake._acknowledge", 25),
    ("rerund.intake", "Intake._drain", 1),
    ("rerund.sync", "GroupCommit._sync", 2),
    ("rerund.collector", "_Producer.deliver", 1),
    ("rerund.collector", "_delete", 1),
)
_PRODUCER: Final = (
    ("rerund_sdk.daemon_link", "Link.send_append", 25),
    ("rerund_sdk.daemon_link", "Link.say_goodbye", 1),
    ("rerund_sdk.outbox", "Outbox.acked", 25),
    ("rerund_sdk.spill", "_Segment.append", 5),
    ("rerund_sdk.spill", "_Segment.read", 5),
    ("rerund_sdk.spill", "_Segment.delete", 2),
    ("rerund_sdk.spiller", "Spiller._leave_rest", 1),
)


def _around(places: Sequence[tuple[str, str, int]]) -> list[Point]:
    return [Point(module, name, when, often) for module, name, often in places for when in ("before", "after")]


DAEMON: Final = (
    *_around(_DAEMON),
    Point("os", "pwritev", "half", 15),  # of a log
    *2 * _around([("rerund.log", "Log.append", 25), ("rerund.intake", "Intake._acknowledge", 40)]),  # what counts most
    Point("os", "pwrite", "half", 10),  # of an index
    Point("pathlib", "Path.rename", "before", 4),  # of a new segment
    Point("pathlib", "Path.rename", "after", 4),
)
PRODUCER: Final = (*_around(_PRODUCER), Point("os", "writev", "half", 5))  # of a spill file


def arm(armed: Armed) -> None:
    """From here on this process dies there."""
    point = armed.point
    owner: Any = importlib.import_module(point.module)
    *owners, name = point.name.split(".")
    for each in owners:
        owner = getattr(owner, each)
    real = getattr(owner, name)
    if point.module == "rerund.log" and not owners:  # it is imported by name
        _replace("rerund.recovery", name, _dying(real, armed))
    setattr(owner, name, _dying(real, armed))


def _replace(module: str, name: str, by: Callable[..., Any]) -> None:
    setattr(importlib.import_module(module), name, by)


def _dying(real: Callable[..., Any], armed: Armed) -> Callable[..., Any]:
    passed = 0

    def dying(*args: Any, **options: Any) -> Any:
        nonlocal passed
        passed += 1
        if passed < armed.passing:
            return real(*args, **options)
        if armed.point.when == "half":
            file, data, *offset = args
            joined = bytes(data) if isinstance(data, (bytes, memoryview)) else b"".join(data)
            half = joined[: len(joined) // 2]
            real(file, half if isinstance(data, (bytes, memoryview)) else [half], *offset)
        elif armed.point.when == "after":
            real(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    return dying
