"""Which recordings go, which stay, and what happens when the disk is to be left some room."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rerund_sdk as rr
from rerund.bell import Bells
from rerund.config import GIB, Config, _age, _floor
from rerund.errors import DiskFloorReached, LogWriteError
from rerund.recording import Recording
from rerund.retention import Retention, RetentionLimits
from rerund.space import Floor, Space
from rerund.store import Store
from rerund_sdk.recording import RecordingStream
from tests.daemons import Daemon
from tests.homes import Home, wait_until
from tests.raw_producer import RawProducer, blob, chunk

NO_LIMIT = RetentionLimits(None, None, None, False)
NO_FLOOR = Floor(0, None, "0")
DAY = 86400.0


class _Disk:
    """What os.statvfs says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, total: int = 100 * GIB) -> None:
        self.free = self.total = total
        monkeypatch.setattr(os, "statvfs", lambda _: self)

    @property
    def f_bavail(self) -> int:
        return self.free

    @property
    def f_blocks(self) -> int:
        return self.total

    f_frsize = 1


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, 1 << 30, Bells())


def _make(store: Store, name: str, days_old: float, size: int = 1000) -> Recording:
    """A recording that was last written to so long ago."""
    recording = store.obtain("app", name)
    recording.prepare()
    message = blob(size)
    recording.append([message.data], [message.entry], size)
    recording.release()
    recording.last_write = time.time() - days_old * DAY
    return recording


def _enforce(store: Store, limits: RetentionLimits, space: Space | None = None) -> list[str]:
    """What is left."""
    Retention(store, space or Space(Path("/"), NO_FLOOR), limits).enforce(threading.Event())
    left = sorted(recording.recording_id for recording in store.recordings())
    assert left == sorted(path.name for path in (store._home / "recordings").glob("app/*"))
    return left


def test_the_oldest_beyond_the_count_go(store: Store) -> None:
    for name, days in (("a", 3), ("b", 1), ("c", 2), ("d", 4)):
        _make(store, name, days)
    assert _enforce(store, NO_LIMIT) == ["a", "b", "c", "d"]
    assert _enforce(store, NO_LIMIT._replace(recordings=2)) == ["b", "c"]


def test_the_oldest_beyond_the_bytes_go(store: Store) -> None:
    for name, days in (("a", 3), ("b", 1), ("c", 2)):
        _make(store, name, days, 10_000)
    assert _enforce(store, NO_LIMIT._replace(size=25_000)) == ["b", "c"]


def test_those_beyond_the_age_go(store: Store) -> None:
    for name, days in (("a", 3), ("b", 1), ("c", 2.5)):
        _make(store, name, days)
    assert _enforce(store, NO_LIMIT._replace(age_secs=2 * DAY)) == ["b"]


def test_nothing_goes_while_the_file_system_is_away(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "lock").touch()
    space = Space(home, NO_FLOOR)
    store = Store(home, 1 << 30, Bells(), space)
    store.load()
    _make(store, "a", 9)
    retention = Retention(store, space, NO_LIMIT._replace(age_secs=DAY))
    home.rename(tmp_path / "away")
    home.mkdir()
    retention.enforce(threading.Event())
    assert len(store.recordings()) == 1
    home.rmdir()
    (tmp_path / "away").rename(home)
    retention.enforce(threading.Event())
    assert store.recordings() == []


def test_pinned_live_and_recent_ones_stay_and_it_is_said_once_that_the_limit_is_not_met(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    _make(store, "pinned", 9).pin(True)
    _make(store, "live", 9).producers = 1
    _make(store, "recent", 0)
    _make(store, "old", 1)
    retention = Retention(store, Space(Path("/"), NO_FLOOR), RetentionLimits(1, 1.0, 1, False))
    for _ in range(3):
        retention.enforce(threading.Event())
    assert sorted(each.recording_id for each in store.recordings()) == ["live", "pinned", "recent"]
    assert caplog.text.count("cannot be met") == 1


def test_pins_outlive_the_daemon(store: Store) -> None:
    _make(store, "a", 1).pin(True)
    again = Store(store._home, 1 << 30, Bells())
    again.load()
    assert again.find("a").stats().pinned
    again.find("a").pin(False)
    assert not Recording(store.find("a").directory, "app", "a", 1 << 30, Bells()).pinned


def test_nothing_is_appended_to_what_was_retired_and_nothing_in_use_is_retired(store: Store) -> None:
    recording = _make(store, "a", 1)
    message = blob(100)
    assert not recording.retire(recording.last_write - 1)
    recording.append([message.data], [message.entry], 100)
    assert recording.retire(recording.last_write)
    assert not recording.retire(recording.last_write)
    with pytest.raises(LogWriteError, match="removed"):
        recording.append([message.data], [message.entry], 100)


def test_the_floor_is_the_smaller_of_what_is_given() -> None:
    assert Config().min_free.of(10 * GIB) == GIB // 2
    assert Config().min_free.of(1000 * GIB) == GIB
    assert _floor("10%").of(1000) == 100
    assert _floor("0").of(1000) == 0
    for text in ("5,1GiBs", "150%", "x%", ""):
        with pytest.raises(ValueError):
            _floor(text)


def test_ages_have_units() -> None:
    assert [_age(text) for text in ("90s", "2m", "12h", "30d", "1w")] == [90, 120, 43200, 30 * DAY, 7 * DAY]
    for text in ("30", "d", "-1d", "0h", "3y"):
        with pytest.raises(ValueError):
            _age(text)


def test_at_the_floor_the_oldest_go_until_there_is_room_if_that_is_wished(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, days in (("a", 4), ("b", 3), ("c", 2), ("d", 1)):
        _make(store, name, days, 10_000)
    disk = _Disk(monkeypatch)
    disk.free = 50_000
    space = Space(store._home, Floor(65_000, None, "65000"))
    assert _enforce(store, NO_LIMIT, space) == ["a", "b", "c", "d"]
    assert _enforce(store, NO_LIMIT._replace(drops_for_floor=True), space) == ["c", "d"]


def test_writing_stops_at_the_floor_and_goes_on_well_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = _Disk(monkeypatch)
    store = Store(tmp_path, 1 << 30, Bells(), Space(tmp_path, Floor(GIB, None, "1GiB")))
    recording = store.obtain("app", "run")
    recording.prepare()
    message = blob(1000)

    def append() -> None:
        recording.append([message.data], [message.entry], 1000)

    append()
    recording._space._next_look = 0.0  # type: ignore[union-attr]
    disk.free = GIB + 500
    with pytest.raises(DiskFloorReached, match=r"has 1073742324 bytes free, and min_free = 1GiB leaves 1073741824"):
        append()
    assert "min_free" in recording.stats().error
    disk.free = GIB + 1_000_000
    with pytest.raises(DiskFloorReached):
        append()
    disk.free = GIB + 100_000_000
    append()
    assert recording.stats().error == ""


@pytest.fixture
def small_home() -> Iterator[Home]:
    """Directories whose state is on a file system of 32 MiB."""
    home = Home()
    home.state.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs", str(home.state)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        home.end()
        pytest.skip("may not mount a file system here")
    yield home
    home._daemon.end()
    subprocess.run(["umount", "--lazy", str(home.state)], check=True)
    home.end()


def test_producers_keep_what_the_floor_refuses_and_it_comes_when_there_is_room(
    small_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in small_home.environment.items():
        monkeypatch.setenv(name, value)
    daemon = small_home.daemon("--min-free=50%")
    ballast = small_home.state / "ballast"
    logged = 0

    def log_some() -> None:
        nonlocal logged
        for _ in range(10):
            recording.log("a", rr.Scalars(float(logged)))
            logged += 1

    def refused() -> bool:
        log_some()
        return "min_free = 50%" in daemon.status()["recordings"][0]["error"]  # type: ignore[index]

    with RecordingStream("app", recording_id="run", send_properties=False) as recording:
        rr.connect(recording=recording)
        log_some()
        recording.flush(timeout_sec=20)
        ballast.write_bytes(bytes(20 << 20))
        wait_until(refused)
        log_some()
        assert daemon.status()["disk"]["missing"] > 0  # type: ignore[index]
        assert "nothing is written" in _rerund(daemon, "status").stdout
        ballast.unlink()
        recording.flush(timeout_sec=30)
    assert small_home.rows("run") == {"/a": [float(n) for n in range(logged)]}
    assert not daemon.status()["recordings"][0]["error"]  # type: ignore[index]


def _rerund(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rerund", *words]
    return subprocess.run(command, env=daemon.env, capture_output=True, text=True, timeout=50)


def test_pin_and_unpin_are_shown(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon("--retention-count=1")
    for name in ("one", "two"):
        with RawProducer(daemon.ingest, name) as producer:
            producer.append_and_wait(chunk(name, "/a", [1.0], [1]))
    assert _rerund(daemon, "pin", "one", "two").stdout == "pinned: app/one\npinned: app/two\n"
    assert _rerund(daemon, "unpin", "two").stdout == "unpinned: app/two\n"
    lines = _rerund(daemon, "ls").stdout.splitlines()
    assert [line.split()[0] for line in lines if line.endswith("pinned")] == ["app/one"]
    assert _rerund(daemon, "pin", "three").returncode == 1
    for path in daemon.home.glob("recordings/app/*/*"):
        os.utime(path, (1, 1))
    daemon.restart()
    wait_until(lambda: [each["recording_id"] for each in daemon.status()["recordings"]] == ["one"])  # type: ignore
