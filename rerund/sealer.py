"""Gives closed segments their footers, so that stock readers seek in them instead of refusing or scanning.

A segment is closed when the next one has begun, or when nothing came for IDLE_SECS; then the next write begins another.
A stop of the daemon closes nothing, so that restarts make no small segments.
Rule: a closed segment and its index never change but by this. A footer that was broken off, by a kill or a full disk,
is no harm to readers (rerund_sdk/footer.py) and is cut at the next start.
"""

from __future__ import annotations

import logging
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Final

from rerund.errors import LogWriteError, RecordingRemoved
from rerund.log import Segment
from rerund.recording import Recording
from rerund.store import Store

log = logging.getLogger(__name__)

SEAL_SECS: Final = 5.0  # between two looks
IDLE_SECS: Final = 3600.0
_RETRY_SECS: Final = 600.0
_POLL_MS: Final = 200


class Sealer:
    """Belongs to the thread that calls `seal`."""

    def __init__(self, store: Store, idle_secs: float = IDLE_SECS) -> None:
        self._store = store
        self._idle_secs = idle_secs
        self._at_rest: set[Recording] = set()  # not open, and all sealed
        self._not_before = 0.0
        self._failed: dict[Segment, float] = {}  # when it may be tried again

    def seal(self, stopping: threading.Event) -> None:
        """Seal what is closed by now."""
        found = list(self._closed(stopping)) if time.time() >= self._not_before else []
        if not found:
            return
        with subprocess.Popen(
            [sys.executable, "-m", "rerund.sealing_process"], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            for recording, segment in found:
                answer = _ask(process, segment, stopping)
                if answer is None:
                    process.kill()
                    self._not_before = time.time() + _RETRY_SECS
                    if not stopping.is_set():
                        log.warning("footers are not written, their process ended; it is tried again: %s", segment.path)
                    return
                self._note(recording, segment, answer)

    def _closed(self, stopping: threading.Event) -> Iterator[tuple[Recording, Segment]]:
        now = time.time()
        for recording in self._store.recordings():
            if stopping.is_set():
                return
            if not recording.is_open and not self._opened(recording, now):
                continue
            self._at_rest.discard(recording)
            for segment in recording.closed_segments(now - self._idle_secs):
                if not segment.has_footer and self._failed.get(segment, 0.0) < now:
                    yield recording, segment

    def _opened(self, recording: Recording, now: float) -> bool:
        """Open one that lies idle for long, unless all of it is sealed: then it is not looked at again."""
        if recording in self._at_rest or now - recording.stats().last_write < self._idle_secs:
            return False
        self._at_rest.add(recording)
        try:
            if recording.is_sealed_at_rest():
                return False
            recording.open()
        except (OSError, LogWriteError, RecordingRemoved) as error:
            log.debug("not sealed: %s", error)
            return False
        return True

    def _note(self, recording: Recording, segment: Segment, answer: str) -> None:
        if not answer:
            segment.has_footer = True
            self._failed.pop(segment, None)
            log.debug("sealed: %s", segment.path)
            return
        if segment not in self._failed and not recording.removed:
            log.warning("the segment has no footer, so readers scan it (%s): %s", answer, segment.path)
        self._failed[segment] = time.time() + _RETRY_SECS


def _ask(process: subprocess.Popen[bytes], segment: Segment, stopping: threading.Event) -> str | None:
    """What the process says of a segment; None if it is to end, or has ended."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(f"{segment.path}\n".encode(errors="surrogateescape"))
        process.stdin.flush()
    except BrokenPipeError:
        return None
    ready = select.poll()  # not select(), which knows 1024 descriptors
    ready.register(process.stdout, select.POLLIN)
    while not ready.poll(_POLL_MS):
        if stopping.is_set():
            return None
    answer = process.stdout.readline()
    return answer.decode(errors="replace").strip() if answer else None
