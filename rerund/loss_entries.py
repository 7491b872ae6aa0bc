"""What producers declare lost, written into their recording, so that who looks at it later sees that rows miss.

Rule: a report is written once, whoever tells it how often: its id is the id of its chunk. Where the disk refuses, it is
kept and tried again; its producer, which tells it again until it is acknowledged, need not be there any more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from rerund.answers import Counters
from rerund.errors import LogWriteError
from rerund.producers import Producer
from rerund.recording import Recording
from rerund_sdk.losses import LossReport, producer_name, report_message
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.tuid import TuidClock
from rerund_sdk.wire import Loss

log = logging.getLogger(__name__)


class _Declared(NamedTuple):
    producer: Producer
    message: EncodedMessage


class LossEntries:
    """Belongs to the intake thread."""

    def __init__(self, counters: Counters, written: Callable[[Recording], None]) -> None:
        """written: called for a recording that was written to."""
        self._counters = counters
        self._written = written
        self._ids = TuidClock()
        self._to_write: dict[bytes, _Declared] = {}  # by report id
        self._refused: dict[bytes, _Declared] = {}  # until `retry`

    def declare(self, producer: Producer, losses: tuple[Loss, ...], report_id: bytes) -> None:
        """A producer has lost rows. An id that was told before changes nothing."""
        if not losses or (report_id and (report_id == producer.losses_id or self._knows(report_id))):
            return
        report = LossReport(report_id or self._ids.next(), losses)
        who = producer_name(producer.hello.name, producer.hello.pid)
        if not producer.recording.is_new_chunk(report.id):  # an earlier daemon has written it
            producer.losses_id = report.id
            return
        self._tell(producer, losses, who)
        message = report_message(report, producer.recording.application_id, producer.recording.recording_id, who)
        self._to_write[report.id] = _Declared(producer, message)

    def _tell(self, producer: Producer, losses: tuple[Loss, ...], who: str) -> None:
        """Count; and say it when it begins, and in the recording alone while it goes on."""
        level = logging.DEBUG if producer.lost_rows else logging.ERROR
        rows = sum(loss.rows for loss in losses)
        self._counters.lost_rows += rows
        producer.lost_rows += rows
        log.log(
            level,
            "%s lost %d rows of recording %s (entities: %d): %s",
            who,
            rows,
            producer.recording.name,
            len({loss.entity_path for loss in losses}),
            ", ".join({loss.cause: None for loss in losses}),
        )

    def _knows(self, report_id: bytes) -> bool:
        return report_id in self._to_write or report_id in self._refused

    def write(self) -> set[Producer]:
        """Write what was declared; the producers whose reports are in the log now."""
        done = set()
        to_write, self._to_write = self._to_write, {}
        for report_id, declared in to_write.items():
            producer, message = declared
            recording = producer.recording
            if recording.removed:
                continue
            try:
                recording.append(message.data, [message.entry], message.entry.size)
            except LogWriteError:
                self._refused[report_id] = declared
                continue
            producer.losses_id = report_id
            done.add(producer)
            self._written(recording)
        return done

    def retry(self) -> None:
        """Now and then: what the disk refused is written with what comes next."""
        self._to_write |= self._refused
        self._refused = {}
