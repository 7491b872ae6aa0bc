"""Forcing to the disk what the intake has written: group commit, on a thread, so that the intake never waits for it.

Every `secs` the intake hands over what was written since; one hand-over is under way at a time.
Rule: after an fsync has failed nobody can know what is on the disk, and a later one that succeeds says nothing of it
(the kernel reports an error once, and may have dropped the pages). So what it was for is never called synced: its
producers' `synced_seq` stands still for good. The recording tells, and goes on in a new segment.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rerund.producers import Producer
from rerund.recording import Recording


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
        self._done_commits: deque[list[tuple[Commit, str]]] = deque()  # with what went wrong
        self._thread = threading.Thread(target=self._run, name="rerund-sync", daemon=True)

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
        while self._done_commits:
            self._under_way = False
            for commit, error in self._done_commits.popleft():
                commit.recording.note_sync(error)
                for producer, seq in commit.written:
                    if error and seq > producer.synced_seq:
                        producer.sync_failed = True
                    elif not producer.sync_failed:
                        reached.append((producer, seq))
        return reached

    def _hand_over(self, producers: Iterable[Producer]) -> None:
        written: dict[Recording, list[tuple[Producer, int]]] = {recording: [] for recording in self._unsynced}
        for producer in producers:
            if producer.recording in written:
                written[producer.recording].append((producer, producer.written_seq))
        commits = []
        unsynced, self._unsynced = self._unsynced, set()
        for recording in unsynced:
            if recording.removed:
                continue
            try:
                commits.append(Commit(recording, recording.log.take_unsynced(), written[recording]))
            except OSError as error:  # out of file descriptors: it is handed over the next time
                recording.note_sync(error.strerror or str(error), is_known=True)
                self._unsynced.add(recording)
        self._under_way = True
        self._handed_over.put(commits)

    # the thread

    def _run(self) -> None:
        while (commits := self._handed_over.get()) is not None:
            self._done_commits.append([(commit, self._sync(commit)) for commit in commits])
            self._done()

    def _sync(self, commit: Commit) -> str:
        """What went wrong, or nothing."""
        problem = ""
        for fd in commit.fds:
            try:
                os.fsync(fd)
            except OSError as error:
                problem = error.strerror or str(error)
            finally:
                os.close(fd)
        return problem
