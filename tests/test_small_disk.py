"""Real disks that are full, become read-only, go away and come back: the recording there waits, the others go on."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import rerund_sdk as rr
from rerund.bell import Bells
from rerund.log import segment_files
from rerund.recording import Recording
from rerund_sdk import places
from rerund_sdk.recording import RecordingStream
from tests.faults.oracle import LOG_SECS, rows_in
from tests.homes import Home, wait_until
from tests.mounts import Ext4, mount, resize, tmpfs, unmount

BLOB = 40_000


class Logging:
    """A program that logs into a recording and asks what is written and synced, until it is told to end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = 0
        self.synced = 0
        self.slowest_secs = 0.0
        self._stop = threading.Event()
        self._recording = RecordingStream("app", recording_id=name, send_properties=False)
        rr.connect(recording=self._recording)
        self._thread = threading.Thread(target=self._log)
        self._thread.start()

    def _log(self) -> None:
        while not self._stop.wait(0.01):
            self._recording.set_time("row", sequence=self.rows)
            start = time.monotonic()
            self._recording.log("rows", rr.AnyValues(blob=os.urandom(BLOB)))
            self.slowest_secs = max(self.slowest_secs, time.monotonic() - start)
            self.rows += 1
            rows = self.rows
            if rows % 5 == 0 and self._recording.flush(level="synced", timeout=0.2):
                self.synced = rows

    def goes_on(self) -> None:
        """Wait until something that is logged from here on is synced."""
        rows = self.rows
        wait_until(lambda: self.synced > rows)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def finish(self) -> None:
        """All of it is synced."""
        self.end()
        assert self._recording.flush(level="synced", timeout=30)
        self._recording.disconnect()
        assert self.slowest_secs < LOG_SECS


class Site:
    """A daemon, a recording on a disk of its own and one on the usual disk."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.place = self.directory("small")

    def directory(self, name: str) -> Path:
        return self.home.state / places.recording_dir("app", name)

    def begin(self, *options: str) -> None:
        self.daemon = self.home.daemon("--fsync-secs=0.1", "--min-free=0", "--segment-bytes=1MiB", *options)
        self.small, self.other = Logging("small"), Logging("other")
        for each in (self.small, self.other):
            each.goes_on()

    def error(self, name: str) -> str:
        return next(str(each["error"]) for each in self.home.status()["recordings"] if each["recording_id"] == name)

    def waits(self, why: str) -> None:
        """The recording tells, while the other one goes on."""
        wait_until(lambda: why in self.error("small"))
        self.other.goes_on()
        assert not self.error("other")

    def goes_on(self) -> None:
        self.small.goes_on()
        wait_until(lambda: not self.error("small"))

    def judge(self, then: Callable[[], None] = lambda: None) -> None:
        """All rows are there once. then: done before that is looked at."""
        for each in (self.small, self.other):
            each.finish()
        self.daemon.kill()
        then()
        for each in (self.small, self.other):
            directory = self.directory(each.name)
            Recording(directory, "app", each.name, 1 << 30, Bells()).open()  # which cuts what was torn
            rows = rows_in([path for _, path in segment_files(directory)])
            assert rows["/rows"] == list(range(each.rows)), each.name

    def end(self) -> None:
        for each in (self.small, self.other):
            each.end()
            each._recording.disconnect()


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    made = Site(home)
    yield made
    made.end()


@pytest.fixture
def mounts() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_disk_that_is_full_to_the_last_byte_and_then_larger(site: Site, mounts: ExitStack) -> None:
    mounts.enter_context(tmpfs(site.place, "1400k"))
    site.begin()
    site.waits("No space left")
    resize(site.place, "256m")
    site.goes_on()
    site.judge()


def test_a_full_disk_from_which_something_is_deleted(site: Site, mounts: ExitStack) -> None:
    mounts.enter_context(tmpfs(site.place, "256m"))
    ballast = site.place / "ballast"
    ballast.write_bytes(bytes(254 << 20))
    site.begin()
    site.waits("No space left")
    ballast.unlink()
    site.goes_on()
    site.judge()


def test_a_disk_that_goes_away_and_comes_back(site: Site, mounts: ExitStack) -> None:
    disk = mounts.enter_context(tmpfs(site.home.folder / "disk", "256m"))
    site.place.mkdir(parents=True)
    mount("--bind", disk, site.place)
    mounts.callback(unmount, site.place)
    site.begin()
    unmount(site.place)
    site.waits("No such file")
    assert not list(site.place.iterdir())
    mount("--bind", disk, site.place)
    site.goes_on()
    site.judge()


def test_the_disk_of_all_recordings_goes_away_and_comes_back(home: Home, mounts: ExitStack) -> None:
    disk = mounts.enter_context(tmpfs(home.folder / "disk", "256m"))
    home.state.mkdir()
    mount("--bind", disk, home.state)
    mounts.callback(unmount, home.state)
    home.daemon("--fsync-secs=0.1", "--min-free=0")
    old = Logging("old")
    old.goes_on()
    unmount(home.state)
    wait_until(lambda: "is gone" in str(home.status()["recordings"][0]["error"]))
    new = Logging("new")  # begins while it is away
    wait_until(lambda: any("is gone" in str(each["error"]) for each in home.status()["recordings"][1:]))
    assert not (home.state / "recordings").exists()
    mount("--bind", disk, home.state)
    for each in (old, new):
        each.goes_on()
        each.finish()
        rows = rows_in([path for _, path in segment_files(home.state / places.recording_dir("app", each.name))])
        assert rows["/rows"] == list(range(each.rows)), each.name


def _fill(directory: Path) -> None:
    with contextlib.suppress(OSError), (directory / "ballast").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def test_a_daemon_starts_on_a_full_disk_and_takes_rows_when_there_is_room(home: Home, mounts: ExitStack) -> None:
    mounts.enter_context(tmpfs(home.state, "256k"))
    _fill(home.state)
    home.daemon("--fsync-secs=0.1", "--min-free=0")
    logging = Logging("run")
    wait_until(lambda: any("No space left" in str(each["error"]) for each in home.status()["recordings"]))
    (home.state / "ballast").unlink()
    resize(home.state, "256m")
    logging.goes_on()
    logging.finish()
    rows = rows_in([path for _, path in segment_files(home.state / places.recording_dir("app", "run"))])
    assert rows["/rows"] == list(range(logging.rows))


def test_a_daemon_that_nobody_could_find_says_why_it_does_not_start(home: Home, mounts: ExitStack) -> None:
    runtime = mounts.enter_context(tmpfs(home.folder / "run" / "rerund", "16k"))
    _fill(runtime)
    with pytest.raises(AssertionError, match="did not become ready"):
        home.daemon()
    assert "daemon.json cannot be written (No space left on device)" in home._daemon.said()
    assert "Traceback" not in home._daemon.said()


def test_a_disk_that_the_kernel_makes_read_only_and_that_comes_back_repaired(site: Site, mounts: ExitStack) -> None:
    disk = Ext4(site.home.folder / "image", site.place)
    mounts.callback(disk.unmount)
    site.begin()
    disk.fail()
    site.waits("Read-only")
    disk.come_back()
    site.goes_on()
    site.judge()


def test_a_disk_that_takes_writes_and_fails_to_bring_them_down(site: Site, mounts: ExitStack) -> None:
    """The kernel's own writing back fails: an fsync tells, once, and counts the pages as clean from then on."""
    below = mounts.enter_context(tmpfs(site.home.folder / "below", "3m"))
    disk = Ext4(below / "image", site.place, journal=False)
    mounts.callback(disk.unmount)
    site.begin()
    site.waits("fsync failed")
    resize(below, "300m")
    site.goes_on()
    site.judge(then=disk.come_back)  # so that it is read from the disk, and not from memory


def test_files_that_may_not_become_larger(site: Site) -> None:
    """As a quota of the process says; the kernel of a test machine has rarely one of users."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, before[1]))  # the daemon inherits it
    try:
        site.begin("--segment-bytes=64MiB")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    site.small.goes_on()
    wait_until(lambda: len(list(site.place.glob("*.rrd"))) > 3)
    site.judge()
