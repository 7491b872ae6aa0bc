"""Power cuts at any moment: what was acknowledged as synced is there, every log opens, no index lies."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from rerund.bell import Bells
from rerund.index import FIRST, NO_TIMELINE, REPEATED, STATIC, Records
from rerund.log import mapped, whole_messages
from rerund.producers import Producer
from rerund.recording import Recording
from rerund.sync import RETRY_SECS, GroupCommit
from rerund_sdk import messages, rrd, wire
from tests.faults.power import Disk, Write
from tests.official import RERUN
from tests.raw_producer import Message, chunk
from tests.recorded import content

SEGMENT_BYTES = 30_000  # so what is not synced may lie in several
APPENDS = 80
CUTS = 60  # of each run and kind


class Run:
    """Appends to a log, and what its producer was told is synced; on a disk that remembers."""

    def __init__(self, folder: Path, seed: int, appends: int = APPENDS, fails: float = 0.0) -> None:
        """fails: the share of fsyncs that do."""
        chance = random.Random(seed)
        folder.mkdir()
        self.disk = Disk(folder, random.Random(seed + 1), fails)
        self.sent: list[list[Message]] = []
        with self.disk.record():
            recording = opened(folder)
            producer = Producer(_hello(), recording, 0.0)
            synced = threading.Event()
            commits = GroupCommit(0.0, synced.set)
            commits.start()
            for seq in range(1, appends + 1):
                self._append(recording, chance)
                producer.written_seq = seq
                commits.note(recording)
                if chance.random() < 0.3:
                    synced.clear()
                    commits.hand_over_if_due(time.monotonic() + RETRY_SECS, [producer])
                    assert synced.wait(30)
                    for _, reached in commits.synced():
                        self.disk.say(reached)
            commits.stop([producer])
            commits.synced()
            recording.release()

    def _append(self, recording: Recording, chance: random.Random) -> None:
        """With the store info first, static chunks now and then, and sizes of all kinds."""
        batch = [] if self.sent else [_store_info()]
        for _ in range(chance.randint(1, 3)):
            frames = None if chance.random() < 0.1 else [len(self.sent)]
            batch.append(chunk("run", "/a", [chance.random()], frames, padding=chance.choice((0, 0, 1000, 9000))))
        fresh = [message for message in batch if recording.is_new(message.entry, [message.data])]
        recording.append([m.data for m in fresh], [m.entry for m in fresh], sum(m.entry.size for m in fresh))
        if chance.random() < 0.7:
            recording.write_index()
        self.sent.append(batch)

    def data(self, seq: int = APPENDS) -> list[bytes]:
        """Of all appends up to `seq`."""
        return [message.data for batch in self.sent[:seq] for message in batch]

    def synced(self, until: int) -> list[bytes]:
        """What the producer was told is synced before operation `until`."""
        return self.data(max(self.disk.told(until), default=0))


def opened(folder: Path) -> Recording:
    recording = Recording(folder / "app" / "run", "app", "run", SEGMENT_BYTES, Bells())
    recording.prepare()
    return recording


def _hello() -> wire.Hello:
    return wire.Hello(wire.PROTOCOL, bytes(16), 1, "host", "test", "app", "run", "0", _store_info().data)


def _store_info() -> Message:
    data = messages.store_info_message(messages.store_id("app", "run"), (1, 2))
    return Message(wire.IndexEntry(rrd.Kind.STORE_INFO, len(data), b"", "", 0, False, ()), data)


@pytest.fixture(scope="module", params=[(1, 0.0), (2, 0.0), (3, 0.04)], ids=["1", "2", "failing fsyncs"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    seed, fails = request.param
    made = Run(tmp_path_factory.mktemp("power") / "disk", seed, fails=fails)
    assert len(list(made.disk.root.glob("app/run/*.rrd"))) > 2
    assert len(made.disk.told(len(made.disk.operations))) > (10 if not fails else 5)
    return made


def no_index_lies(run: Run, recording: Recording) -> None:
    """Of every message that is as it was sent, the index says what its producer said of it."""
    entries = {message.data: message.entry for batch in run.sent for message in batch}
    names = recording.index.names.names
    for segment, index in zip(recording.log.segments, recording.index.segments, strict=True):
        records = index.read()
        starts = [*np.flatnonzero(records["flags"] & FIRST), len(records)]
        frames = list(whole_messages(mapped(segment.path), rrd.STREAM_HEADER_SIZE))
        assert [(frame.start, frame.end - frame.start) for frame in frames] == [
            (int(record["offset"]), int(record["size"])) for record in records[starts[:-1]]
        ]
        content = segment.path.read_bytes()
        for frame, (begin, end) in zip(frames, itertools.pairwise(starts), strict=True):
            if entry := entries.get(content[frame.start : frame.end]):
                said = _said(records[begin:end], names)
                repeats = bool(records[begin]["flags"] & REPEATED)
                assert said == (entry if not repeats else entry._replace(ranges=()))


def _said(records: Records, names: list[tuple[str, ...]]) -> wire.IndexEntry:
    first = records[0]
    ranges = tuple(
        wire.TimeRange(*names[record["timeline"]], int(record["min"]), int(record["max"]))
        for record in records
        if record["timeline"] != NO_TIMELINE
    )
    return wire.IndexEntry(
        int(first["kind"]),
        int(first["size"]),
        bytes(first["chunk_id"]) if first["kind"] == rrd.Kind.ARROW else b"",
        names[first["entity"]][0],
        int(first["rows"]),
        bool(first["flags"] & STATIC),
        ranges,
    )


def goes_on(folder: Path, before: list[bytes]) -> None:
    """The log takes more, and opens once more with all of it."""
    added = chunk("run", "/more", [1.0], [1])
    recording = opened(folder)
    recording.append([added.data], [added.entry], added.entry.size)
    recording.write_index()
    recording.release()
    assert content(opened(folder)) == [*before, added.data]


def test_a_cut_without_reordering_leaves_all_that_was_written_before(run: Run, tmp_path: Path) -> None:
    chance = random.Random(1)
    for number in range(CUTS):
        until = chance.randrange(1, len(run.disk.operations) + 1)
        folder = tmp_path / str(number)
        run.disk.after_cut(until, folder, chance, reordered=False)
        recording = opened(folder)
        found = content(recording)
        assert found == run.data()[: len(found)]
        assert len(found) >= len(run.synced(until))
        no_index_lies(run, recording)
        if number % 10 == 0:
            goes_on(folder, found)


def test_a_cut_with_reordering_leaves_all_that_was_synced_before(run: Run, tmp_path: Path) -> None:
    chance = random.Random(2)
    for number in range(CUTS):
        until = chance.randrange(1, len(run.disk.operations) + 1)
        folder = tmp_path / str(number)
        run.disk.after_cut(until, folder, chance, reordered=True)
        recording = opened(folder)
        found = content(recording)
        synced = run.synced(until)
        assert found[: len(synced)] == synced
        no_index_lies(run, recording)
        if number % 10 == 0:
            goes_on(folder, found)


def test_a_cut_at_every_byte_of_the_last_message_is_repaired(tmp_path: Path) -> None:
    run = Run(tmp_path / "disk", seed=3, appends=5)
    message = run.sent[-1][-1].data
    (last,) = (
        number
        for number, each in enumerate(run.disk.operations)
        if isinstance(each, Write) and each.data.endswith(message)
    )
    size = len(run.disk.operations[last].data)  # type: ignore[union-attr]
    before = run.data()[:-1]
    kept: list[Path] = []
    for count in range(size - len(message), size + 1):
        folder = tmp_path / str(count)
        run.disk.after_cut(last, folder, random.Random(count), reordered=False, last=count)
        assert content(opened(folder)) == (before if count < size else [*before, message])
        if count % 97 == 0:
            kept += sorted(folder.glob("app/run/*.rrd"))
        else:
            shutil.rmtree(folder)
    done = subprocess.run(
        [RERUN, "rrd", "verify", "--check-footers=false", *map(str, kept)], capture_output=True, text=True, check=False
    )
    assert kept
    assert done.returncode == 0, done.stdout + done.stderr
