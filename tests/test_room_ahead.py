"""Room that is kept behind the end of a growing file: nobody sees it, it is given back, and it may be refused."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import rerund_sdk as rr
from rerund.bell import Bells
from rerund.log import segment_files
from rerund.recording import Recording
from rerund.sealer import Sealer
from rerund.store import Store
from rerund_sdk.room_ahead import RoomAhead
from tests.raw_producer import Message, blob, chunk
from tests.recorded import content

IMAGE = np.zeros((480, 640, 3), np.uint8)
SLACK = 1 << 20  # what a file system may take beside the bytes

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="there is such room on Linux only"),
    pytest.mark.usefixtures("uncompressed"),
]


def _taken(path: Path) -> int:
    """Disk space, in bytes."""
    return path.stat().st_blocks * 512


def _has_room_behind_its_end(path: Path) -> bool:
    return _taken(path) > path.stat().st_size + SLACK


def _append(recording: Recording, *batch: Message) -> None:
    for each in batch:
        recording.append([each.data], [each.entry], each.entry.size)
    recording.write_index()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def _write(fd: int, size: int, room: RoomAhead) -> None:
    end = os.fstat(fd).st_size
    os.pwrite(fd, b"x" * size, end)
    room.keep(fd, end + size, size)


def test_the_size_stays_and_the_room_is_given_back(file: int, tmp_path: Path) -> None:
    room = RoomAhead()
    for count in range(1, 21):
        _write(file, 1 << 20, room)
        assert os.fstat(file).st_size == count << 20
        assert _has_room_behind_its_end(tmp_path / "file")
    room.give_back(file)
    assert os.fstat(file).st_size == 20 << 20
    assert not _has_room_behind_its_end(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"x" * (20 << 20)


def test_a_file_that_grows_slowly_gets_none(file: int, tmp_path: Path) -> None:
    room = RoomAhead()
    for _ in range(100):
        _write(file, 1000, room)
    assert not _has_room_behind_its_end(tmp_path / "file")


def test_where_there_can_be_none_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    room = RoomAhead()
    with (tmp_path / "file").open("rb") as readable:
        room.keep(readable.fileno(), 1 << 20, 1 << 20)
        room.give_back(readable.fileno())
    assert (tmp_path / "file").stat().st_size == 0


def test_a_log_has_room_while_it_grows(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "rec", "app", "run", 1 << 30, Bells())
    recording.prepare()
    batch = [blob(3_000_000), blob(100), blob(2_000_000)]
    _append(recording, *batch)
    ((_, segment),) = segment_files(recording.directory)
    assert _has_room_behind_its_end(segment)
    recording.release()
    assert not _has_room_behind_its_end(segment)
    _append(recording, blob(100))
    assert content(recording)[:3] == [message.data for message in batch]


def test_a_closed_segment_has_none_once_it_is_sealed(tmp_path: Path) -> None:
    store = Store(tmp_path / "home", 8 << 20, Bells())
    recording = store.obtain("app", "run")
    recording.prepare()
    _append(recording, *(chunk("run", "/a", [1.0], [n], padding=3_000_000) for n in range(4)))
    (_, first), (_, second) = segment_files(recording.directory)
    assert _has_room_behind_its_end(first) and _has_room_behind_its_end(second)
    Sealer(store).seal(threading.Event())
    assert not _has_room_behind_its_end(first) and _has_room_behind_its_end(second)
    recording.release()


def test_a_saved_file_has_none_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run.rrd"
    recording = rr.RecordingStream("app", recording_id="run")
    recording.save(path)
    recording.log("/camera", rr.Image(IMAGE))
    assert recording.flush(timeout_sec=30)
    assert _has_room_behind_its_end(path)
    recording.disconnect()
    assert path.stat().st_size > IMAGE.nbytes
    assert not _has_room_behind_its_end(path)
