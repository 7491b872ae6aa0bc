"""Closed segments get footers; nothing else about them changes, whenever that is broken off."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rerun.chunk import RrdReader

from rerund.bell import Bells
from rerund.log import segment_files
from rerund.recovery import is_sealed_file
from rerund.sealer import Sealer
from rerund.store import Store
from rerund_sdk import rrd
from rerund_sdk.footer import seal
from tests.daemons import Daemon
from tests.homes import wait_until
from tests.raw_producer import Message, RawProducer, blob, chunk, frames_of, values_of

SEGMENT_BYTES = 8192


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home", SEGMENT_BYTES, Bells())


def _fill(store: Store, batch: list[Message]) -> Path:
    """Write a recording; its directory."""
    recording = store.obtain("app", "run")
    recording.prepare()
    for each in batch:
        recording.append([each.data], [each.entry], each.entry.size)
        recording.write_index()
    recording.release()
    return recording.directory


def _scalars(count: int) -> list[Message]:
    return [chunk("run", "/a", [float(n)], [n]) for n in range(count)]


def _values(store: Store) -> list[float]:
    cursor = store.obtain("app", "run").cursor()
    data = b""
    while part := cursor.read_now():
        data += part
    cursor.close()
    return [value for message in frames_of(data) for value in values_of(message)]


def _seal(store: Store, idle_secs: float = 3600.0) -> None:
    Sealer(store, idle_secs).seal(threading.Event())


def _sealed(directory: Path) -> list[bool]:
    return [is_sealed_file(path) for _, path in segment_files(directory)]


def test_stock_readers_seek_in_closed_segments_while_the_last_one_grows(
    make_daemon: Callable[..., Daemon],
) -> None:
    daemon = make_daemon(f"--segment-bytes={SEGMENT_BYTES}")
    with RawProducer(daemon.ingest) as producer:
        for each in _scalars(42):
            producer.append_and_wait(each)
        *closed, last = daemon.segments()
        before = last.read_bytes()
        wait_until(lambda: all(map(is_sealed_file, closed)))
        assert not is_sealed_file(last)
        rows = sum(each.num_rows for path in closed for each in RrdReader(path).store().stream().to_chunks())
        producer.append_and_wait(chunk("run", "/a", [99.0], [99]))
    assert rows + len(frames_of(before)) == 42 + 1  # the store info
    assert len(last.read_bytes()) > len(before)


def test_readers_of_the_daemon_see_nothing_of_footers_before_and_after_a_restart(store: Store) -> None:
    directory = _fill(store, _scalars(40))
    _seal(store)
    assert _sealed(directory) == [True] * (len(_sealed(directory)) - 1) + [False]
    assert _values(store) == [float(n) for n in range(40)]
    again = Store(store._home, SEGMENT_BYTES, Bells())
    assert _values(again) == [float(n) for n in range(40)]
    assert again.obtain("app", "run").index.totals == store.obtain("app", "run").index.totals


def test_the_last_segment_is_sealed_when_it_lies_idle_and_then_the_next_one_begins(store: Store) -> None:
    directory = _fill(store, _scalars(3))
    written = (directory / "000001.rrd").stat().st_mtime_ns
    _seal(store, idle_secs=0.0)
    assert _sealed(directory) == [True]
    assert (directory / "000001.rrd").stat().st_mtime_ns == written
    recording = store.obtain("app", "run")
    late = chunk("run", "/a", [3.0], [3])
    recording.append([late.data], [late.entry], late.entry.size)
    recording.write_index()
    assert _sealed(directory) == [True, False]
    assert _values(store) == [0.0, 1.0, 2.0, 3.0]


def test_what_lies_idle_from_an_earlier_daemon_is_opened_once_to_be_sealed(store: Store) -> None:
    directory = _fill(store, _scalars(3))
    again = Store(store._home, SEGMENT_BYTES, Bells())
    again.load()
    _seal(again, idle_secs=0.0)
    assert _sealed(directory) == [True]
    third = Store(store._home, SEGMENT_BYTES, Bells())
    third.load()
    _seal(third, idle_secs=0.0)
    assert not third.obtain("app", "run").is_open


def test_restarts_begin_no_segments(daemon: Daemon) -> None:
    for n in range(3):
        with RawProducer(daemon.ingest) as producer:
            producer.append_and_wait(chunk("run", "/a", [float(n)], [n]))
        daemon.restart()
    (segment,) = daemon.segments()
    assert not is_sealed_file(segment)


def test_a_footer_broken_off_anywhere_is_cut_and_written_later(store: Store, tmp_path: Path) -> None:
    directory = _fill(store, _scalars(20))
    path = directory / "000001.rrd"
    end = path.stat().st_size
    shutil.copy(path, tmp_path / "sealed")
    seal(tmp_path / "sealed")
    whole = (tmp_path / "sealed").read_bytes()
    head = rrd.MESSAGE_HEADER_SIZE
    unfinished = whole[:end] + bytes(head) + whole[end + head :]
    for cut in [end + head, end + head + 1, (end + len(whole)) // 2, len(whole) - 1, len(whole)]:
        path.write_bytes(unfinished[:cut])
        again = Store(store._home, SEGMENT_BYTES, Bells())
        assert _values(again) == [float(n) for n in range(20)]
        assert path.stat().st_size == end
    assert list(directory.glob("*.torn")) == []
    _seal(again)
    assert path.read_bytes() == whole


def test_a_segment_that_cannot_be_sealed_is_said_once_and_stays_as_it_is(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    directory = _fill(store, [blob(5000), *_scalars(10)])
    before = (directory / "000001.rrd").read_bytes()
    sealer = Sealer(store)
    for _ in range(2):
        sealer.seal(threading.Event())
    assert (directory / "000001.rrd").read_bytes() == before
    assert caplog.text.count("has no footer") == 1


def test_sealing_ends_at_once_when_it_is_told_to(store: Store) -> None:
    directory = _fill(store, _scalars(40))
    stopping = threading.Event()
    stopping.set()
    Sealer(store).seal(stopping)
    assert not any(_sealed(directory))


def test_a_sealing_process_that_cannot_run_harms_nothing_and_is_said_once(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = _fill(store, _scalars(40))
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    sealer = Sealer(store)
    for _ in range(2):
        sealer.seal(threading.Event())
    assert not any(_sealed(directory))
    assert caplog.text.count("their process ended") == 1
