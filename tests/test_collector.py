"""What producers leave behind comes into the log: once, in order, and only when they are gone."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from rerund import collector
from rerund.bell import Bells
from rerund.recording import Recording
from rerund_sdk import messages, rrd
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.spill import Queued, SpillQueue
from tests.daemons import Daemon
from tests.homes import Home, program, wait_until
from tests.raw_producer import Message, RawProducer, blob, chunk
from tests.recorded import scalars_in

STORE_INFO = messages.store_info_message(messages.store_id("app", "run"), (1, 2))
PROGRAM = """
import sys, rerund_sdk as rr
rr.init("app", recording_id="run")
rr.connect(delivery=rr.Delivery(memory_bytes=1 << 20, spill_bytes=64 << 20))
for n in range(3000):
    rr.log("a", rr.Scalars(float(n)))
    if n % 100 == 0:
        rr.log("b", rr.Scalars(float(n)), rr.AnyValues(filler=b"x" * 100_000))
"""


def _spill(home: Home, queue: str, batch: Sequence[Message], *, pid: int = 77) -> SpillQueue:
    """Files as a producer has them while it lives."""
    spill = SpillQueue(home.state / "spill", f"{'ab' * 16}-{pid}-{queue}", STORE_INFO, 1 << 20)
    spill.append([Queued(n, EncodedMessage(each.entry, (each.data,))) for n, each in enumerate(batch)])
    return spill


def _scalar(value: float) -> Message:
    return chunk("run", "/a", [value], [int(value)])


def _gone(home: Home) -> bool:
    return not home.spilled()


def test_what_a_program_logged_without_a_daemon_is_in_the_log_of_the_next(home: Home) -> None:
    assert program(PROGRAM).returncode == 0
    assert home.spilled()
    daemon = home.daemon()
    wait_until(lambda: _gone(home))
    rows = home.rows("run")
    assert rows == {"/a": [float(n) for n in range(3000)], "/b": [float(n) for n in range(0, 3000, 100)]}
    assert list((home.state / "spill").iterdir()) == []
    assert "had left behind: recording app/run" in daemon.said()


def test_what_was_delivered_before_is_not_written_again_after_a_restart_either(home: Home) -> None:
    daemon = home.daemon("--segment-bytes=4KiB")
    batch = [_scalar(float(n)) for n in range(40)]
    with RawProducer(daemon.ingest) as producer:
        for each in batch[:25]:
            producer.append_and_wait(each)
    daemon.kill()
    _spill(home, "2", batch[10:]).leave()
    home.daemon("--segment-bytes=4KiB")
    wait_until(lambda: _gone(home))
    assert scalars_in(daemon.segments(), "/a") == [float(n) for n in range(40)]


def test_the_index_knows_every_chunk_however_old(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "app", "run", 4096, Bells())
    recording.prepare()
    batch = [_scalar(float(n)) for n in range(100)]
    for each in batch:
        recording.append([each.data], [each.entry], each.entry.size)
        recording.write_index()
    assert len(recording.log.segments) > 5
    others = [os.urandom(16) for _ in range(10)]
    ids = [each.entry.chunk_id for each in batch]
    assert recording.index.known_chunk_ids([*others, *ids, b""]) == set(ids)
    assert recording.index.known_chunk_ids([b""]) == recording.index.known_chunk_ids([]) == set()


def test_files_of_a_producer_that_lives_are_left_alone_until_it_ends(home: Home) -> None:
    alive = [_spill(home, "1", [_scalar(1.0)]), _spill(home, "2", [_scalar(2.0)])]
    _spill(home, "2", [_scalar(0.0)], pid=78).leave()
    daemon = home.daemon()
    wait_until(lambda: len(home.spilled()) == 2)
    alive[1].leave()
    with RawProducer(daemon.ingest) as producer:  # as long as it takes
        producer.append_and_wait(_scalar(9.0))
        producer.wait_synced(1)
    assert len(home.spilled()) == 2
    alive[0].leave()
    wait_until(lambda: _gone(home))
    assert scalars_in(daemon.segments(), "/a") == [0.0, 9.0, 1.0, 2.0]


def test_files_that_came_after_the_look_are_taken_in_with_the_others_in_order(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for queue in "20":
        _spill(home, queue, [_scalar(float(queue))]).leave()
    for path in home.spilled():
        os.utime(path, (1, 1))
    listed = collector._files(home.state / "spill")
    stale = [[file for file in listed if file.queue == "2"]]
    monkeypatch.setattr(collector, "_files", lambda _: stale.pop() if stale else listed)
    taken: list[list[str]] = []
    monkeypatch.setattr(
        collector.Collector, "_take_in", lambda _self, files, _stopping: taken.append([file.queue for file in files])
    )
    collecting = collector.Collector(home.state / "spill", None, None, False)  # type: ignore[arg-type]
    collecting.collect(threading.Event())
    assert taken == []
    collecting.collect(threading.Event())
    assert taken == [["0", "2"]]


def test_a_tail_torn_by_a_kill_costs_the_torn_message_alone(home: Home) -> None:
    (path,) = _spill(home, "2", [_scalar(1.0), _scalar(2.0)]).leave()
    os.truncate(path, path.stat().st_size - 5)
    daemon = home.daemon()
    wait_until(lambda: _gone(home))
    assert scalars_in(daemon.segments(), "/a") == [1.0]


@pytest.mark.parametrize("damage", ["nonsense", "header", "framing"])
def test_a_damaged_file_is_kept_aside_and_what_is_good_in_it_is_taken(home: Home, damage: str) -> None:
    batch = [_scalar(1.0), blob(500) if damage == "nonsense" else _scalar(2.0), _scalar(3.0)]
    (path,) = _spill(home, "2", batch).leave()
    content = bytearray(path.read_bytes())
    if damage == "header":
        content[:4] = b"????"
    if damage == "framing":
        content[rrd.STREAM_HEADER_SIZE + len(STORE_INFO) + len(batch[0].data)] = 99
    path.write_bytes(content)
    daemon = home.daemon()
    wait_until(lambda: _gone(home))
    assert path.with_name(path.name + ".damaged").read_bytes() == content
    taken = {"nonsense": [1.0, 3.0], "header": [], "framing": [1.0]}[damage]
    assert scalars_in(daemon.segments(), "/a") == taken
    assert daemon.said().count("kept aside") == 1


def test_an_empty_file_of_a_producer_that_was_killed_at_once_is_removed(home: Home) -> None:
    (home.state / "spill").mkdir(parents=True)
    (home.state / "spill" / f"{'ab' * 16}-77-2-1.rrd").touch()
    home.daemon()
    wait_until(lambda: _gone(home))


def test_status_tells_what_waits_to_be_collected(home: Home) -> None:
    alive = _spill(home, "2", [_scalar(1.0)])
    daemon: Daemon = home.daemon()
    told = daemon.status()["spill"]
    assert told == {"files": 1, "bytes": alive.nbytes}
    alive.leave()
    wait_until(lambda: daemon.status()["spill"] == {"files": 0, "bytes": 0})
