"""The rows of text logs before a moment, the latest first, a page at a time.

Limit: one answer looks into so many chunks; if that is not enough for a whole page, it says up to where it looked. It
looks into more only if they all reach up to one moment, as there is no place between them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from rerund.web.finder import Finder, Found
from rerund.web.latest import LOWEST
from rerund_sdk.chunk_reader import Chunk

MOST_CHUNKS: Final = 400
_TEXT, _LEVEL, _COLOR = "TextLog:text", "TextLog:level", "TextLog:color"


class TextRow(NamedTuple):
    """One entry of a text log."""

    time: int
    row_id: bytes
    entity: str
    text: str
    level: str
    color: int | None  # 0xRRGGBBAA


class Place(NamedTuple):
    """Between rows: behind all that are earlier, or as early and with a lesser row id."""

    time: int
    row_id: bytes


class Page(NamedTuple):
    """The latest rows first."""

    rows: list[TextRow]
    looked_back_to: Place | None  # rows before it were not looked for; None: there are none


class Filter(NamedTuple):
    """Which rows are wanted."""

    levels: frozenset[str] | None = None  # None: all
    text: str = ""  # contained in the row's text or entity path, in whatever case

    def lets_pass(self, row: TextRow) -> bool:
        if self.levels is not None and row.level not in self.levels:
            return False
        wanted = self.text.casefold()
        return not wanted or wanted in row.text.casefold() or wanted in row.entity.casefold()


def behind(time: int) -> Place:
    """Behind all rows up to a time."""
    return Place(time, b"\xff" * 17)


def text_rows(
    finder: Finder, entities: Sequence[str], timeline: str, before: Place, limit: int, wanted: Filter | None = None
) -> Page:
    """At most `limit` rows before a place. Raises BadRrd, OSError."""
    wanted = wanted or Filter()
    rows: list[TextRow] = []
    has_more = False  # rows that were found and did not fit
    chunks = heapq.merge(
        *(_numbered(finder, entity, timeline, before.time) for entity in entities), key=lambda each: -each[0].high
    )
    for looked, (found, entity) in enumerate(chunks):
        if len(rows) >= limit:
            has_more = has_more or len(rows) > limit
            rows = _latest(rows, limit)
            if rows[-1].time > found.high:
                return Page(rows, Place(*rows[-1][:2]))
        if looked >= MOST_CHUNKS and behind(found.high) < before:
            complete = [row for row in rows if row.time > found.high]  # of earlier ones there may be more
            return Page(_latest(complete, limit), behind(found.high))
        rows += [
            row for row in _rows_of(finder.open(found), entity, timeline) if row[:2] < before and wanted.lets_pass(row)
        ]
    shown = _latest(rows, limit)
    return Page(shown, Place(*shown[-1][:2]) if has_more or len(rows) > limit else None)


def _latest(rows: list[TextRow], limit: int) -> list[TextRow]:
    return sorted(rows, key=lambda row: row[:2], reverse=True)[:limit]


def _numbered(finder: Finder, entity: str, timeline: str, before: int) -> Iterator[tuple[Found, str]]:
    for found in finder.temporal(entity, timeline, LOWEST, before):
        yield found, entity


def _rows_of(chunk: Chunk, entity: str, timeline: str) -> Iterator[TextRow]:
    times = next((index.values for index in chunk.indexes if index.timeline == timeline), None)
    columns = {each.descriptor.component: each.column for each in chunk.components}
    if times is None or _TEXT not in columns:
        return
    texts = columns[_TEXT].to_pylist()
    levels = _firsts(columns.get(_LEVEL), chunk.rows)
    colors = _firsts(columns.get(_COLOR), chunk.rows)
    ids = chunk.row_id_column.to_pylist()
    for row, lines in enumerate(texts):
        if lines:
            text = "\n".join(str(line) for line in lines)
            yield TextRow(int(times[row]), ids[row], entity, text, str(levels[row] or ""), colors[row])


def _firsts(column: Any, rows: int) -> list[Any]:
    """The first item of each list; None where there is none."""
    if column is None:
        return [None] * rows
    return [items[0] if items else None for items in column.to_pylist()]
