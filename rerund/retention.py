"""Which recordings go when there are too many, too old ones, too many bytes, or too little room: the oldest first.

Old is what was written to longest ago. Rule: pinned ones and those that are being logged never go.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from rerund.errors import LogWriteError
from rerund.recording import Recording, RecordingStats
from rerund.space import Space
from rerund.store import Store

log = logging.getLogger(__name__)

ENFORCE_SECS: Final = 2.0
_QUIET_SECS: Final = 10.0  # a producer may be between two processes


class RetentionLimits(NamedTuple):
    """None: no limit."""

    size: int | None  # bytes
    age_secs: float | None
    recordings: int | None
    drops_for_floor: bool  # when the disk is at its floor


class Retention:
    """Belongs to the thread that calls `enforce`."""

    def __init__(self, store: Store, space: Space, limits: RetentionLimits) -> None:
        self._store = store
        self._space = space
        self._limits = limits
        self._unmet = ""  # what was told that cannot be met

    def enforce(self, stopping: threading.Event) -> None:
        """Remove what is beyond the limits, unless its file system is away: then nothing is known of it."""
        try:
            self._space.check_place()
        except LogWriteError:
            return
        found = [(recording.stats(), recording) for recording in self._store.recordings()]
        found.sort(key=lambda each: each[0].last_write)
        size, count = sum(stats.bytes for stats, _ in found), len(found)
        candidates = iter([each for each in found if _may_go(*each)])
        missing = self._missing()  # counted down, as what is removed is free only when everybody has closed it
        while not stopping.is_set() and (reason := self._reason(size, count, missing)):
            dropped = self._drop_next(candidates, reason)
            if dropped is None:
                self._tell_unmet(reason)
                return
            size, count, missing = size - dropped.bytes, count - 1, missing - dropped.bytes
        self._unmet = ""
        for stats, recording in candidates:
            if self._limits.age_secs is not None and time.time() - stats.last_write > self._limits.age_secs:
                self._drop(stats, recording, "retention_age")

    def _reason(self, size: int, count: int, missing: int) -> str:
        limits = self._limits
        if limits.recordings is not None and count > limits.recordings:
            return f"retention_count = {limits.recordings}"
        if limits.size is not None and size > limits.size:
            return f"retention_bytes = {limits.size}"
        return "min_free" if missing > 0 else ""

    def _missing(self) -> int:
        try:
            return self._space.figures().missing if self._limits.drops_for_floor else 0
        except OSError:
            return 0

    def _drop_next(self, candidates: Iterator[tuple[RecordingStats, Recording]], reason: str) -> RecordingStats | None:
        for stats, recording in candidates:
            if self._drop(stats, recording, reason):
                return stats
        return None

    def _drop(self, stats: RecordingStats, recording: Recording, reason: str) -> bool:
        """Whether it went: not if somebody began to use it meanwhile."""
        try:
            if not self._store.retire(recording, stats.last_write):
                return False
        except OSError as error:
            log.error("recording cannot be removed (%s): %s", error.strerror, recording.directory)
            return False
        self._store.delete(recording)
        log.info("removed recording %s of %d bytes, by %s", recording.name, stats.bytes, reason)
        return True

    def _tell_unmet(self, reason: str) -> None:
        if reason != self._unmet:
            log.warning("%s cannot be met: what is left is pinned or being logged", reason)
            self._unmet = reason


def _may_go(stats: RecordingStats, recording: Recording) -> bool:
    return not (stats.live or stats.pinned or recording.removed) and time.time() - stats.last_write > _QUIET_SECS
