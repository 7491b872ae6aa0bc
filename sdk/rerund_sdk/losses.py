"""Rows that a producer had to give up: added up by cause and entity, declared in reports, told in the recording.

A report is a chunk at LOSSES_PATH, one row for each cause and entity. Stock viewers show it as a text log of level
WARN; its other columns are for programs. The report's id is the id of that chunk: so whoever writes it, the daemon that
was told of it or the producer among what it leaves behind, a recording has it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from rerund_sdk import arrow
from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.chunk import ChunkEncoder, ComponentColumn, TimeColumn
from rerund_sdk.messages import ArrowMsgWriter, store_id
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.time import LOG_TIME, TIMESTAMP
from rerund_sdk.tuid import TUID_SIZE, TuidClock, tuid_parts
from rerund_sdk.wire import IndexEntry, Loss

LOSSES_PATH: Final = "/__rerund/losses"

_MAX_ENTRIES: Final = 1000
_OTHER_PATHS: Final = "/*"  # what further entities are added up under
_TEXT_LOG: Final = "rerun.archetypes.TextLog"


class LossReport(NamedTuple):
    """What was lost since the report before."""

    id: bytes
    losses: tuple[Loss, ...]


class LossCounter:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._total: dict[tuple[str, str], Loss] = {}
        self._unreported: dict[tuple[str, str], Loss] = {}
        self._report: LossReport | None = None  # the one that is not yet known to be in the recording
        self._ids = TuidClock()
        self.rows = 0

    def add(self, entry: IndexEntry, cause: str) -> None:
        """The message of this entry is lost."""
        for losses in (self._total, self._unreported):
            _add(losses, entry, cause)
        self.rows += entry.rows

    def entries(self) -> tuple[Loss, ...]:
        """All that was lost."""
        return tuple(self._total.values())

    def report(self) -> LossReport | None:
        """What to declare: the same until it is known to be `reported`."""
        if self._report is None and self._unreported:
            self._report = LossReport(self._ids.next(), tuple(self._unreported.values()))
            self._unreported = {}
        return self._report

    def reported(self, report_id: bytes) -> None:
        """This report is in the recording."""
        if self._report is not None and self._report.id == report_id:
            self._report = None


def _add(losses: dict[tuple[str, str], Loss], entry: IndexEntry, cause: str) -> None:
    key = (cause, entry.entity_path)
    if key not in losses and len(losses) >= _MAX_ENTRIES:
        key = (cause, _OTHER_PATHS)
    first, last = _time_span(entry)
    before = losses.get(key) or Loss(*key, 0, first, last)
    losses[key] = before._replace(
        rows=before.rows + entry.rows,
        first_nanos=min(first, before.first_nanos),
        last_nanos=max(last, before.last_nanos),
    )


def _time_span(entry: IndexEntry) -> tuple[int, int]:
    """When the rows were logged, in nanoseconds since the epoch; of static ones, when they were sent."""
    for timeline in entry.ranges:
        if timeline.timeline == LOG_TIME:
            return timeline.min, timeline.max
    nanos = tuid_parts(entry.chunk_id)[0] if len(entry.chunk_id) == TUID_SIZE else 0
    return nanos, nanos


def report_message(report: LossReport, application_id: str, recording_id: str, producer: str) -> EncodedMessage:
    """The chunk of a report. producer: who lost the rows, for people."""
    losses = sorted(report.losses, key=lambda loss: loss.first_nanos)
    columns = [
        _texts("TextLog:level", ["WARN"] * len(losses), "rerun.components.TextLogLevel"),
        _texts("TextLog:text", list(map(_sentence, losses)), "rerun.components.Text"),
        _texts("cause", [loss.cause for loss in losses]),
        _texts("entity_path", [loss.entity_path for loss in losses]),
        _numbers("first", [loss.first_nanos for loss in losses]),
        _numbers("last", [loss.last_nanos for loss in losses]),
        _texts("producer", [producer] * len(losses)),
        _numbers("rows", [loss.rows for loss in losses]),
    ]
    now = tuid_parts(report.id)[0]
    firsts = np.array([loss.first_nanos or now for loss in losses], np.int64)
    times = [TimeColumn(LOG_TIME, TIMESTAMP, firsts)]
    encoder = ChunkEncoder(ArrowMsgWriter(store_id(application_id, recording_id)))
    return encoder.encode_columns(LOSSES_PATH, times, columns, report.id)


def producer_name(program: str, pid: int) -> str:
    """For people."""
    return f"{program} (pid {pid})"


def _texts(name: str, texts: Sequence[str], component_type: str | None = None) -> ComponentColumn:
    return _column(name, arrow.strings(texts), component_type)


def _numbers(name: str, numbers: Sequence[int]) -> ComponentColumn:
    return _column(name, arrow.numbers(pa.int64(), np.array(numbers, np.int64)))


def _column(name: str, values: pa.Array[Any], component_type: str | None = None) -> ComponentColumn:
    descriptor = ComponentDescriptor(name, _TEXT_LOG if component_type else None, component_type)
    one_each = arrow.lists(pa.list_(pa.field("item", values.type)), [1] * len(values), values)
    return ComponentColumn(descriptor, one_each)


def _sentence(loss: Loss) -> str:
    span = " to ".join(dict.fromkeys(map(_clock, (loss.first_nanos, loss.last_nanos))))
    return f"{loss.rows} rows of {loss.entity_path} from {span} are lost: {loss.cause}"


def _clock(nanos: int) -> str:
    moment = datetime.fromtimestamp(nanos // 1_000_000_000, timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
