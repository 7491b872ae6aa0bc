"""One round: a daemon and a few producers, and what the plan has in store for them. START HERE.

Everything is done by one thread, in the order of a clock: a fault when it is due, what follows from it (a thaw, a new
start) when that is due. At the end all is thawed, producers are told to end, the daemon is stopped; then oracle.py
looks at what lies there.
"""

from __future__ import annotations

import heapq
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from rerund_sdk.places import parse_daemon_info
from tests.faults import daemon, plan, process, producer
from tests.faults.journal import now
from tests.faults.plan import Fault
from tests.faults.points import Armed
from tests.faults.process import Process

_LOOK_SECS: Final = 0.01  # how often it is looked who died
_END_SECS: Final = 40.0  # for a producer that is told to end; the machine may be slow
_PATIENCE_SECS: Final = 2.0  # what one that is to die at a point has to come there
_STARTS: Final = 0.5  # seconds after which one that is to die on its way out is told to end
_ON_THE_WAY_OUT: Final = ("_drain", "say_goodbye", "_leave_rest")


class Ended(NamedTuple):
    """What became of a producer."""

    number: int
    how: plan.Producer
    exit_code: int
    frozen: tuple[tuple[float, float], ...]  # when it was, of time.monotonic()


class Account(NamedTuple):
    """What happened in a round."""

    faults: Counter[str]
    producers: list[Ended]
    complaints: list[str]  # what should not have happened, seen from outside
    events: list[str]  # all that happened, in order
    longest_end: float  # seconds from being told to end to the end, less frozen ones
    never_syncs: bool  # as daemons were told


class Round:
    """Carries out a plan in `folder`, which is empty."""

    def __init__(self, the_plan: plan.Round, folder: Path, faults: int) -> None:
        """faults: how many shall really happen; of the plan's, some meet nobody."""
        self.folder = folder
        self._plan = the_plan
        self._wanted = faults
        self._chance = random.Random(the_plan.seed + 1)
        self._env = _environment(folder)
        self._begun = now()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.faults: Counter[str] = Counter()
        self.events: list[str] = []
        self.complaints: list[str] = []
        self.daemon = _Daemon(self)
        self.slots = [_Slot(self) for _ in range(plan.PRODUCERS)]
        self.ended: list[Ended] = []
        self.longest_end = 0.0
        self._numbers = itertools.count()

    def carry_out(self) -> Account:
        """All of it."""
        try:
            self.daemon.start(None)
            for slot in self.slots:
                slot.start(None)
            for fault in self._plan.faults:
                if self.faults.total() >= self._wanted:
                    break
                self._live_until(self._begun + fault.at)
                self._commit(fault)
            self._end()
        finally:
            for one in (self.daemon, *self.slots):
                if one.process is not None:
                    one.process.kill()
        never_syncs = "--fsync=off" in self._plan.daemon_options
        return Account(self.faults, self.ended, self.complaints, self.events, self.longest_end, never_syncs)

    # for the daemon and the slots

    def later(self, secs: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (now() + secs, next(self._order), act))

    def tell(self, text: str) -> None:
        self.events.append(f"{now() - self._begun:7.3f} {text}")

    def count(self, kind: str) -> None:
        self.faults[kind] += 1

    def complain(self, text: str) -> None:
        self.tell(text)
        self.complaints.append(text)

    def start_daemon(self, armed: Armed | None) -> Process:
        return process.start(daemon.run, self.folder, self._env, self._plan.daemon_options, armed)

    def start_producer(self, armed: Armed | None) -> tuple[int, plan.Producer, Process]:
        number = next(self._numbers)
        how = plan.make_producer(self._chance.randrange(1 << 30))
        return number, how, process.start(producer.run, self.folder, self._env, number, how, armed)

    # the clock

    def _live_until(self, then: float) -> None:
        while (left := then - now()) > 0:
            self._look()
            time.sleep(min(left, _LOOK_SECS))

    def _look(self) -> None:
        while self._due and self._due[0][0] <= now():
            heapq.heappop(self._due)[2]()
        for one in (self.daemon, *self.slots):
            one.look()

    def _commit(self, fault: Fault) -> None:
        self.tell(str(fault))
        one = self.slots[fault.slot] if "producer" in fault.kind else self.daemon
        verb = fault.kind.split()[0] if "dies" not in fault.kind else "dies"
        if fault.kind == "kill all":
            for each in (self.daemon, *self.slots):
                each.kill(fault.secs)
        elif verb == "freeze":
            one.freeze(fault.secs)
        elif verb == "kill":
            one.kill(fault.secs)
        elif verb == "dies":
            one.arm(fault.armed, fault.secs)
        else:
            one.tell_to_end(fault.secs)

    def _end(self) -> None:
        self.tell("the end")
        self._due.clear()
        self.daemon.end_with(self.slots, now() + _END_SECS)


class _Living:
    """A process that is replaced when it is gone."""

    name = ""

    def __init__(self, of: Round) -> None:
        self.round = of
        self.process: Process | None = None
        self.frozen: list[tuple[float, float]] = []
        self._armed: Armed | None = None
        self._arm_next: Armed | None = None
        self._gone_for = 0.0  # seconds between its end and the next start
        self._started = 0.0
        self._told_to_end = 0.0
        self._killed = False

    def start(self, armed: Armed | None) -> None:
        self._armed, self._killed, self._told_to_end, self.frozen = armed, False, 0.0, []
        self._started = now()
        self._launch(armed)
        assert self.process is not None
        self.round.tell(f"{self.name} is started: {self.process.pid} {armed or ''}")
        if armed is not None and armed.point.name.endswith(_ON_THE_WAY_OUT):
            self.round.later(_STARTS, self._told(self.process))

    def _launch(self, armed: Armed | None) -> None: ...

    def _told(self, meant: Process) -> Callable[[], None]:
        def tell() -> None:
            if self.process is meant:
                self._told_to_end = now()
                meant.signal(signal.SIGTERM)

        return tell

    def freeze(self, secs: float) -> None:
        process = self.process
        if process is None or not process.is_alive or process.is_frozen:
            return
        self.round.count(f"freeze {self._kind()}")
        began = now()
        process.freeze()
        frozen = self.frozen

        def thaw() -> None:
            frozen.append((began, now()))
            process.thaw()

        self.round.later(secs, thaw)

    @property
    def _is_spared(self) -> bool:
        """It is to die by itself, and may yet."""
        return self._armed is not None and now() - self._started < _PATIENCE_SECS

    def kill(self, secs: float) -> None:
        if self.process is not None and self.process.is_alive and not self._is_spared:
            self.round.count(f"kill {self._kind()}")
            self._killed, self._gone_for = True, secs
            self.process.kill()

    def arm(self, armed: Armed | None, secs: float) -> None:
        """The next one dies there; this one makes room."""
        if not self._is_spared:
            self._arm_next = armed
            self.tell_to_end(secs)

    def tell_to_end(self, secs: float) -> None:
        process = self.process
        if process is not None and process.is_alive and not self._told_to_end and not self._is_spared:
            self.round.count(f"stop {self._kind()}")
            self._told_to_end, self._gone_for = now(), secs
            process.signal(signal.SIGTERM)

    def look(self) -> None:
        """See whether it is gone, and have it replaced."""
        if self.process is None or self.process.is_alive:
            return
        code = self.process.exit_code
        assert code is not None
        self.round.tell(f"{self.name} is gone: {code}")
        if code == -signal.SIGKILL and not self._killed:
            if self._armed is None:
                self.round.complain(f"somebody else killed {self.name}")
            self.round.count(f"{self._kind()} dies at a point")
        self.gone(code)
        self.process = None
        armed, self._arm_next = self._arm_next, None
        self.round.later(self._gone_for, lambda: self.start(armed))
        self._gone_for = 0.0

    def gone(self, code: int) -> None: ...

    def _kind(self) -> str:
        return self.name.split()[0]


class _Daemon(_Living):
    name = "daemon"

    def _launch(self, armed: Armed | None) -> None:
        self.process = self.round.start_daemon(armed)

    def gone(self, code: int) -> None:
        quietly = (0, -signal.SIGTERM)  # which ends one that has only begun
        if code != -signal.SIGKILL and (code not in quietly or not self._told_to_end):
            self.round.complain(f"the daemon ended by itself with {code}: see {self.round.folder}/daemon.log")

    def end_with(self, slots: list[_Slot], deadline: float) -> None:
        """With a daemon that works, all producers end, and then it does."""
        if self.process is None or not self.process.is_alive or self._armed or self._told_to_end:
            if self.process is not None:
                self._killed = True
                self.process.kill()
                self.process.join()
            self.start(None)
        assert self.process is not None
        for one in (self, *slots):
            if one.process is not None:
                one.process.thaw()
        for slot in slots:
            slot.end(deadline)
        while self.process.is_alive and not self._is_ready() and now() < deadline:
            time.sleep(_LOOK_SECS)  # one that has only begun is ended by the signal itself
        self.process.signal(signal.SIGTERM)
        if not self.process.join(max(1.0, deadline - now())):
            self.round.complain("the daemon does not end when it is told to")
        elif self.process.exit_code != 0:
            self.round.complain(f"the daemon was told to end, and ended with {self.process.exit_code}")
        self.process = None

    def _is_ready(self) -> bool:
        try:
            text = (self.round.folder / "run" / "rerund" / "daemon.json").read_text()
        except FileNotFoundError:
            return False
        return self.process is not None and parse_daemon_info(text).pid == self.process.pid


class _Slot(_Living):
    """Where producers follow one another."""

    number = -1

    def _launch(self, armed: Armed | None) -> None:
        self.number, self.how, self.process = self.round.start_producer(armed)
        self.name = f"producer {self.number}"

    def gone(self, code: int) -> None:
        expected = 1 if self.how.ending == "exception" else 0
        if code not in (-signal.SIGKILL, -signal.SIGTERM) and (code != expected or not self._told_to_end):
            self.round.complain(f"{self.name} ended by itself with {code}: see its log")
        if self._told_to_end and code == expected:
            frozen = sum(end - max(begin, self._told_to_end) for begin, end in self.frozen if end > self._told_to_end)
            self.round.longest_end = max(self.round.longest_end, now() - self._told_to_end - frozen)
        self.round.ended.append(Ended(self.number, self.how, code, tuple(self.frozen)))

    def end(self, deadline: float) -> None:
        if self.process is None:
            return
        if not self._told_to_end:
            self._told_to_end = now()
            self.process.signal(signal.SIGTERM)
        if not self.process.join(max(1.0, deadline - now())):
            self.round.complain(f"{self.name} does not end when it is told to")
            self._killed = True
            self.process.kill()
        code = self.process.exit_code
        assert code is not None
        self.gone(code)
        self.process = None


def _environment(folder: Path) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RERUN", "NOTIFY_", "DISPLAY"))}
    (folder / "run").mkdir(mode=0o700)
    return {**env, "RERUND_HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder / "run")}
