"""Group commit: a thread that forces to the disk what the intake has written, so that the intake never waits for it."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from typing import NamedTuple

from rerund.recording import Recording

log = logging.getLogger(__name__)


class Commit(NamedTuple):
    """What the log of one recording held at one moment."""

    recording: Recording
    fds: list[int]  # to sync and close
    written: dict[bytes, int]  # producer id -> its last append that is in there


class GroupCommit:
    """Syncs one batch of commits at a time; `done` is called on its thread with those that are on the disk."""

    def __init__(self, done: Callable[[list[Commit]], None]) -> None:
        self._done = done
        self._batches: queue.SimpleQueue[list[Commit] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="rerund-sync", daemon=True)
        self._failing = False

    def start(self) -> None:
        self._thread.start()

    def submit(self, commits: list[Commit]) -> None:
        """Never waits."""
        self._batches.put(commits)

    def stop(self) -> None:
        """Sync what was submitted, then end."""
        self._batches.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._done([commit for commit in batch if self._sync(commit)])

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
