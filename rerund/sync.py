"""Forcing to the disk what the intake has written: group commit, on a thread, so that the intake never waits for it.

Every `secs` the intake hands over what was written since; one hand-over is under way at a time. An fsync that fails is
told once; what it was for is not called synced.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rerund.producers import Producer
from rerund.recording import Recording

log = logging.getLogger(__name__)


class Commit(NamedTuple):
    """What the log of one recording held at one moment."""

    recording: Recording
    fds: list[int]  # to sync and close
    written: list[tuple[Producer, int]]  # the last append of each that is in there


class GroupCommit:
    """Belongs to the intake thread, but for the thread that it runs."""

    def __init__(self, secs: float | None, done: Callable[[], None]) -> None:
        """secs: longest that data waits; None: for ever. done: called on any thread when there is more in `synced`."""
        self._secs = secs
        self._done = done
        self._unsynced: set[Recording] = set()
        self._next = 0.0  # of time.monotonic()
        self._under_way = False
        self._handed_over: queue.SimpleQueue[list[Commit] | None] = queue.SimpleQueue()
        self._synced: deque[list[Commit]] = deque()
        self._thread = threading.Thread(target=self._run, name="rerund-sync", daemon=True)
        self._failing = False

    def start(self) -> None:
        self._thread.start()

    def stop(self, producers: Iterable[Producer]) -> None:
        """Sync what is left, and end."""
        if self._unsynced:
            self._hand_over(producers)
        self._handed_over.put(None)
        self._thread.join()

    def note(self, recording: Recording) -> None:
        """It was written to."""
        if self._secs is not None:
            self._unsynced.add(recording)

    def is_noted(self, recording: Recording) -> bool:
        return recording in self._unsynced

    def due(self) -> float:
        """When `hand_over_if_due` wants to be called, of time.monotonic()."""
        return self._next if self._unsynced and not self._under_way else float("inf")

    def hand_over_if_due(self, now: float, producers: Iterable[Producer]) -> None:
        if now >= self.due():
            self._hand_over(producers)
            self._next = now + (self._secs or 0.0)

    def synced(self) -> list[tuple[Producer, int]]:
        """Producers and their appends that are on the disk since the last call."""
        reached: list[tuple[Producer, int]] = []
        while self._synced:
            self._under_way = False
            for commit in self._synced.popleft():
                reached += commit.written
        return reached

    def _hand_over(self, producers: Iterable[Producer]) -> None:
        written: dict[Recording, list[tuple[Producer, int]]] = {recording: [] for recording in self._unsynced}
        for producer in producers:
            if producer.recording in written:
                written[producer.recording].append((producer, producer.written_seq))
        commits = []
        for recording in self._unsynced:
            if recording.removed:
                continue
            try:
                commits.append(Commit(recording, recording.log.take_unsynced(), written[recording]))
            except OSError as error:
                log.error("data may not survive a power cut (%s): %s", error.strerror, recording.directory)
        self._unsynced.clear()
        self._under_way = True
        self._handed_over.put(commits)

    # the thread

    def _run(self) -> None:
        while (commits := self._handed_over.get()) is not None:
            self._synced.append([commit for commit in commits if self._sync(commit)])
            self._done()

    def _sync(self, commit: Commit) -> bool:
        try:
            for fd in commit.fds:
                os.fsync(fd)
        except OSError as error:
            if not self._failing:
                log.error("data may not survive a power cut, fsync failed (%s): %s", error, commit.recording.directory)
            self._failing = True
            return False
        finally:
            for fd in commit.fds:
                os.close(fd)
        if self._failing:
            log.info("fsync works again: %s", commit.recording.directory)
            self._failing = False
        return True
