"""`flush` tells how far everything has come, and does not claim more."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import rerund_sdk as rr
from rerund_sdk.daemon_sink import DaemonSink
from rerund_sdk.file_sink import FileSink
from tests.daemons import Daemon
from tests.recorded import scalars_in


def test_each_level_is_reached_with_a_daemon_that_answers(daemon: Daemon) -> None:
    recording = rr.RecordingStream("rerund_test", recording_id="flush")
    recording.set_sinks(DaemonSink(daemon.ingest))
    for value, level in enumerate(("sent", "written", "synced")):
        recording.log("a", rr.Scalars(float(value)))
        flushed = recording.flush(level=level, timeout=20)  # type: ignore[arg-type]
        assert (flushed.reached, bool(flushed)) == (level, True)
        if level != "sent":
            assert scalars_in(daemon.segments(), "/a")[-1] == value
    recording.disconnect()


def test_a_frozen_daemon_is_told_of_and_nothing_is_claimed(daemon: Daemon) -> None:
    recording = rr.RecordingStream("rerund_test", recording_id="frozen")
    recording.set_sinks(DaemonSink(daemon.ingest))
    recording.log("a", rr.Scalars(1.0))
    assert recording.flush(timeout=20)
    daemon.signal(signal.SIGSTOP)
    try:
        recording.log("a", rr.Scalars(2.0))
        flushed = recording.flush(timeout=0.3)
        assert (flushed.reached, bool(flushed)) == ("sent", False)
    finally:
        daemon.signal(signal.SIGCONT)
    assert recording.flush(level="synced", timeout=20).reached == "synced"
    recording.disconnect()
    assert scalars_in(daemon.segments(), "/a") == [1.0, 2.0]


def test_without_syncing_a_daemon_never_claims_it(make_daemon: pytest.FixtureRequest) -> None:
    daemon: Daemon = make_daemon("--fsync=off")  # type: ignore[operator]
    recording = rr.RecordingStream("rerund_test", recording_id="off")
    recording.set_sinks(DaemonSink(daemon.ingest))
    recording.log("a", rr.Scalars(1.0))
    assert recording.flush(timeout=20)
    assert recording.flush(level="synced", timeout=1.5).reached == "written"
    recording.disconnect()


def test_a_file_is_synced_and_memory_is_not(tmp_path: Path) -> None:
    recording = rr.RecordingStream("rerund_test")
    recording.log("a", rr.Scalars(1.0))
    assert recording.flush(level="synced").reached == "written"
    recording.set_sinks(FileSink(tmp_path / "a.rrd"))
    assert recording.flush(level="synced").reached == "synced"
    recording.disconnect()


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="level='disk' is none of"):
        rr.RecordingStream("rerund_test").flush(level="disk")  # type: ignore[arg-type]
