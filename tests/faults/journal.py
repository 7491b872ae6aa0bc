"""A producer's own account of what it did, in a file that survives its SIGKILL.

Form: int64 numbers in a mapped file (how many rows of each entity were begun, logged and lost; how long the calls of
`log` took), and beside it a text file with a line for each fact that is worth one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

ENTITIES: Final = ("numbers", "texts", "images", "fixed", "thread")
SLOW_SECS: Final = 0.02  # a call that takes longer is noted with its times

_BUCKETS: Final = 40  # of call times: n holds those of up to 2**n microseconds


class Journal:
    """One producer's. Threads of the producer write to entities of their own, so nothing is locked."""

    def __init__(self, path: Path) -> None:
        is_new = not path.exists()
        numbers = np.memmap(path, np.int64, "w+" if is_new else "r+", shape=3 * len(ENTITIES) + _BUCKETS)
        self.begun, self.logged, self.lost = (numbers[n * len(ENTITIES) :][: len(ENTITIES)] for n in range(3))
        self.times = numbers[3 * len(ENTITIES) :]
        self._notes = path.with_suffix(".notes")
        self._file = os.open(self._notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def note(self, kind: str, *values: Any) -> None:
        os.write(self._file, (json.dumps([kind, *values]) + "\n").encode())

    def notes(self, kind: str) -> Iterator[list[Any]]:
        """The values of all notes of that kind, in order."""
        for line in self._notes.read_text().splitlines():
            found, *values = json.loads(line)
            if found == kind:
                yield values

    def took(self, start: float, end: float) -> None:
        """A call of `log` began and ended at these values of time.monotonic()."""
        self.times[min(int((end - start) * 1e6).bit_length(), _BUCKETS - 1)] += 1
        if end - start > SLOW_SECS:
            self.note("slow", start, end)

    def snapshot(self) -> list[int]:
        """How many rows of each entity were logged so far."""
        return [int(count) for count in self.logged]

    def close(self) -> None:
        os.close(self._file)


def percentile(times: np.ndarray[Any, Any], share: float) -> float:
    """Seconds within which that share of the calls ended, by the bucket's upper end."""
    counts = np.cumsum(times)
    return float(2 ** int(np.searchsorted(counts, share * counts[-1]))) / 1e6


def now() -> float:
    return time.monotonic()
