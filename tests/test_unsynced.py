"""What a power cut leaves of unsynced data, and what is said of a disk that does not sync."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rerund.bell import Bells
from rerund.producers import Producer
from rerund.recording import Recording
from rerund.sync import GroupCommit
from rerund_sdk import rrd, wire
from tests.daemons import Daemon
from tests.raw_producer import Message, RawProducer, blob, chunk
from tests.recorded import content

HEAD = rrd.MESSAGE_HEADER_SIZE


def _recording(folder: Path, segment_bytes: int = 1 << 30) -> Recording:
    recording = Recording(folder / "rec", "app", "run", segment_bytes, Bells())
    recording.prepare()
    return recording


def _append(recording: Recording, *batch: Message) -> None:
    for each in batch:
        recording.append([each.data], [each.entry], each.entry.size)
        recording.write_index()


def _blank(path: Path, start: int, end: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(end - start))


@pytest.mark.parametrize("where", ["body", "rest", "header"])
@pytest.mark.parametrize("indexed", [True, False])
def test_a_message_whose_bytes_had_not_reached_the_disk_is_cut_with_all_after_it(
    tmp_path: Path, where: str, indexed: bool
) -> None:
    recording = _recording(tmp_path)
    batch = [chunk("run", "/a", [float(n)], [n]) for n in range(10)]
    _append(recording, *batch)
    if not indexed:
        recording.index.segments[-1].path.unlink()
    path = recording.log.segments[0].path
    size = len(batch[0].data)
    start = rrd.STREAM_HEADER_SIZE + 6 * size
    _blank(path, start if where == "header" else start + HEAD, path.stat().st_size if where == "rest" else start + size)
    again = _recording(tmp_path)
    assert content(again) == [each.data for each in batch[:6]]
    assert again.index.totals == (6, 6)
    _append(again, *batch[6:])  # they come again: nobody was told that they were synced
    assert content(again) == [each.data for each in batch]


def test_a_segment_that_was_closed_just_before_the_cut_is_looked_at_too(tmp_path: Path) -> None:
    batch = [chunk("run", "/a", [float(n)], [n]) for n in range(20)]
    recording = _recording(tmp_path, 8192)
    _append(recording, *batch)
    *_, before, last = recording.log.segments
    lost = len(batch[0].data)
    _blank(before.path, before.end - lost + HEAD, before.end)
    again = _recording(tmp_path, 8192)
    assert before.path.stat().st_size == before.end - lost
    messages = content(again)
    assert len(messages) == 19 and messages[-1] == batch[-1].data
    assert last.path.stat().st_size == last.end


def test_a_log_that_was_left_well_is_not_read_to_be_opened(tmp_path: Path) -> None:
    recording = _recording(tmp_path)
    batch = [blob(5000) for _ in range(3)]
    _append(recording, *batch)
    recording.log.never_sync()  # nobody minds
    recording.release()
    path = recording.log.segments[0].path
    _blank(path, rrd.STREAM_HEADER_SIZE + 5000 + HEAD, rrd.STREAM_HEADER_SIZE + 10_000)
    again = _recording(tmp_path)
    assert again.log.segments[0].end == rrd.STREAM_HEADER_SIZE + 15_000


def test_a_log_whose_last_sync_failed_was_not_left_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, syncing = _Disk(monkeypatch), _Syncing(tmp_path)
    producer = _producer(syncing.recording)
    assert syncing.write_and_sync(producer) == {producer: 1}
    disk.fails = True
    assert syncing.write_and_sync(producer) == {}
    syncing.commits.stop([producer])
    syncing.commits.synced()
    path, end = syncing.recording.log.segments[0].path, syncing.recording.end.offset
    syncing.recording.release()
    disk.fails = False
    _blank(path, end - len(chunk("run", "/a", [1.0], [1]).data) + HEAD, end)
    again = _recording(tmp_path)
    assert len(content(again)) == 1


@pytest.mark.parametrize("cut", [HEAD, HEAD + 1, 400])
def test_a_body_that_begins_with_a_zero_is_not_taken_from_anybody(daemon: Daemon, cut: int) -> None:
    good = blob(500)
    zeroed = good.data[:HEAD] + bytes(1) + good.data[HEAD + 1 :]
    with RawProducer(daemon.ingest) as producer:
        producer.send(wire.Append(1, (good.entry,), (zeroed[:cut], zeroed[cut:])))
        assert "begins with a zero byte" in producer.receive(wire.Reject).reason
        producer.append(good, seq=2)
        producer.wait_written(2)


class _Disk:
    """os.fsync, which fails as long as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fails = False
        self.meanwhile: Callable[[], None] = lambda: None  # done while an fsync is under way
        self.synced: set[int] = set()  # inodes
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self._sync)

    def _sync(self, fd: int) -> None:
        self.meanwhile()
        if self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._fsync(fd)
        self.synced.add(os.fstat(fd).st_ino)


def _producer(recording: Recording) -> Producer:
    hello = wire.Hello(1, os.urandom(16), 1, "here", "test", "app", "run", "0", b"")
    return Producer(hello, recording, 0.0)


class _Syncing:
    """A group commit and one recording, turned by hand as the intake does."""

    def __init__(self, folder: Path) -> None:
        self.done = threading.Event()
        self.commits = GroupCommit(0.0, self.done.set)
        self.commits.start()
        self.recording = _recording(folder)

    def write_and_sync(self, *producers: Producer) -> dict[Producer, int]:
        """What is synced after another append of each producer."""
        for producer in producers:
            _append(self.recording, chunk("run", "/a", [1.0], [producer.written_seq]))
            producer.written_seq += 1
        self.commits.note(self.recording)
        self.done.clear()
        self.commits.hand_over_if_due(float("1e18"), producers)
        assert self.done.wait(20)
        synced = dict(self.commits.synced())
        for producer, seq in synced.items():
            producer.synced_seq = seq
        return synced


def test_what_an_fsync_failed_for_goes_into_a_new_file_before_it_is_called_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, syncing = _Disk(monkeypatch), _Syncing(tmp_path)
    early, late = _producer(syncing.recording), _producer(syncing.recording)
    path = syncing.recording.log.segments[0].path
    assert syncing.write_and_sync(early) == {early: 1}
    disk.fails = True
    assert syncing.write_and_sync(early) == {}
    assert syncing.write_and_sync(early) == {}
    before, content = path.stat(), path.read_bytes()
    assert "may not survive a power cut" in syncing.recording.stats().error
    disk.fails = False
    assert syncing.write_and_sync(early, late) == {early: 4, late: 1}
    assert path.stat().st_ino != before.st_ino and path.read_bytes() == content
    assert path.stat().st_ino in disk.synced
    assert syncing.recording.stats().error == ""
    assert syncing.write_and_sync(early) == {early: 5}
    syncing.commits.stop([])


def test_what_is_written_while_an_fsync_fails_is_in_doubt_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, syncing = _Disk(monkeypatch), _Syncing(tmp_path)
    producer = _producer(syncing.recording)
    path = syncing.recording.log.segments[0].path
    assert syncing.write_and_sync(producer) == {producer: 1}
    late = chunk("run", "/a", [1.0], [7])

    def write_more() -> None:
        disk.meanwhile = lambda: None
        _append(syncing.recording, late)

    disk.fails, disk.meanwhile = True, write_more
    assert syncing.write_and_sync(producer) == {}
    assert path.read_bytes().endswith(late.data)
    before = path.stat().st_ino
    disk.fails = False
    assert syncing.write_and_sync(producer) == {producer: 3}
    assert path.read_bytes().endswith(late.data) and path.stat().st_ino != before
    syncing.commits.stop([])


def test_what_the_disk_gave_up_after_a_failed_fsync_is_never_called_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, syncing = _Disk(monkeypatch), _Syncing(tmp_path)
    producer = _producer(syncing.recording)
    assert syncing.write_and_sync(producer) == {producer: 1}
    start = syncing.recording.end.offset
    disk.fails = True
    assert syncing.write_and_sync(producer) == {}
    disk.fails = False
    _blank(syncing.recording.log.segments[0].path, start + 600, start + 700)
    assert syncing.write_and_sync(producer) == {}
    assert f"at offset {start} are no longer what was written" in syncing.recording.stats().error
    assert syncing.write_and_sync(producer) == {}
    syncing.commits.stop([])


def test_what_was_written_and_not_yet_told_is_synced_with_the_rest(tmp_path: Path) -> None:
    syncing = _Syncing(tmp_path)
    producer = _producer(syncing.recording)
    producer.taken_seq = 3  # as acks come later than writes
    assert syncing.write_and_sync(producer) == {producer: 3}
    syncing.commits.stop([])


def test_segments_that_nobody_syncs_are_closed(tmp_path: Path) -> None:
    commits = GroupCommit(None, lambda: None)
    recording = _recording(tmp_path, 8192)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for n in range(40):
        _append(recording, chunk("run", "/a", [float(n)], [n]))
        commits.note(recording)
    assert len(recording.log.segments) > 5
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_after_a_failed_fsync_a_new_segment_begins_but_not_one_at_each_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk, syncing = _Disk(monkeypatch), _Syncing(tmp_path)
    producer = _producer(syncing.recording)
    disk.fails = True
    for _ in range(5):
        syncing.write_and_sync(producer)
    assert len(syncing.recording.log.segments) == 2
    assert caplog.text.count("fsync failed") == 1
    syncing.commits.stop([])


def test_what_cannot_be_handed_over_for_want_of_descriptors_is_synced_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncing = _Syncing(tmp_path)
    producer = _producer(syncing.recording)

    def none_left(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(os, "dup", none_left)
        assert syncing.write_and_sync(producer) == {}
    assert len(syncing.recording.log.segments) == 1 and not syncing.recording.log.segments[0].closed
    assert "may not survive" in syncing.recording.stats().error
    assert syncing.commits.is_noted(syncing.recording)
    assert syncing.write_and_sync(producer) == {producer: 2}
    syncing.commits.stop([])
