"""What could not be kept is told in the recording itself, once."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import rerund_sdk as rr
from rerund_sdk import wire
from rerund_sdk.chunk_reader import Chunk
from rerund_sdk.losses import LOSSES_PATH
from rerund_sdk.recording import RecordingStream
from tests.daemons import Daemon
from tests.homes import Home, program, wait_until
from tests.official import RERUN
from tests.raw_producer import RawProducer, chunk
from tests.recorded import chunks_in

pytestmark = pytest.mark.usefixtures("uncompressed")

SECOND = 1_000_000_000
LOST = (wire.Loss("no room: drop-oldest", "/image", 12, 3 * SECOND, 5 * SECOND), wire.Loss("refused", "/a", 1, 1, 1))


def _entries(daemon: Daemon) -> list[dict[str, Any]]:
    """The rows at LOSSES_PATH."""
    chunks = [each for each in chunks_in(daemon.segments()) if each.entity_path == LOSSES_PATH]
    return [row for each in chunks for row in _rows(each)]


def _rows(losses: Chunk) -> list[dict[str, Any]]:
    columns = {each.descriptor.component: each.column.to_pylist() for each in losses.components}
    return [{name: cells[row][0] for name, cells in columns.items()} for row in range(losses.rows)]


def test_declared_losses_are_rows_of_the_recording(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.send(wire.Ping(LOST, b"1" * 16))
        assert producer.receive(wire.Ack).losses_id == b"1" * 16
        (told,) = daemon.status()["producers"]
    first, second = _entries(daemon)
    assert (first["cause"], first["entity_path"], first["rows"], first["TextLog:level"]) == ("refused", "/a", 1, "WARN")
    assert (second["first"], second["last"], second["rows"]) == (3 * SECOND, 5 * SECOND, 12)
    assert second["TextLog:text"] == (
        "12 rows of /image from 1970-01-01 00:00:03Z to 1970-01-01 00:00:05Z are lost: no room: drop-oldest"
    )
    assert "raw (pid" in second["producer"]
    assert told["lost_rows"] == daemon.status()["counters"]["lost_rows"] == 13


def test_losses_that_are_declared_again_are_written_once_even_by_the_next_daemon(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        for _ in range(3):
            producer.send(wire.Ping(LOST, b"1" * 16))
            assert producer.receive(wire.Ack).losses_id == b"1" * 16
    daemon.kill()
    daemon.start()
    with RawProducer(daemon.ingest, producer_id=producer.producer_id) as producer:
        producer.send(wire.Goodbye(0, LOST, b"1" * 16))
        assert producer.receive(wire.Ack).losses_id == b"1" * 16
    assert len(_entries(daemon)) == 2
    assert daemon.said().count("lost 13 rows") == 1


def test_nothing_is_added_where_nothing_was_lost(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
        producer.send(wire.Ping())
        assert producer.receive(wire.Ack).losses_id == b""
        producer.send(wire.Goodbye(1, ()))
        producer.receive(wire.Ack)
    assert [each.entity_path for each in chunks_in(daemon.segments())] == ["/a"]


@pytest.mark.parametrize("loss", [["no room", "/a", -1, 0, 0], ["no room", "/a", 1, 0, 2**63], [b"", "/a", 1, 0, 0]])
def test_losses_that_cannot_be_are_refused(loss: list[Any]) -> None:
    header, *_ = wire.encode(wire.Ping((wire.Loss(*loss),), b"1" * 16))
    with pytest.raises(wire.BadWireMessage, match="a loss"):
        wire.decode([header])


def test_stock_readers_take_loss_entries_as_text_logs(daemon: Daemon, tmp_path: Path) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.send(wire.Goodbye(0, LOST, b"1" * 16))
        producer.receive(wire.Ack)
    (segment,) = daemon.segments()
    verify = [RERUN, "rrd", "optimize", str(segment), "-o", str(tmp_path / "loaded.rrd")]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=50, check=True)
    assert "malformed" not in done.stderr
    printed = subprocess.run([RERUN, "rrd", "print", "-vv", str(segment)], capture_output=True, text=True, check=True)
    assert "TextLog:level" in printed.stdout and LOSSES_PATH in printed.stdout


def test_the_sdk_declares_what_it_drops_while_it_lives(home: Home) -> None:
    daemon = home.daemon("--max-message-bytes=4096")
    with RecordingStream("app", recording_id="run", send_properties=False) as recording:
        rr.connect(recording=recording)
        recording.log("a", rr.Scalars(1.0))
        recording.log("large", rr.TextLog("x" * 10_000))
        recording.log("a", rr.Scalars(2.0))
        (entry,) = wait_until(lambda: _entries(daemon))
        assert (entry["entity_path"], entry["rows"]) == ("/large", 1)
        assert time.time_ns() - 60 * SECOND < entry["first"] <= entry["last"]
    assert len(_entries(daemon)) == 1
    assert home.spilled() == []


def test_what_was_lost_without_a_daemon_is_told_among_what_is_left(home: Home) -> None:
    recording = RecordingStream("app", recording_id="run", send_properties=False)
    rr.connect(delivery=rr.Delivery(memory_bytes=1 << 20, spill_bytes=2 << 20), recording=recording)
    for number in range(40):
        recording.log("image", rr.TextLog(f"{number:2}" * 200_000))
    recording.disconnect()
    kept = [each for path in home.spilled() for each in chunks_in(path)]
    (report,) = [each for each in kept if each.entity_path == LOSSES_PATH]
    lost = sum(row["rows"] for row in _rows(report))
    assert lost and lost + sum(each.rows for each in kept if each.entity_path == "/image") == 40


def test_a_program_that_ends_declares_its_losses_where_pandas_is_installed_and_not_yet_imported(home: Home) -> None:
    """It can't be any more then: its threads want to register for an exit that has begun."""
    done = program(
        "import sys, rerund_sdk as rr\n"
        "rr.init('app', recording_id='run')\n"
        "rr.connect(delivery=rr.Delivery(memory_bytes=1 << 20, spill_bytes=2 << 20))\n"
        "for number in range(40): rr.log('image', rr.TextLog(f'{number:2}' * 200_000))\n"
        "assert 'pandas' not in sys.modules\n"
    )
    assert "are kept in /" in done.stderr and "Traceback" not in done.stderr, done.stderr
    kept = [each for path in home.spilled() for each in chunks_in(path)]
    (report,) = [each for each in kept if each.entity_path == LOSSES_PATH]
    lost = sum(row["rows"] for row in _rows(report))
    assert lost and lost + sum(each.rows for each in kept if each.entity_path == "/image") == 40
