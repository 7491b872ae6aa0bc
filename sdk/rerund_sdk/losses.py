"""Rows that a producer had to give up, added up by cause and entity."""

from __future__ import annotations

from typing import Final

from rerund_sdk.tuid import TUID_SIZE, tuid_parts
from rerund_sdk.wire import IndexEntry, Loss

_MAX_ENTRIES: Final = 1000
_OTHER_PATHS: Final = "/*"  # what further entities are added up under


class LossCounter:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._losses: dict[tuple[str, str], Loss] = {}
        self.rows = 0

    def add(self, entry: IndexEntry, cause: str) -> None:
        """The message of this entry is lost."""
        key = (cause, entry.entity_path)
        if key not in self._losses and len(self._losses) >= _MAX_ENTRIES:
            key = (cause, _OTHER_PATHS)
        first, last = _time_span(entry)
        before = self._losses.get(key) or Loss(*key, 0, first, last)
        self._losses[key] = before._replace(
            rows=before.rows + entry.rows,
            first_nanos=min(first, before.first_nanos),
            last_nanos=max(last, before.last_nanos),
        )
        self.rows += entry.rows

    def entries(self) -> tuple[Loss, ...]:
        return tuple(self._losses.values())


def _time_span(entry: IndexEntry) -> tuple[int, int]:
    """When the rows were logged, in nanoseconds since the epoch; of static ones, when they were sent."""
    for timeline in entry.ranges:
        if timeline.timeline == "log_time":
            return timeline.min, timeline.max
    nanos = tuid_parts(entry.chunk_id)[0] if len(entry.chunk_id) == TUID_SIZE else 0
    return nanos, nanos
