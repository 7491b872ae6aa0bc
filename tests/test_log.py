from __future__ import annotations

import asyncio
import errno
import itertools
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from rerund.bell import Bells
from rerund.errors import BadPosition, LogWriteError, RecordingRemoved
from rerund.log import START, Position
from rerund.recording import Recording
from rerund.store import Store
from rerund_sdk import messages, rrd, wire
from rerund_sdk.footer import seal
from tests.official import RERUN
from tests.raw_producer import Message, blob, chunk, frames_of, values_of
from tests.recorded import content


def _recording(folder: Path, segment_bytes: int = 1 << 30, bells: Bells | None = None) -> Recording:
    recording = Recording(folder / "rec", "app", "run", segment_bytes, bells or Bells())
    recording.prepare()
    return recording


def _store_info(recording_id: str = "run") -> Message:
    data = messages.store_info_message(messages.store_id("app", recording_id), (1, 2))
    return Message(wire.IndexEntry(rrd.Kind.STORE_INFO, len(data), b"", "", 0, False, ()), data)


def _append(recording: Recording, *batch: Message) -> None:
    fresh = [message for message in batch if recording.is_new(message.entry, [message.data])]
    size = sum(message.entry.size for message in fresh)
    recording.append([message.data for message in fresh], [message.entry for message in fresh], size)
    recording.write_index()


def _scalar(value: float, entity: str = "/a", frame: int = 0) -> Message:
    return chunk("run", entity, [value], [frame])


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    recording = _recording(tmp_path)
    batch = [_store_info(), _scalar(1), _scalar(2), blob(3_000_000), _scalar(3)]
    _append(recording, *batch[:2])
    _append(recording, *batch[2:])
    assert content(recording) == [message.data for message in batch]


def test_a_batch_of_more_buffers_than_the_system_takes_at_once_is_written_whole(tmp_path: Path) -> None:
    recording = _recording(tmp_path)
    batch = [blob(40) for _ in range(os.sysconf("SC_IOV_MAX") * 2 + 7)]
    _append(recording, *batch)
    assert content(recording) == [message.data for message in batch]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = _recording(tmp_path)
    real = os.pwritev

    def short(fd: int, buffers: Sequence[bytes], offset: int) -> int:
        joined = b"".join(buffers)
        return real(fd, [joined[: max(1, len(joined) // 3)]], offset)

    monkeypatch.setattr(os, "pwritev", short)
    batch = [blob(100), blob(17), blob(5000)]
    _append(recording, *batch)
    assert content(recording) == [message.data for message in batch]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failed_write_leaves_no_trace_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    recording = _recording(tmp_path)
    first, second = _scalar(1), _scalar(2)
    _append(recording, first)
    before = (tmp_path / "rec" / "000001.rrd").read_bytes()
    real = os.pwritev

    def half_then_fail(fd: int, buffers: Sequence[bytes], offset: int) -> int:
        if offset > len(before):
            raise OSError(code, os.strerror(code))
        return real(fd, [b"".join(buffers)[:100]], offset)

    monkeypatch.setattr(os, "pwritev", half_then_fail)
    with pytest.raises(LogWriteError, match=os.strerror(code)):
        _append(recording, second)
    assert (tmp_path / "rec" / "000001.rrd").read_bytes() == before
    assert recording.error
    monkeypatch.undo()
    _append(recording, second)
    assert content(recording) == [first.data, second.data]
    assert not recording.error


def _fail(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_new_segment_that_cannot_be_begun_is_begun_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = [_store_info(), *(_scalar(value) for value in range(9))]
    for name in ("open", "pwritev", "pwrite", "ftruncate"):
        recording = _recording(tmp_path / name, segment_bytes=4096)
        for message in sent:
            with monkeypatch.context() as disk:
                disk.setattr(os, name, _fail)
                if recording.log.end.offset + message.entry.size > 4096 and len(recording.log.segments) > 1:
                    with pytest.raises(LogWriteError):
                        _append(recording, message)
            _append(recording, message)
        assert content(recording) == [message.data for message in sent]
        assert len(recording.index.segments) == len(recording.log.segments) > 3
        assert recording.index.totals == (10, 9)
        recording.release()
        again = _recording(tmp_path / name)
        assert content(again) == [message.data for message in sent]
        assert again.index.totals == (10, 9)


def test_an_index_that_cannot_be_written_stops_nothing_and_catches_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = _recording(tmp_path)
    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", _fail)
        _append(recording, _store_info(), _scalar(1))
        _append(recording, _scalar(2))
        assert recording.index.totals == (0, 0)
    _append(recording, _scalar(3))
    assert recording.index.totals == (4, 3)
    assert len(content(recording)) == 4


def test_an_opening_that_failed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _recording(tmp_path)
    _append(first, _store_info(), _scalar(1))
    first.release()
    recording = Recording(tmp_path / "rec", "app", "run", 1 << 20, Bells())
    with monkeypatch.context() as disk:
        disk.setattr("rerund.recovery.cut_torn_tail", _fail)
        with pytest.raises(LogWriteError):
            recording.open()
    assert not recording.is_open
    recording.open()
    assert recording.index.totals == (2, 1)
    assert len(content(recording)) == 2


def test_a_log_goes_on_where_it_stood(tmp_path: Path) -> None:
    first = _recording(tmp_path)
    _append(first, _store_info(), _scalar(1))
    end = first.end
    first.release()
    again = _recording(tmp_path)
    assert again.end == end
    _append(again, _scalar(2))
    cursor = again.cursor(end)
    assert values_of(cursor.read_now()) == [2.0]
    assert cursor.position == again.end


def test_a_chunk_is_known_after_a_restart_however_many_segments_ago_it_was_written(tmp_path: Path) -> None:
    """What a producer has in flight may be larger than two segments."""
    first = _recording(tmp_path, segment_bytes=4096)
    sent = [_store_info(), *(_scalar(value) for value in range(40))]
    for message in sent:
        _append(first, message)
    assert len(first.log.segments) > 5
    first.release()
    again = _recording(tmp_path, segment_bytes=4096)
    _append(again, *sent[1:])
    assert content(again) == [message.data for message in sent]


LAST = chunk("run", "/b", [5.0], [1])


@pytest.mark.parametrize("kept", range(len(LAST.data)))
def test_a_tail_torn_at_any_byte_is_cut_and_kept_aside(tmp_path: Path, kept: int) -> None:
    recording = _recording(tmp_path)
    whole = [_store_info(), _scalar(1)]
    _append(recording, *whole, LAST)
    recording.release()
    path = tmp_path / "rec" / "000001.rrd"
    os.truncate(path, path.stat().st_size - len(LAST.data) + kept)
    again = _recording(tmp_path)
    assert content(again) == [message.data for message in whole]
    torn = path.with_suffix(".rrd.torn")
    assert (torn.read_bytes() if kept else b"") == LAST.data[:kept]
    assert again.index.totals == (2, 1)
    _append(again, LAST)
    assert content(again) == [message.data for message in (*whole, LAST)]


@pytest.mark.parametrize(
    "garbage", [b"\0" * 5000, b"\xff" * 5000, b"RRF2" + b"\0" * 100], ids=["zeros", "ones", "header"]
)
def test_what_is_no_message_at_the_end_is_cut(tmp_path: Path, garbage: bytes) -> None:
    recording = _recording(tmp_path)
    _append(recording, _store_info(), _scalar(1))
    recording.release()
    with (tmp_path / "rec" / "000001.rrd").open("ab") as file:
        file.write(garbage)
    assert len(content(_recording(tmp_path))) == 2


def test_a_segment_without_even_a_header_is_kept_aside(tmp_path: Path) -> None:
    recording = _recording(tmp_path)
    _append(recording, _store_info(), _scalar(1))
    recording.release()
    (tmp_path / "rec" / "000002.rrd").write_bytes(b"")  # a power cut may leave this
    again = _recording(tmp_path)
    _append(again, _scalar(2))
    assert len(content(again)) == 3
    assert (tmp_path / "rec" / "000002.rrd.torn").exists()


def test_a_new_segment_repeats_what_it_needs_and_readers_skip_it(tmp_path: Path) -> None:
    recording = _recording(tmp_path, segment_bytes=20_000)
    static = chunk("run", "/static", [7.0], None)
    batch = [_store_info(), static, *(_scalar(value, frame=value) for value in range(60))]
    for message in batch:
        _append(recording, message)
    segments = sorted((tmp_path / "rec").glob("*.rrd"))
    assert len(segments) > 2
    for path in segments:
        found = frames_of(path.read_bytes())
        assert found[:2] == [batch[0].data, static.data]
        assert path.stat().st_size <= 20_000
        _verify(path)
    assert content(recording) == [message.data for message in batch]
    recording.release()
    assert content(_recording(tmp_path)) == [message.data for message in batch]


def _verify(*paths: Path) -> None:
    done = subprocess.run(
        [RERUN, "rrd", "verify", "--check-footers=false", *map(str, paths)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_of_many_static_chunks_the_latest_of_each_component_are_repeated(tmp_path: Path) -> None:
    recording = _recording(tmp_path, segment_bytes=40_000)
    once = chunk("run", "/once", [1.0], None)
    _append(recording, _store_info(), once)
    often = [chunk("run", "/often", [float(value)], None, padding=1000) for value in range(60)]
    for message in often:
        _append(recording, message)
    segments = sorted((tmp_path / "rec").glob("*.rrd"))
    assert len(segments) > 2
    found = frames_of(segments[-1].read_bytes())
    assert once.data in found[:3]
    before = frames_of(segments[-2].read_bytes())
    assert before[-1] in found[:3]
    assert before[-2] not in found
    assert len(content(recording)) == 62


def test_a_sealed_segment_is_never_appended_to(tmp_path: Path) -> None:
    recording = _recording(tmp_path)
    batch = [_store_info(), _scalar(1)]
    _append(recording, *batch)
    recording.release()
    path = tmp_path / "rec" / "000001.rrd"
    seal(path)
    sealed = path.read_bytes()
    again = _recording(tmp_path)
    last = _scalar(2)
    _append(again, last)
    assert path.read_bytes() == sealed
    assert content(again) == [message.data for message in (*batch, last)]
    again.release()
    assert len(content(_recording(tmp_path))) == 3


def test_a_message_larger_than_asked_for_comes_alone(tmp_path: Path) -> None:
    recording = _recording(tmp_path)
    batch = [blob(100), blob(200), blob(5000), blob(100), blob(100)]
    _append(recording, *batch)
    cursor = recording.cursor()
    sizes = []
    while part := cursor.read_now(1000):
        sizes.append([len(message) for message in frames_of(part)])
    assert sizes == [[100, 200], [5000], [100, 100]]


def test_a_few_bytes_that_were_read_do_not_keep_the_memory_of_many(tmp_path: Path) -> None:
    recording = _recording(tmp_path)
    _append(recording, blob(100), blob(50_000))
    part = recording.cursor().read_now(20_000)
    assert len(part) == 100
    assert memoryview(part.obj).nbytes == 100


def test_a_cursor_may_start_at_any_message_and_nowhere_else(tmp_path: Path) -> None:
    recording = _recording(tmp_path, segment_bytes=4096)
    for value in range(12):
        _append(recording, _scalar(value))
    cursor = recording.cursor()
    places = []
    while part := cursor.read_now(1):
        places.append((cursor.position, part))
    for (position, _), (_, following) in itertools.pairwise(places):
        assert recording.cursor(position).read_now(1) == following
        with pytest.raises(BadPosition, match=str(position.offset + 1)):
            recording.cursor(position._replace(offset=position.offset + 1)).read_now()
    with pytest.raises(BadPosition):
        recording.cursor(Position(99, 12)).read_now()


@pytest.mark.parametrize("text", ["", "1", "1:", ":1", "-1:5", "a:b", "1:2:3"])
def test_a_position_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadPosition):
        Position.parse(text)
    assert Position.parse("3:1234") == Position(3, 1234)
    assert str(Position(3, 1234)) == "3:1234"


def test_a_reader_goes_from_history_to_live_without_gap_and_across_segments(tmp_path: Path) -> None:
    sent = [_scalar(value, frame=value) for value in range(80)]

    async def follow() -> list[bytes]:
        bells = Bells()
        bells.attach(asyncio.get_running_loop())
        recording = await asyncio.to_thread(_recording, tmp_path, 10_000, bells)
        for message in sent[:20]:
            _append(recording, message)

        def write_the_rest() -> None:
            for message in sent[20:]:
                _append(recording, message)
                recording.publish()

        writing = asyncio.create_task(asyncio.to_thread(write_the_rest))
        cursor = recording.cursor()
        data = b""
        while len(frames_of(data)) < len(sent):
            data += await asyncio.wait_for(cursor.read(2000), 10)
        assert cursor.lag() == 0
        await writing
        return frames_of(data)

    assert asyncio.run(follow()) == [message.data for message in sent]


def test_a_reader_of_a_removed_recording_is_told(tmp_path: Path) -> None:
    async def wait_and_be_told() -> None:
        bells = Bells()
        bells.attach(asyncio.get_running_loop())
        store = Store(tmp_path, 1 << 20, bells)
        recording = store.obtain("app", "run")
        recording.prepare()
        cursor = recording.cursor()
        reading = asyncio.create_task(cursor.read())
        await asyncio.sleep(0)
        await asyncio.to_thread(store.remove, recording)
        with pytest.raises(RecordingRemoved):
            await asyncio.wait_for(reading, 10)
        assert store.recordings() == []

    asyncio.run(wait_and_be_told())


def test_who_looks_into_the_index_is_woken_when_it_has_what_the_log_had_before(tmp_path: Path) -> None:
    async def wait_for_the_index() -> None:
        bells = Bells()
        bells.attach(asyncio.get_running_loop())
        recording = await asyncio.to_thread(_recording, tmp_path, 1 << 20, bells)
        seen = recording.index.counts()
        waiting = asyncio.create_task(recording.indexed(seen))
        await asyncio.sleep(0)
        message = _scalar(1.0)
        recording.append([message.data], [message.entry], message.entry.size)
        recording.publish()
        await recording.cursor().ready()
        assert recording.index.counts() == seen
        assert not waiting.done()
        await asyncio.to_thread(recording.write_index)
        await asyncio.wait_for(waiting, 10)
        assert recording.index.counts() != seen

    asyncio.run(wait_for_the_index())


def test_lag_counts_what_is_still_to_be_read(tmp_path: Path) -> None:
    recording = _recording(tmp_path, segment_bytes=4096)
    for value in range(12):
        _append(recording, _scalar(value))
    cursor = recording.cursor(START)
    lag, read = cursor.lag(), 0
    while part := cursor.read_now(500):
        read += len(part)
        assert cursor.lag() == lag - read
    assert read == lag


def test_a_cursor_may_start_where_a_message_begins_that_is_not_yet_indexed(tmp_path: Path) -> None:
    recording = _recording(tmp_path)
    _append(recording, _store_info(), _scalar(1))
    end, late = recording.end, _scalar(2)
    recording.append([late.data], [late.entry], late.entry.size)
    cursor = recording.cursor(end)
    assert frames_of(cursor.read_now()) == [late.data]
    cursor.close()
