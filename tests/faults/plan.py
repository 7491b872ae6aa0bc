"""What goes wrong, and when: all of it follows from a seed."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from tests.faults import points
from tests.faults.points import Armed, Point

PRODUCERS: Final = 3
PAUSE_SECS: Final = (0.08, 0.3)  # between two faults

_KINDS: Final = {  # kind: how many of a hundred
    "freeze daemon": 20,
    "kill daemon": 14,
    "stop daemon": 5,
    "daemon dies at": 22,
    "freeze producer": 16,
    "kill producer": 7,
    "end producer": 7,
    "producer dies at": 7,
    "kill all": 2,
}
ENDINGS: Final = ("return", "disconnect", "exit", "exception")


class Fault(NamedTuple):
    """One thing that goes wrong."""

    at: float  # seconds from the start of the round
    kind: str
    slot: int  # of the producer
    secs: float  # how long it is frozen, or not there
    armed: Armed | None  # where it dies by itself

    def __str__(self) -> str:
        whom = f" {self.slot}" if "producer" in self.kind else ""
        return f"{self.kind}{whom} {self.armed or ''} ({self.secs:.2f} s)"


class Producer(NamedTuple):
    """How one logs; derived from a seed, too."""

    seed: int
    memory_bytes: int
    spill_bytes: int
    image_bytes: int
    ending: str

    @property
    def may_drop(self) -> bool:
        """Whether its limits are so low that it must."""
        return self.spill_bytes < 64 << 20


class Round(NamedTuple):
    """One life of a state directory."""

    seed: int
    faults: tuple[Fault, ...]
    daemon_options: tuple[str, ...]


def make_round(seed: int, count: int) -> Round:
    """A plan of `count` faults."""
    chance = random.Random(seed)
    at = 1.0
    faults = []
    for _ in range(count):
        at += chance.uniform(*PAUSE_SECS)
        faults.append(_fault(chance, at))
    options = (
        f"--fsync={chance.choice(('interval', 'always', 'off'))}",
        f"--fsync-secs={chance.choice((0.05, 0.3, 1.0))}",
        f"--segment-bytes={chance.choice((60_000, 300_000, 2_000_000))}",
    )
    return Round(seed, tuple(faults), options)


def _fault(chance: random.Random, at: float) -> Fault:
    (kind,) = chance.choices(list(_KINDS), list(_KINDS.values()))
    armed = None
    if kind.endswith("dies at"):
        armed = _armed(chance, points.DAEMON if kind.startswith("daemon") else points.PRODUCER)
    secs = chance.expovariate(1 / 0.15)
    if kind.startswith("freeze") and chance.random() < 0.03:
        secs += 3.5  # longer than a silent daemon counts as there
    return Fault(at, kind, chance.randrange(PRODUCERS), secs, armed)


def _armed(chance: random.Random, choice: tuple[Point, ...]) -> Armed:
    point = chance.choice(choice)
    return Armed(point, chance.randint(1, point.often))


def make_producer(seed: int) -> Producer:
    chance = random.Random(seed)
    memory_bytes = chance.choice((200_000, 1_000_000, 64 << 20))
    spill_bytes = chance.choice((0, 1_000_000, 1 << 30, 1 << 30)) if memory_bytes < 64 << 20 else 1 << 30
    return Producer(seed, memory_bytes, spill_bytes, chance.choice((2_000, 30_000, 150_000)), chance.choice(ENDINGS))
