"""Ranges of time, absolute or relative to the viewer's time cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from rerund_sdk.batch import Cell
from rerund_sdk.encoding import Encoding, batch_of, to_arrow
from rerund_sdk.encodings.numbers import TimeInt, TimeIntLike
from rerund_sdk.encodings.text import Utf8, Utf8Like
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Arrow, arrow_given, shown
from rerund_sdk.struct_encoding import Member, Struct

_KINDS = ("_null_markers", "cursor_relative", "absolute", "infinite")  # in the order of the union's type ids
_BOUNDARY = pa.dense_union(
    [
        pa.field("_null_markers", pa.null()),
        pa.field("CursorRelative", pa.int64(), nullable=False),
        pa.field("Absolute", pa.int64(), nullable=False),
        pa.field("Infinite", pa.null()),
    ]
)


def time_int(time: TimeIntLike) -> TimeInt:
    return time if isinstance(time, TimeInt) else TimeInt(seq=time)


class AbsoluteTimeRange(Struct, members=(Member("min", TimeInt), Member("max", TimeInt))):
    """From min to max, both included."""

    def __init__(self, min: TimeIntLike, max: TimeIntLike) -> None:
        self.min = time_int(min)
        self.max = time_int(max)


def _boundaries_cell(data: Any) -> Cell:
    if (array := arrow_given(data, _BOUNDARY)) is not None:
        return array
    boundaries = [data] if isinstance(data, TimeRangeBoundary) else list(data)
    for boundary in boundaries:
        if not isinstance(boundary, TimeRangeBoundary):
            raise BadData(f"expected TimeRangeBoundary, got {shown(boundary)}")
    kinds = np.array([_KINDS.index(boundary.kind) for boundary in boundaries], np.int8)
    places = np.zeros(len(kinds), np.int32)  # of each boundary among those of its kind
    for kind in set(kinds.tolist()):
        places[kinds == kind] = np.arange(np.count_nonzero(kinds == kind))
    times = {
        kind: to_arrow(TimeInt, [boundary.inner for boundary in boundaries if boundary.kind == kind])
        for kind in ("cursor_relative", "absolute")
    }
    infinite = int(np.count_nonzero(kinds == _KINDS.index("infinite")))
    return pa.Array.from_buffers(
        _BOUNDARY,
        len(boundaries),
        [None, pa.py_buffer(kinds), pa.py_buffer(places)],
        children=[pa.nulls(0), times["cursor_relative"], times["absolute"], pa.nulls(infinite)],
    )


class TimeRangeBoundary(Encoding, storage=Arrow(_BOUNDARY), cell=_boundaries_cell):
    """One end of a time range: an absolute time, an offset from the time cursor, or no end."""

    def __init__(
        self,
        inner: TimeInt | None,
        kind: Literal["cursor_relative", "absolute", "infinite"] = "cursor_relative",
    ) -> None:
        self.inner = inner
        self.kind = kind

    @staticmethod
    def cursor_relative(
        offset: TimeInt | None = None,
        *,
        seq: int | None = None,
        seconds: float | None = None,
        nanos: int | None = None,
    ) -> TimeRangeBoundary:
        """An offset from the time cursor, by default none: the cursor itself."""
        if offset is not None and not seq is seconds is nanos is None:
            raise BadData("a boundary takes only one of offset, seq, seconds and nanos")
        if offset is None:
            offset = (
                TimeInt(seq=0) if seq is seconds is nanos is None else TimeInt(seq=seq, seconds=seconds, nanos=nanos)
            )
        return TimeRangeBoundary(offset, "cursor_relative")

    @staticmethod
    def absolute(
        time: TimeInt | None = None,
        *,
        seq: int | None = None,
        seconds: float | None = None,
        nanos: int | None = None,
    ) -> TimeRangeBoundary:
        """A fixed time."""
        if sum(given is not None for given in (time, seq, seconds, nanos)) != 1:
            raise BadData("a boundary needs exactly one of time, seq, seconds and nanos")
        return TimeRangeBoundary(time or TimeInt(seq=seq, seconds=seconds, nanos=nanos), "absolute")

    @staticmethod
    def infinite() -> TimeRangeBoundary:
        """As far as there is data."""
        return TimeRangeBoundary(None, "infinite")


class TimeRange(
    Struct, members=(Member("start", TimeRangeBoundary, optional=True), Member("end", TimeRangeBoundary, optional=True))
):
    """From start to end."""

    def __init__(self, start: TimeRangeBoundary, end: TimeRangeBoundary) -> None:
        self.start = start
        self.end = end


class VisibleTimeRange(Struct, members=(Member("timeline", Utf8), Member("range", TimeRange))):
    """What of a timeline is shown: a range, or its start and end."""

    def __init__(
        self,
        timeline: Utf8Like,
        range: TimeRange | None = None,
        *,
        start: TimeRangeBoundary | None = None,
        end: TimeRangeBoundary | None = None,
    ) -> None:
        if (range is None) == (start is None or end is None):
            raise BadData("a visible time range needs either range, or both start and end")
        self.timeline = timeline if isinstance(timeline, Utf8) else Utf8(timeline)
        self.range = range or TimeRange(start, end)  # type: ignore[arg-type]


AbsoluteTimeRangeBatch = batch_of(AbsoluteTimeRange)
TimeRangeBatch = batch_of(TimeRange)
TimeRangeBoundaryBatch = batch_of(TimeRangeBoundary)
VisibleTimeRangeBatch = batch_of(VisibleTimeRange)

AbsoluteTimeRangeLike: TypeAlias = AbsoluteTimeRange
AbsoluteTimeRangeArrayLike: TypeAlias = AbsoluteTimeRange | Sequence[AbsoluteTimeRange]
TimeRangeLike: TypeAlias = TimeRange
TimeRangeArrayLike: TypeAlias = TimeRange | Sequence[TimeRange]
TimeRangeBoundaryLike: TypeAlias = TimeRangeBoundary
TimeRangeBoundaryArrayLike: TypeAlias = TimeRangeBoundary | Sequence[TimeRangeBoundary]
VisibleTimeRangeLike: TypeAlias = VisibleTimeRange
VisibleTimeRangeArrayLike: TypeAlias = VisibleTimeRange | Sequence[VisibleTimeRange]
