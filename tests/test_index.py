from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rerund.bell import Bells
from rerund.index import SegmentIndex
from rerund.recording import Recording
from rerund.summary import EntitySummary, TimelineSummary
from rerund_sdk import messages, rrd, wire
from tests.raw_producer import Message, blob, chunk, frames_of

SEGMENT_BYTES = 12_000


def _recording(folder: Path) -> Recording:
    recording = Recording(folder / "rec", "app", "run", SEGMENT_BYTES, Bells())
    recording.prepare()
    return recording


def _append(recording: Recording, *batch: Message) -> None:
    for message in batch:
        assert recording.is_new(message.entry, [message.data])
        recording.append([message.data], [message.entry], message.entry.size)
    recording.write_index()


def _sample() -> list[Message]:
    info = messages.store_info_message(messages.store_id("app", "run"), (1, 2))
    return [
        Message(wire.IndexEntry(rrd.Kind.STORE_INFO, len(info), b"", "", 0, False, ()), info),
        chunk("run", "/static", [1.0], None),
        *(chunk("run", "/a", [float(n), float(n)], [n, n + 1]) for n in range(15)),
        *(chunk("run", "/b", [float(n)], [100 + n], timelines=("frame", "step")) for n in range(10)),
    ]


def _written(folder: Path) -> Recording:
    recording = _recording(folder)
    for message in _sample():
        _append(recording, message)
    assert len(recording.log.segments) > 2
    return recording


def _index_files(folder: Path) -> dict[str, bytes]:
    """Names and records."""
    paths = [*(folder / "rec").glob("*.index"), folder / "rec" / "names"]
    return {path.name: path.read_bytes()[0 if path.name == "names" else 64 :] for path in paths}


def _no_index(folder: Path) -> None:
    for path in (*(folder / "rec").glob("*.index"), folder / "rec" / "names"):
        path.unlink()


def _no_names(folder: Path) -> None:
    (folder / "rec" / "names").unlink()


def _torn_names(folder: Path) -> None:
    os.truncate(folder / "rec" / "names", 20)


def _empty_index(folder: Path) -> None:
    os.truncate(max((folder / "rec").glob("*.index")), 0)


def _torn_record(folder: Path) -> None:
    path = max((folder / "rec").glob("*.index"))
    os.truncate(path, path.stat().st_size - 30)


def _lost_records(folder: Path) -> None:
    path = max((folder / "rec").glob("*.index"))
    os.truncate(path, 64 + 2 * 64)


def _zeroed_records(folder: Path) -> None:
    path = max((folder / "rec").glob("*.index"))
    size = path.stat().st_size
    os.truncate(path, size - 128)
    os.truncate(path, size)


def _zeroed_closed(folder: Path) -> None:
    path = min((folder / "rec").glob("*.index"))
    content = path.read_bytes()
    path.write_bytes(content[:128] + bytes(len(content) - 128))


def _stale_closed(folder: Path) -> None:
    """Some records as they were in another life of the file."""
    path, other = sorted((folder / "rec").glob("*.index"))[:2]
    path.write_bytes(path.read_bytes()[:-128] + other.read_bytes()[-128:])


def _flipped_closed(folder: Path) -> None:
    path = min((folder / "rec").glob("*.index"))
    content = bytearray(path.read_bytes())
    content[-20] ^= 1  # the upper end of a range
    path.write_bytes(content)


def _flipped_header(folder: Path) -> None:
    path = min((folder / "rec").glob("*.index"))
    content = bytearray(path.read_bytes())
    content[32] ^= 1  # how many rows there are
    path.write_bytes(content)


def _zeroed_names(folder: Path) -> None:
    path = folder / "rec" / "names"
    path.write_bytes(path.read_bytes()[:10].ljust(path.stat().st_size, b"\0"))


def _foreign_index(folder: Path) -> None:
    for path in (folder / "rec").glob("*.index"):
        path.write_bytes(b"not ours" * 40)


@pytest.mark.parametrize("block", [1, 3, 1 << 15])
@pytest.mark.parametrize(
    "damage",
    [
        _no_index,
        _no_names,
        _torn_names,
        _empty_index,
        _torn_record,
        _lost_records,
        _zeroed_records,
        _zeroed_closed,
        _stale_closed,
        _flipped_closed,
        _flipped_header,
        _zeroed_names,
        _foreign_index,
    ],
)
def test_an_index_that_was_damaged_is_made_anew_as_it_was(
    tmp_path: Path, damage: Callable[[Path], None], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rerund.index._BLOCK_RECORDS", block)
    recording = _written(tmp_path)
    entities, totals = recording.entities(), recording.index.totals
    recording.release()
    whole = _index_files(tmp_path)
    damage(tmp_path)
    again = _recording(tmp_path)
    assert again.index.totals == totals
    assert again.entities() == entities
    again.release()
    assert _index_files(tmp_path) == whole


def test_a_settled_index_is_not_read_to_open_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = _written(tmp_path)
    *closed, last = recording.index.segments
    for index in closed:
        index.settle(recording.index.names)
    recording.release()
    read: list[int] = []
    real = SegmentIndex.read
    monkeypatch.setattr(SegmentIndex, "read", lambda self, *args: read.append(self.number) or real(self, *args))
    Recording(recording.directory, "app", "run", SEGMENT_BYTES, Bells()).open()
    assert set(read) == {last.number}


def test_an_undamaged_index_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = _written(tmp_path)
    totals = recording.index.totals
    recording.release()
    monkeypatch.setattr("rerund.recovery.describe", None)  # nothing may be opened
    assert _recording(tmp_path).index.totals == totals


def test_after_a_kill_only_what_the_index_lacks_is_opened(tmp_path: Path) -> None:
    recording = _written(tmp_path)
    totals = recording.index.totals
    last = chunk("run", "/c", [1.0], [1])
    recording.is_new(last.entry, [last.data])
    recording.append([last.data], [last.entry], last.entry.size)  # and killed before the index was written
    again = _recording(tmp_path)
    assert again.index.totals == (totals[0] + 1, totals[1] + 1)
    assert [entity.entity_path for entity in again.entities()] == ["/a", "/b", "/c", "/static"]


def test_nonsense_in_a_whole_message_is_indexed_as_nothing(tmp_path: Path) -> None:
    recording = _recording(tmp_path)
    _append(recording, blob(500), chunk("run", "/a", [1.0], [1]))
    recording.release()
    _no_index(tmp_path)
    again = _recording(tmp_path)
    assert [entity.entity_path for entity in again.entities()] == ["/a"]
    assert again.index.totals == (2, 1)
    cursor = again.cursor()
    assert len(frames_of(cursor.read_now())) == 2


def test_totals_and_summaries_count_each_message_once(tmp_path: Path) -> None:
    recording = _written(tmp_path)
    assert recording.index.totals == (27, 1 + 30 + 10)
    sizes = {path: sum(m.entry.size for m in _sample() if m.entry.entity_path == path) for path in ("/a", "/b")}
    frame = TimelineSummary("frame", "sequence", 0, 15)
    frame_of_b = frame._replace(min=100, max=109)
    assert recording.entities()[:2] == [
        EntitySummary("/a", 15, 30, sizes["/a"], False, (frame,)),
        EntitySummary("/b", 10, 10, sizes["/b"], False, (frame_of_b, frame_of_b._replace(timeline="step"))),
    ]
    assert recording.stats().entities == 3
    _append(recording, chunk("run", "/b", [1.0], [-5]))
    assert recording.entities()[1].timelines[0] == frame._replace(min=-5, max=109)
