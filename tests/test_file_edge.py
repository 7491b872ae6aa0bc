"""`save` and `unsave`: files that stock tools open, whatever happens to the daemon."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rerun.chunk import RrdReader

from rerund_sdk import footer, rrd
from rerund_sdk.errors import DaemonError
from tests.daemons import Daemon
from tests.homes import messages_of, wait_until
from tests.official import RERUN
from tests.raw_producer import Message, RawProducer, chunk, frames_of, values_of


def request(daemon: Daemon, verb: str, **args: Any) -> Any:
    with daemon.client() as client:
        return client.request(verb, timeout=30, **args)


def refused(daemon: Daemon, verb: str, **args: Any) -> str:
    with pytest.raises(DaemonError) as error:
        request(daemon, verb, **args)
    return str(error.value)


def verify(path: Path) -> None:
    """By the stock tool, footer and all."""
    subprocess.run([RERUN, "rrd", "verify", str(path)], check=True, capture_output=True)


def some(recording_id: str, entity: str, count: int, start: int = 0) -> list[Message]:
    return [chunk(recording_id, entity, [float(i)], [i]) for i in range(start, start + count)]


def values_in(path: Path) -> list[float]:
    """The scalars of a file, in its order."""
    return [value for message in messages_of(path) if message[0] == rrd.Kind.ARROW for value in values_of(message)]


def sinks(daemon: Daemon) -> list[dict[str, Any]]:
    found: Any = daemon.status()["sinks"]
    return list(found)


def wait_until_written(daemon: Daemon) -> None:
    wait_until(lambda: all(sink["lag_bytes"] == 0 for sink in sinks(daemon)))


@pytest.fixture
def daemon(daemon: Daemon) -> Any:
    yield daemon
    assert "Traceback" not in daemon.said()


def test_a_saved_file_has_the_log_and_a_footer_that_stock_readers_use(daemon: Daemon, tmp_path: Path) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 50))
        saved = request(daemon, "save", recording="run", path=str(tmp_path / "out.rrd"))
    assert saved["path"] == str(tmp_path / "out.rrd")
    (segment,) = daemon.segments()
    assert list(messages_of(tmp_path / "out.rrd")) == frames_of(segment.read_bytes())
    verify(tmp_path / "out.rrd")
    rows = sum(each.num_rows for each in RrdReader(tmp_path / "out.rrd").store().stream().to_chunks())
    assert rows == 50
    assert sinks(daemon) == []


def test_a_log_of_several_segments_is_saved_without_what_they_repeat(
    make_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    daemon = make_daemon("--segment-bytes=8KiB")
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/static", [-1.0], None))
        for message in some("run", "/a", 50):
            producer.append_and_wait(message)
        request(daemon, "save", recording="run", path=str(tmp_path / "out.rrd"))
    assert len(daemon.segments()) > 2
    assert values_in(tmp_path / "out.rrd") == [-1.0, *map(float, range(50))]
    verify(tmp_path / "out.rrd")


def test_what_is_missing_of_a_log_is_told_to_who_saves_it(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    daemon = make_daemon("--segment-bytes=8KiB")
    with RawProducer(daemon.ingest) as producer:
        for message in some("run", "/a", 50):
            producer.append_and_wait(message)
    daemon.segments()[1].unlink()
    said = refused(daemon, "save", recording="run", path=str(tmp_path / "out.rrd"))
    assert "recording app/run was removed from the disk: the rest of it is not in" in said
    assert values_in(tmp_path / "out.rrd")  # what there is


def test_a_followed_file_that_is_removed_is_told_of(daemon: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "out.rrd"
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 3))
        request(daemon, "save", recording="run", path=str(path), follow=True)
        wait_until_written(daemon)
        path.unlink()
        producer.append_and_wait(*some("run", "/a", 1, start=3))
        wait_until(lambda: "the file was removed" in sinks(daemon)[0]["error"])
    assert "the file was removed" in refused(daemon, "unsave", path=str(path))
    assert not path.exists()
    assert sinks(daemon) == []


def test_all_recordings_fit_into_one_file(daemon: Daemon, tmp_path: Path) -> None:
    for recording_id in ("one", "two"):
        with RawProducer(daemon.ingest, recording_id) as producer:
            producer.append_and_wait(*some(recording_id, "/a", 3))
    saved = request(daemon, "save", all=True, path=str(tmp_path / "out.rrd"))
    assert saved["recordings"] == ["app/one", "app/two"]
    verify(tmp_path / "out.rrd")
    stores = RrdReader(tmp_path / "out.rrd").recordings()
    assert sorted(store.recording_id for store in stores) == ["one", "two"]


def test_a_followed_file_gets_what_comes_until_unsave(daemon: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "out.rrd"
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 3))
        request(daemon, "save", recording="run", path=str(path), follow=True)
        wait_until_written(daemon)
        assert values_in(path) == [0.0, 1.0, 2.0]
        producer.append_and_wait(*some("run", "/a", 2, start=3))
        wait_until(lambda: len(values_in(path)) == 5)
        (sink,) = sinks(daemon)
        assert (sink["path"], sink["recording"], sink["error"]) == (str(path), "app/run", "")
        producer.append_and_wait(*some("run", "/a", 2, start=5))
        request(daemon, "unsave", path=str(path))
        producer.append_and_wait(*some("run", "/a", 1, start=7))
    assert values_in(path) == list(map(float, range(7)))
    verify(path)
    assert sinks(daemon) == []
    assert "is not followed (followed: none)" in refused(daemon, "unsave", path=str(path))


def test_following_all_takes_recordings_that_begin_later(daemon: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "out.rrd"
    request(daemon, "save", all=True, path=str(path), follow=True)
    for recording_id in ("one", "two"):
        with RawProducer(daemon.ingest, recording_id) as producer:
            producer.append_and_wait(*some(recording_id, "/a", 2))
    wait_until(lambda: len(values_in(path)) == 4)
    daemon.restart()
    with RawProducer(daemon.ingest, "three") as producer:
        producer.append_and_wait(*some("three", "/a", 2))
    request(daemon, "unsave", path=str(path))
    assert sorted(values_in(path)) == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    verify(path)


def test_a_followed_file_is_finished_when_the_daemon_stops_and_goes_on_with_the_next(
    daemon: Daemon, tmp_path: Path
) -> None:
    path = tmp_path / "out.rrd"
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 3))
        request(daemon, "save", recording="run", path=str(path), follow=True)
        producer.append_and_wait(*some("run", "/a", 2, start=3))
    assert daemon.stop() == 0
    verify(path)
    assert values_in(path) == list(map(float, range(5)))
    daemon.start()
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 2, start=5))
    wait_until(lambda: len(values_in(path)) == 7)
    daemon.stop()
    verify(path)
    assert values_in(path) == list(map(float, range(7)))


def test_a_followed_file_has_every_message_once_after_a_kill(daemon: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "out.rrd"
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 20))
        request(daemon, "save", recording="run", path=str(path), follow=True)
        for message in some("run", "/a", 200, start=20):
            producer.append_and_wait(message)
        daemon.kill()
    with path.open("ab") as file:
        file.write(b"torn")
    daemon.start()
    wait_until_written(daemon)
    request(daemon, "unsave", path=str(path))
    assert values_in(path) == list(map(float, range(220)))
    verify(path)


def test_a_followed_file_that_was_removed_is_written_anew(daemon: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "out.rrd"
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 3))
        request(daemon, "save", recording="run", path=str(path), follow=True)
    daemon.stop()
    path.unlink()
    daemon.start()
    wait_until_written(daemon)
    assert values_in(path) == [0.0, 1.0, 2.0]


def test_another_file_in_the_place_of_a_followed_one_is_left_alone(daemon: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "out.rrd"
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 3))
        request(daemon, "save", recording="run", path=str(path), follow=True)
    daemon.stop()
    precious = shutil.copyfile(path, tmp_path / "precious.rrd").read_bytes() + b"!"
    (tmp_path / "precious.rrd").write_bytes(precious)
    (tmp_path / "precious.rrd").rename(path)
    daemon.start()
    assert sinks(daemon) == []
    assert path.read_bytes() == precious
    assert "another file took its place" in daemon.said()


def test_a_file_that_another_process_writes_is_refused_with_its_name(daemon: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "out.rrd"
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 3))
        request(daemon, "save", recording="run", path=str(path), follow=True)
        assert "is writing this file" in refused(daemon, "save", recording="run", path=str(path))
    other = tmp_path / "other.rrd"
    with other.open("wb") as file:
        file.write(b"RRF2 of somebody")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "is writing this file: choose another name" in refused(daemon, "save", recording="run", path=str(other))
    assert other.read_bytes() == b"RRF2 of somebody"


def test_what_cannot_be_saved_to_is_refused_in_a_sentence(daemon: Daemon, tmp_path: Path) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 3))
    (tmp_path / "letter.txt").write_text("dear reader")
    for path, sentence in (
        (tmp_path, "this is a directory: name a file in it"),
        (tmp_path / "letter.txt", "there is a file that is no .rrd"),
        (tmp_path / "nowhere" / "out.rrd", "No such file or directory"),
        (Path("/dev/null"), "this is no regular file"),
        (daemon.segments()[0], "the daemon keeps its own files there"),
        (daemon.home / "x" / ".." / "followed.json", "the daemon keeps its own files there"),
        (Path("relative.rrd"), "is no absolute path"),
    ):
        assert sentence in refused(daemon, "save", recording="run", path=str(path))
    assert (tmp_path / "letter.txt").read_text() == "dear reader"
    assert "names no recording" in refused(daemon, "save", path=str(tmp_path / "out.rrd"))
    assert "no recording goes by 'other'" in refused(daemon, "save", recording="other", path=str(tmp_path / "out.rrd"))
    assert not (tmp_path / "out.rrd").exists()


def test_a_full_disk_is_told_to_who_saves_and_waited_out_by_who_follows(daemon: Daemon, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "rerund-test", disk], check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        with RawProducer(daemon.ingest) as producer:
            producer.append_and_wait(*some("run", "/a", 3))
            request(daemon, "save", recording="run", path=str(disk / "followed.rrd"), follow=True)
            wait_until_written(daemon)
            producer.append_and_wait(chunk("run", "/large", [3.0], [3], padding=400_000))
            wait_until(lambda: "No space left" in sinks(daemon)[0]["error"])
            said = refused(daemon, "save", recording="run", path=str(disk / "once.rrd"))
            assert "cannot be written (No space left on device)" in said
            assert values_in(disk / "followed.rrd") == [0.0, 1.0, 2.0]
            subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
            wait_until(lambda: len(values_in(disk / "followed.rrd")) == 4)
        request(daemon, "unsave", path=str(disk / "followed.rrd"))
        verify(disk / "followed.rrd")
    finally:
        daemon.kill()
        subprocess.run(["umount", disk], check=True)


def test_a_removed_recording_ends_its_part_of_a_followed_file(daemon: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "out.rrd"
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 3))
    request(daemon, "save", recording="run", path=str(path), follow=True)
    wait_until_written(daemon)
    request(daemon, "remove", recording="run")
    wait_until(lambda: "was removed" in daemon.said())
    daemon.restart()
    request(daemon, "unsave", path=str(path))
    assert values_in(path) == [0.0, 1.0, 2.0]
    verify(path)


def test_a_damaged_list_of_followed_files_does_not_keep_the_daemon_from_starting(daemon: Daemon) -> None:
    daemon.stop()
    for damage in (b"nonsense", b"{}", json.dumps([{"path": "/x"}, {}]).encode()):
        (daemon.home / "followed.json").write_bytes(damage)
        daemon.restart()
        assert sinks(daemon) == []


def test_a_file_is_read_while_it_is_followed(daemon: Daemon, tmp_path: Path) -> None:
    """At every moment it ends with a whole message."""
    path = tmp_path / "out.rrd"
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not done.is_set():
            seen.append(len(values_in(path)))  # asserts that it is whole

    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 1))
        request(daemon, "save", recording="run", path=str(path), follow=True)
        wait_until_written(daemon)
        reader = threading.Thread(target=read)
        reader.start()
        for number, message in enumerate(some("run", "/a", 100, start=1)):
            producer.append_and_wait(message)
            if number % 30 == 29:
                wait_until(lambda number=number: seen and seen[-1] > number - 20)
        wait_until_written(daemon)
        done.set()
        reader.join()
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


def test_a_footer_of_a_saved_file_is_what_sealing_makes(daemon: Daemon, tmp_path: Path) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*some("run", "/a", 5))
    request(daemon, "save", recording="run", path=str(tmp_path / "out.rrd"))
    (segment,) = daemon.segments()
    copy = Path(shutil.copyfile(segment, tmp_path / "copy.rrd"))
    footer.seal(copy)
    assert copy.read_bytes()[rrd.STREAM_HEADER_SIZE :] == (tmp_path / "out.rrd").read_bytes()[rrd.STREAM_HEADER_SIZE :]
