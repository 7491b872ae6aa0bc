"""Forcing to the disk what the intake has written: group commit, on a thread, so that the intake never waits for it.

Every `secs` the intake hands over what was written since; one hand-over is under way at a time. What the disk does not
take stays with its log and comes again (unsynced.py says what that needs), a failing recording after RETRY_SECS, so
that others are not held up.
Rule: a producer's `synced_seq` moves only once all is on the disk that its recording held when it was written.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from rerund.index import SegmentIndex
from rerund.producers import Producer
from rerund.recording import Recording
from rerund.unsynced import UnsyncedFile

RETRY_SECS: Final = 1.0


class Commit(NamedTuple):
    """What the log of one recording held at one moment."""

    recording: Recording
    files: list[UnsyncedFile]
    directories: list[int]  # descriptors, to sync and close
    closed: list[SegmentIndex]  # of segments to which nothing is added any more: not yet known to be on the disk
    written: list[tuple[Producer, int]]  # the last append of each that is in there


class GroupCommit:
    """Belongs to the intake thread, but for the thread that it runs."""

    def __init__(self, secs: float | None, done: Callable[[], None]) -> None:
        """secs: longest that data waits; None: for ever. done: called on any thread when there is more in `synced`."""
        self._secs = secs
        self._done = done
        self._unsynced: set[Recording] = set()
        self._failed: dict[Recording, float] = {}  # when they are tried again, of time.monotonic()
        self._next = 0.0  # likewise, the others
        self._under_way = False
        self._handed_over: queue.SimpleQueue[list[Commit] | None] = queue.SimpleQueue()
        self._done_commits: deque[list[tuple[Commit, str]]] = deque()  # with what went wrong
        self._thread = threading.Thread(target=self._run, name="rerund-sync", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, producers: Iterable[Producer]) -> None:
        """Sync what is left, and end."""
        if self._unsynced or self._failed:
            self._hand_over([*self._unsynced, *self._failed], producers)
        self._handed_over.put(None)
        self._thread.join()

    def note(self, recording: Recording) -> None:
        """It was written to."""
        if self._secs is None:
            recording.log.never_sync()
        elif recording not in self._failed:
            self._unsynced.add(recording)

    def is_noted(self, recording: Recording) -> bool:
        return recording in self._unsynced or recording in self._failed

    def due(self) -> float:
        """When `hand_over_if_due` wants to be called, of time.monotonic()."""
        if self._under_way:
            return float("inf")
        return min([*([self._next] if self._unsynced else []), *self._failed.values()], default=float("inf"))

    def hand_over_if_due(self, now: float, producers: Iterable[Producer]) -> None:
        if now < self.due():
            return
        recordings = [recording for recording, then in self._failed.items() if then <= now]
        if now >= self._next:
            recordings += self._unsynced
            self._next = now + (self._secs or 0.0)
        self._hand_over(recordings, producers)

    def synced(self) -> list[tuple[Producer, int]]:
        """Producers and their appends that are on the disk since the last call."""
        reached: list[tuple[Producer, int]] = []
        while self._done_commits:
            self._under_way = False
            for commit, problem in self._done_commits.popleft():
                commit.recording.note_sync(problem)
                if problem:
                    self._put_back(commit)
                else:
                    reached += commit.written
        return reached

    def _put_back(self, commit: Commit) -> None:
        if commit.recording.removed:
            for file in commit.files:
                file.close()
        else:
            commit.recording.put_back(commit.files, with_names=bool(commit.directories))
            self._come_again(commit.recording)

    def _come_again(self, recording: Recording) -> None:
        self._unsynced.discard(recording)
        self._failed[recording] = time.monotonic() + RETRY_SECS

    def _hand_over(self, recordings: Sequence[Recording], producers: Iterable[Producer]) -> None:
        written: dict[Recording, list[tuple[Producer, int]]] = {recording: [] for recording in recordings}
        for producer in producers:
            if producer.recording in written:
                written[producer.recording].append((producer, _last_written(producer)))
        commits = []
        for recording in recordings:
            self._unsynced.discard(recording)
            self._failed.pop(recording, None)
            if recording.removed:
                continue
            try:
                files, directories = recording.log.take_unsynced()
            except OSError as error:  # out of file descriptors, or the directory is not there
                recording.note_sync(error.strerror or str(error))
                self._come_again(recording)
            else:
                closed = [index for index in recording.index.segments[:-1] if not index.settled]
                commits.append(Commit(recording, files, directories, closed, written[recording]))
        self._under_way = True
        self._handed_over.put(commits)

    # the thread

    def _run(self) -> None:
        while (commits := self._handed_over.get()) is not None:
            self._done_commits.append([(commit, self._sync(commit)) for commit in commits])
            self._done()

    def _sync(self, commit: Commit) -> str:
        """What went wrong, or nothing. Files that are on the disk are closed, and leave the commit."""
        try:
            while commit.files:
                commit.files[0].force()
                commit.files.pop(0).close()
            while commit.directories:
                os.fsync(commit.directories[0])
                os.close(commit.directories.pop(0))
            for index in commit.closed:
                index.settle(commit.recording.index.names)
        except OSError as error:
            return error.strerror or str(error)
        finally:
            for fd in commit.directories:
                os.close(fd)
        return ""


def _last_written(producer: Producer) -> int:
    """Between two passes all that was taken is written; it may be told later."""
    return producer.written_seq if producer.taken_seq is None else producer.taken_seq
