"""Rows of one kind that wait to be encoded: of one entity path, on one set of timelines, with one set of fields.

Form: one flat list; a row is `width` items in it: time of its `log` call (ns), its value on each timeline, its cells.
Flat, since a list of row objects costs twice the time: a column is a slice of it, and the garbage collector finds no
containers in it to visit.
Rule 1: a row is added by one `extend`, which is atomic; whoever adds one then queues the series, unless it is `queued`.
The batcher clears that mark before it takes rows. So no row is left behind.
Rule 2: a cell here shares no memory with the caller.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rerund_sdk.batch import Cell, Field, Row
from rerund_sdk.time import Timelines, TimePoint


class Series:
    """The waiting rows of one kind."""

    __slots__ = (
        "_nbytes",
        "chunk_kind",
        "crowded",
        "data",
        "fields",
        "path",
        "path_bytes",
        "queued",
        "timelines",
        "width",
    )

    def __init__(self, path: str, timelines: Timelines | None, fields: tuple[Field, ...]) -> None:
        self.path = path
        self.path_bytes = path.encode()
        self.timelines = timelines  # None: static
        self.fields = fields
        self.width = 1 + len(timelines or ()) + len(fields)
        self.data: list[Any] = []
        self._nbytes = [field.storage.nbytes for field in fields]
        self.queued = False
        self.crowded = sys.maxsize  # items of `data` beyond which whoever adds a row waits a moment
        # Rows share a chunk if they agree in this, as Rerun groups them
        self.chunk_kind = (path, timelines, tuple(field.storage.arrow_type for field in fields))

    def __len__(self) -> int:
        """How many rows wait."""
        return len(self.data) // self.width

    def add(self, nanos: int, values: Sequence[int], cells: tuple[Cell, ...]) -> None:
        """Append a row; the caller then queues the series."""
        self.data.extend((nanos, *values, *cells))

    def forget(self) -> None:
        """In a forked child: what waits here is its parent's."""
        self.data = []
        self.queued = False

    def take(self, most_rows: int) -> Rows:
        """The oldest rows, `most_rows` at the most; they are not here any longer."""
        count = min(len(self), most_rows)
        end = count * self.width
        data = self.data[:end]
        del self.data[:end]  # rows that came meanwhile stay
        return Rows(self, data, count)

    def cells_bytes(self, row: int) -> int:
        """What the cells of a waiting row take, about."""
        end = (row + 1) * self.width
        size = 0
        for nbytes, cell in zip(self._nbytes, self.data[end - len(self._nbytes) : end], strict=False):
            size += nbytes(cell)
        return size


class Rows:
    """Rows that were taken from a series."""

    __slots__ = ("count", "data", "series")

    def __init__(self, series: Series, data: list[Any], count: int) -> None:
        self.series = series
        self.data = data
        self.count = count

    def nanos(self) -> list[int]:
        return self.data[:: self.series.width]

    def times(self, timeline: int) -> list[int]:
        """The values on the timeline of that number."""
        return self.data[1 + timeline :: self.series.width]

    def cells(self, field: int) -> list[Cell]:
        """The cells of the field of that number."""
        width = self.series.width
        return self.data[width - len(self.series.fields) + field :: width]

    def one_by_one(self) -> list[Row]:
        """The rows as tuples."""
        series = self.series
        first_cell = series.width - len(series.fields)
        rows: list[Row] = []
        for start in range(0, len(self.data), series.width):
            row = self.data[start : start + series.width]
            time: TimePoint | None = None
            if series.timelines is not None:
                time = (series.timelines, tuple(row[1:first_cell]))
            rows.append((series.path, row[0], time, series.fields, tuple(row[first_cell:])))
        return rows
