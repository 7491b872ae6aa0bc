"""Rates of what the daemon counts, and how they were lately: of its processes, recordings and entities."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from typing import Final, NamedTuple

_KEPT: Final = 120  # rates of each, for a graph as wide as a terminal


class Counts(NamedTuple):
    """So far."""

    rows: int
    bytes: int


class Rate(NamedTuple):
    """A second."""

    rows: float
    bytes: float


_STILL: Final = Rate(0.0, 0.0)


class Meter:
    """Told the counts again and again; what is not among them any more is forgotten."""

    def __init__(self) -> None:
        self._before: Mapping[Hashable, Counts] = {}
        self._at = 0.0
        self._rates: dict[Hashable, deque[Rate]] = {}

    def look(self, counts: Mapping[Hashable, Counts], at: float) -> None:
        """at: seconds, of a clock that does not jump. What was not there before has no rate yet."""
        secs = max(at - self._at, 1e-3)
        for key in self._rates.keys() - counts.keys():
            del self._rates[key]
        for key, now in counts.items():
            if (then := self._before.get(key)) is not None:
                rate = Rate(max(0, now.rows - then.rows) / secs, max(0, now.bytes - then.bytes) / secs)
                self._rates.setdefault(key, deque(maxlen=_KEPT)).append(rate)
        self._before, self._at = counts, at

    def rate(self, key: Hashable) -> Rate:
        """The latest."""
        rates = self._rates.get(key)
        return rates[-1] if rates else _STILL

    def history(self, key: Hashable) -> list[float]:
        """Rows a second, the latest last."""
        return [rate.rows for rate in self._rates.get(key, ())]
