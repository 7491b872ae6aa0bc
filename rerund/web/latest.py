"""What an entity is at a time: for each component the last row that says something of it, as Rerun's latest-at.

Rule: a static row beats all others; of rows at one time the one logged last counts; a null list says nothing, an empty
one says that the component was cleared.
Limit: of each entity only so many chunks are looked into, the latest ones and the first. A component that was said in
none of them is not found.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from rerund.web.finder import Finder, said
from rerund_sdk.chunk_reader import Chunk

MOST_CHUNKS: Final = 32
MOST_BYTES: Final = 16 << 20
LOWEST: Final = -(2**63)
HIGHEST: Final = 2**63 - 1


class Value(NamedTuple):
    """What a component is."""

    time: int | None  # on the timeline; None: static
    row_id: bytes
    column: pa.Array[Any]  # one list
    field: pa.Field[Any]

    @property
    def order(self) -> tuple[int, bytes]:
        return (LOWEST if self.time is None else self.time, self.row_id)


def latest_at(
    finder: Finder, entity: str, timeline: str, at: int, wanted: Collection[str] | None = None
) -> dict[str, Value]:
    """The components of `entity` at `at`, by name. `wanted`: only these; None: all known. Raises BadRrd, OSError."""
    names = set(finder.components(entity) if wanted is None else wanted)
    values = _static(finder, entity, names)
    missing = names - values.keys()
    looked, size = 0, 0
    for found in finder.temporal(entity, timeline, LOWEST, at) if missing else ():
        settled = all(name in values and values[name].order[0] > min(found.high, at) for name in missing)
        if settled or looked == MOST_CHUNKS or (looked and size + found.size > MOST_BYTES):
            break
        looked, size = looked + 1, size + found.size
        _take(values, finder.open(found), missing, timeline, at)
    if missing - values.keys():
        for found in finder.ends(entity):
            _take(values, finder.open(found), missing, timeline, at)
    return values


def next_row(finder: Finder, entities: Collection[str], timeline: str, at: int, *, forward: bool) -> int | None:
    """The time of the next row of any of `entities` after `at`, or of the last one before. Raises BadRrd, OSError."""
    best: int | None = None
    low, high = (at + 1, HIGHEST) if forward else (LOWEST, at - 1)
    for entity in entities:
        for found in finder.temporal(entity, timeline, low, high, earliest_first=forward):
            if best is not None and (found.low >= best if forward else found.high <= best):
                break
            times = next(index.values for index in finder.open(found).indexes if index.timeline == timeline)
            times = times[(times >= low) & (times <= high)]
            if len(times):
                nearest = int(times.min() if forward else times.max())
                best = nearest if best is None else (min if forward else max)(best, nearest)
    return best


def _static(finder: Finder, entity: str, names: set[str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for found in finder.static(entity)[-MOST_CHUNKS:]:
        _take(values, finder.open(found), names, None, 0)
    return values


def _take(values: dict[str, Value], chunk: Chunk, names: set[str], timeline: str | None, at: int) -> None:
    """Put in place what `chunk` says of the components `names` later than `values` do."""
    rows = np.arange(chunk.rows)
    times = None
    if timeline is not None:
        times = next((index.values for index in chunk.indexes if index.timeline == timeline), None)
        if times is None:
            return
        rows = np.flatnonzero(times <= at)
    for component in chunk.components:
        name = component.descriptor.component
        value = _last(chunk, component.column, component.field, rows, times) if name in names else None
        if value and (name not in values or value.order >= values[name].order):
            values[name] = value


def _last(chunk: Chunk, column: pa.Array[Any], field: pa.Field[Any], rows: Any, times: Any) -> Value | None:
    """The last of `rows` in which `column` says something."""
    if column.null_count:
        rows = rows[said(column)[rows]]
    if not len(rows):
        return None
    if times is not None:
        rows = rows[times[rows] == times[rows].max()]
    ids = chunk.row_id_column
    row = max(rows.tolist(), key=lambda row: ids[row].as_py()) if len(rows) > 1 else int(rows[0])
    return Value(None if times is None else int(times[row]), ids[row].as_py(), _one_list(column, row), field)


def _one_list(column: pa.Array[Any], row: int) -> pa.Array[Any]:
    """One row of a column; a column of bare values counts as one of lists with one item each."""
    one = column.slice(row, 1)
    if pa.types.is_list(column.type):
        return one
    return pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), one)
