"""Each call that changes a file of a recording fails once, and for a while: the recording tells, keeps all, goes on.

A real daemon on a disk that refuses (tests/faults/disk.py), real producers, a recording for each refusal. A recording
to which nothing is refused goes first: its calls are what is refused to the others.
"""

from __future__ import annotations

import errno
import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import pytest

import rerund_sdk as rr
from rerund.log import segment_files
from rerund_sdk import places, rrd
from rerund_sdk.control import ControlClient
from rerund_sdk.errors import RerundError
from rerund_sdk.recording import RecordingStream
from tests.daemons import Daemon
from tests.faults import daemon, process, spilling
from tests.faults.disk import SHORT, Refusal, calls, refuse
from tests.faults.oracle import LOG_SECS, rows_in
from tests.homes import Home, wait_until
from tests.official import RERUN

pytestmark = pytest.mark.usefixtures("uncompressed")

APPLICATION: Final = "disk"
STEPS: Final = 24
BLOB: Final = bytes(6000)
AT_ONCE: Final = 24
OUTAGE_SECS: Final = 0.6
FOREVER: Final = 1e6
OPTIONS: Final = ("--fsync-secs=0.05", "--segment-bytes=65536")


class Run(NamedTuple):
    """What a producer did, and was told."""

    name: str
    refusal: Refusal | None
    acked: int  # rows that were called written
    slowest_log_secs: float


class Disk:
    """A daemon on a disk that refuses, and what is logged into it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.refusals = home.folder / "refusals"
        self.refusals.mkdir()
        self.told: set[str] = set()  # recordings of which the daemon has told that something is wrong
        self._env = Daemon(home.folder).env
        self._ended = threading.Event()
        self._watching = threading.Thread(target=self._watch)
        self.start()
        self._watching.start()

    def start(self) -> None:
        self.process = process.start(daemon.run_on_refusing_disk, self.home.folder, self._env, OPTIONS, self.refusals)
        wait_until(lambda: (info := places.read_daemon()) is not None and info.pid == self.process.pid)

    def kill(self) -> None:
        self.process.kill()

    def refuse(self, name: str, refusal: Refusal) -> None:
        refuse(self.refusals, str(places.recording_dir(APPLICATION, name)), refusal)

    def directory(self, name: str) -> Path:
        return self.home.state / places.recording_dir(APPLICATION, name)

    def calls(self) -> dict[str, Counter[tuple[str, bool]]]:
        """By recording."""
        return {directory.rpartition("/")[2]: made for directory, made in calls(self.refusals).items()}

    def end(self) -> None:
        self._ended.set()
        self._watching.join()
        self.kill()

    def _watch(self) -> None:
        with ControlClient(f"ipc://{self.home.folder}/run/rerund/control.sock") as client:
            while not self._ended.wait(0.05):
                try:
                    found = client.request("recordings", timeout=1.0)
                except (RerundError, TimeoutError):  # it is being started again
                    continue
                self.told |= {recording["recording_id"] for recording in found if recording["error"]}

    def run(self, name: str, refusal: Refusal | None = None, meanwhile: Callable[[], None] | None = None) -> Run:
        """A producer's life. meanwhile: waits until something was done, in the middle of it."""
        if refusal is not None and meanwhile is None:
            self.refuse(name, refusal)
        recording = RecordingStream(APPLICATION, recording_id=name, send_properties=False)
        rr.connect(recording=recording)
        acked = 0
        slowest = 0.0
        for step in range(STEPS):
            if meanwhile is not None and step == STEPS // 2:
                assert recording.flush(timeout=30)
                meanwhile()
            recording.set_time("row", sequence=step)
            start = time.monotonic()
            recording.log("rows", rr.Scalars(step))
            recording.log("blobs", rr.AnyValues(blob=BLOB))
            if step % 8 == 0:
                recording.log("fixed", rr.Scalars(step), static=True)
            slowest = max(slowest, time.monotonic() - start)
            if step % 3 == 2 and recording.flush(
                level="synced" if step % 2 else "written", timeout=0.4
            ).reached not in (
                "",
                "sent",
            ):
                acked = step + 1
        if refusal is None or refusal.secs < FOREVER:
            assert recording.flush(level="synced", timeout=30), f"{name}: {refusal}"
            acked = STEPS
        recording.disconnect()
        return Run(name, refusal, acked, slowest)

    def run_all(self, refusals: Sequence[Refusal]) -> list[Run]:
        """Some at a time, each beside one that nothing is refused to."""
        runs: list[Run] = []
        with ThreadPoolExecutor(AT_ONCE + 1) as pool:
            for at in range(0, len(refusals), AT_ONCE):
                free = pool.submit(self.run, f"free-{at}")
                some = enumerate(refusals[at : at + AT_ONCE], at)
                futures = [pool.submit(self.run, f"run-{number}", each) for number, each in some]
                runs += [future.result() for future in (free, *futures)]
        return runs

    def run_through_crash(self, refusals: Mapping[str, Refusal | None], damage: Callable[[Path], None]) -> list[Run]:
        """Recordings whose logs are damaged when the daemon dies; the next one finds refusals."""
        halfway, on = threading.Barrier(len(refusals) + 1), threading.Event()

        def meanwhile() -> None:
            halfway.wait(60)
            assert on.wait(60)

        with ThreadPoolExecutor(len(refusals)) as pool:
            futures = [pool.submit(self.run, name, refusal, meanwhile) for name, refusal in refusals.items()]
            halfway.wait(60)
            self.kill()
            (self.refusals / "calls").unlink()
            for name, refusal in refusals.items():
                damage(self.directory(name))
                if refusal is not None:
                    self.refuse(name, refusal)
            self.start()
            on.set()
            return [future.result() for future in futures]

    def calls_of(self, name: str) -> list[tuple[str, int]]:
        """(call, how often it was made)"""
        counts: dict[str, int] = {}
        for (call, _), count in self.calls()[name].items():
            counts[call] = counts.get(call, 0) + count
        return list(counts.items())

    def segments(self, name: str) -> list[Path]:
        return [path for _, path in segment_files(self.directory(name))]

    def judge(self, runs: Sequence[Run]) -> None:
        """All rows are there once and in order, only what something was refused to has told of it, rerun opens it."""
        lines = (self.home.folder / "daemon.log").read_text().splitlines()
        errors = "\n".join(f"{line}/" for line in lines if " ERROR " in line)
        refused = {name: any(is_refused for _, is_refused in made) for name, made in self.calls().items()}
        for run in runs:
            rows = rows_in(self.segments(run.name))
            assert rows["/rows"] == rows["/blobs"] == list(range(STEPS)), run
            assert run.slowest_log_secs < LOG_SECS, run
            is_error = refused[run.name] and run.refusal is not None and run.refusal.error != SHORT
            assert (f"/{APPLICATION}/{run.name}/" in errors) == is_error, run
            assert (run.name in self.told) <= is_error, run
            assert run.name in self.told or not is_error or not run.refusal.secs, run
        met = [run for run in runs if run.refusal is not None and refused[run.name]]
        assert len(met) > 0.8 * len(runs)
        verified = [path for run in runs[:: max(1, len(runs) // 20)] for path in self.segments(run.name)]
        assert RERUN is not None
        done = subprocess.run(
            [RERUN, "rrd", "verify", "--check-footers=false", *map(str, verified)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def disk(home: Home) -> Iterator[Disk]:
    made = Disk(home)
    yield made
    made.end()


def refusals_of(made: Sequence[tuple[str, int]]) -> list[Refusal]:
    """The first of each kind of call, and one in the middle, each once and for a while; and writes that are cut."""
    found = []
    for number, (call, count) in enumerate(made):
        for nth in sorted({1, count // 2 + 1}):
            errors = (errno.ENOSPC, errno.EIO) if (number + nth) % 2 else (errno.EIO, errno.ENOSPC)
            found += [Refusal(call, nth, error, secs) for error, secs in zip(errors, (0.0, OUTAGE_SECS), strict=True)]
            if call.startswith("pwrite"):
                found.append(Refusal(call, nth, SHORT, 0.0))
    return found


def test_every_write_of_a_run_may_fail(disk: Disk) -> None:
    disk.run("first")
    others = [
        Refusal("pwritev segment", 5, errno.EDQUOT, OUTAGE_SECS),
        Refusal("pwritev segment", 5, errno.EFBIG, OUTAGE_SECS),
        Refusal("pwritev segment", 5, errno.EROFS, OUTAGE_SECS),
        Refusal("open index", 3, errno.EMFILE, OUTAGE_SECS),
    ]
    runs = disk.run_all([*refusals_of(disk.calls_of("first")), *others])
    disk.kill()
    disk.judge(runs)


def _tear(directory: Path) -> None:
    """A torn tail, an index that lost its header, names that lost their end."""
    last = max(directory.glob("*.rrd"))
    with last.open("ab") as file:
        file.write(rrd.message_header(rrd.Kind.ARROW, 1000) + b"torn")
    with max(directory.glob("*.index")).open("r+b") as file:
        file.write(bytes(64))
    names = directory / "names"
    names.write_bytes(names.read_bytes()[:-7])


def test_every_write_of_the_opening_after_a_crash_may_fail(disk: Disk) -> None:
    disk.run_through_crash({"first": None}, _tear)
    made = [call for call in disk.calls_of("first") if call[0] != "mkdir directory"]  # it is there: that is no error
    refusals = refusals_of(made)
    cases: dict[str, Refusal | None] = {f"run-{number}": each for number, each in enumerate(refusals)}
    runs = disk.run_through_crash({"free": None, **cases}, _tear)
    disk.kill()
    disk.judge(runs)


def test_what_was_acknowledged_is_there_though_the_disk_never_came_back_and_the_rest_comes_later(disk: Disk) -> None:
    disk.run("first")
    refusals = [
        Refusal(call, count // 2 + 1, errno.EIO, FOREVER) for call, count in disk.calls_of("first") if count > 3
    ]
    runs = disk.run_all(refusals)
    disk.kill()
    for run in runs:
        rows = rows_in(disk.segments(run.name))
        for path in ("/rows", "/blobs"):
            assert rows[path][: run.acked] == list(range(run.acked)), run
    assert any(run.acked < STEPS for run in runs)
    for path in disk.refusals.iterdir():
        path.unlink()
    refuse(disk.refusals, "spill", Refusal("unlink segment", 1, errno.EIO, OUTAGE_SECS))
    disk.start()
    wait_until(lambda: not disk.home.spilled())
    disk.kill()
    for run in runs:
        rows = rows_in(disk.segments(run.name))
        assert rows["/rows"] == rows["/blobs"] == list(range(STEPS)), run


def test_every_write_of_a_spill_may_fail(home: Home) -> None:
    refusals = home.folder / "refusals"
    refusals.mkdir()
    env = Daemon(home.folder).env
    assert process.start(spilling.run, home.folder, env, ["first"]).join()
    counts: Counter[str] = Counter()
    for (call, _), count in calls(refusals)["first/spill"].items():
        counts[call] += count
    cases = {f"run-{number}": each for number, each in enumerate(refusals_of(list(counts.items())))}
    cases["never"] = Refusal("writev segment", 10, errno.ENOSPC, FOREVER)  # is the disk back
    for name, refusal in cases.items():
        refuse(refusals, f"{name}/spill", refusal)
    assert process.start(spilling.run, home.folder, env, ["free", *cases]).join()
    for name in ("free", *cases):
        lost, slowest_log_secs = json.loads((home.folder / f"{name}.json").read_text())
        files = sorted((home.state / name / "spill").glob("*.rrd"))
        rows = rows_in(files, torn=True).get("/blobs", [])
        assert slowest_log_secs < LOG_SECS
        assert len(rows) == len(set(rows)) == spilling.STEPS - lost, f"{name}: {cases.get(name)}"
        if name != "never":
            assert not lost, f"{name}: {cases.get(name)}"
    assert lost
