"""Many processes that spawn at the same moment; the viewer they get."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rerund_sdk as rr
from rerund_sdk import places
from rerund_sdk.errors import BadRrd, ModeError
from tests.homes import Home, chunk_of, is_chunk, messages_of, wait_until
from tests.official import RERUN

PROCESSES = 50
ROWS = 200


def headless_viewer(home: Home) -> Path:
    """A real Rerun viewer but for its window: it connects, and saves what it is sent. Notes each of its starts."""
    program = home.folder / "viewer"
    program.write_text(
        f"#!/bin/sh\necho started >> {home.folder}/viewers\n"
        f'exec {RERUN} --connect "$2" --port auto --bind 127.0.0.1 --save {home.folder}/seen.rrd\n'
    )
    program.chmod(0o700)
    return program


def started_viewers(home: Home) -> int:
    return len((home.folder / "viewers").read_text().splitlines())


def stop_viewer(home: Home) -> None:
    note = json.loads((Path(home.environment["XDG_RUNTIME_DIR"]) / "rerund" / "viewer.lock").read_text())
    os.kill(note["pid"], 9)


def _spawn_and_log(number: int, viewer: str, go: Any) -> None:
    go.wait()
    rr.init("app", recording_id="run-1")
    rr.spawn(executable_path=viewer)
    for value in range(ROWS):
        rr.log(f"/{number}", rr.Scalars(value))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.timeout(180)
def test_fifty_processes_that_spawn_at_once_get_one_daemon_and_one_viewer_and_lose_no_row(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = headless_viewer(home)
    monkeypatch.setenv("DISPLAY", ":0")  # nothing is drawn on it
    fork = multiprocessing.get_context("fork")
    go = fork.Event()
    processes = [fork.Process(target=_spawn_and_log, args=(n, str(viewer), go)) for n in range(PROCESSES)]
    for process in processes:
        process.start()
    go.set()
    for process in processes:
        process.join(120)
    try:
        assert [process.exitcode for process in processes] == [0] * PROCESSES
        assert home.rows("run-1") == {f"/{n}": list(range(ROWS)) for n in range(PROCESSES)}
        assert started_viewers(home) == 1
        info = places.read_daemon()
        assert info is not None
        log = (home.state / "daemon.log").read_text()
        assert log.count("serves 0 recordings") == 1, log
        wait_until(lambda: [each["kind"] for each in home.status()["viewers"]] == ["grpc"])
        [found] = home.status()["recordings"]
        start_times = PROCESSES  # each stream says when it started
        assert found["rows"] == PROCESSES * ROWS + start_times
    finally:
        stop_viewer(home)


def test_spawn_joins_the_daemon_that_runs_and_the_viewer_that_is_connected(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = home.daemon()
    viewer = headless_viewer(home)
    monkeypatch.setenv("DISPLAY", ":0")
    by_hand = subprocess.Popen([viewer, "--connect", daemon.info.grpc])
    try:
        recording = rr.RecordingStream("app", recording_id="run-1")
        rr.connect(recording=recording)
        recording.log("/a", rr.Scalars(1))
        assert recording.flush(timeout_sec=30)
        wait_until(lambda: home.status()["viewers"])
        other = rr.RecordingStream("app", recording_id="run-2")
        rr.spawn(executable_path=str(viewer), recording=other)
        assert started_viewers(home) == 1
        assert home.status()["pid"] == daemon.info.pid
        other.disconnect()
        recording.disconnect()
    finally:
        by_hand.kill()
        by_hand.wait()


def test_a_viewer_that_was_closed_is_opened_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = headless_viewer(home)
    monkeypatch.setenv("DISPLAY", ":0")
    recording = rr.RecordingStream("app", recording_id="run-1")
    rr.spawn(executable_path=str(viewer), recording=recording)
    recording.log("/a", rr.Scalars(1))
    wait_until(lambda: home.status()["viewers"])
    stop_viewer(home)
    wait_until(lambda: not home.status()["viewers"])
    rr.spawn(executable_path=str(viewer), recording=recording)
    wait_until(lambda: started_viewers(home) == 2)
    wait_until(lambda: "/a" in seen_entities(home))
    stop_viewer(home)
    wait_until(lambda: not home.status()["viewers"])
    recording.disconnect()


def seen_entities(home: Home) -> set[str]:
    """Of which entities the viewer has chunks."""
    try:
        chunks = [chunk_of(message) for message in messages_of(home.folder / "seen.rrd") if is_chunk(message)]
    except (AssertionError, FileNotFoundError, BadRrd):  # while it is being written
        return set()
    return {chunk.entity_path for chunk in chunks}


def test_without_a_display_the_url_is_told(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    recording = rr.RecordingStream("app", recording_id="run 1")
    rr.spawn(recording=recording)
    info = places.read_daemon()
    assert info is not None
    assert capfd.readouterr().err == f"rerund: {info.http}/recordings/app/run%201\n"
    assert home.status()["recordings"][0]["recording_id"] == "run 1"
    recording.disconnect()


@pytest.mark.usefixtures("home")
def test_a_viewer_that_is_not_there_is_refused_and_nothing_started_for_it() -> None:
    recording = rr.RecordingStream("app", recording_id="run-1")
    with pytest.raises(ModeError, match="/no/viewer"):
        rr.spawn(executable_path="/no/viewer", recording=recording)
    recording.disconnect()


def test_a_stale_daemon_file_of_a_pid_that_another_program_has_now_is_no_daemon(home: Home) -> None:
    daemon = home.daemon()
    stale = daemon.info._replace(pid=os.getpid())
    daemon.kill()
    places.daemon_file().write_text(stale.to_json())
    recording = rr.RecordingStream("app", recording_id="run-1")
    rr.spawn(recording=recording)
    recording.log("/a", rr.Scalars(1))
    assert recording.flush(timeout_sec=30)
    assert home.rows("run-1") == {"/a": [1]}
    recording.disconnect()


@pytest.mark.usefixtures("home")
def test_a_daemon_that_cannot_start_is_told_of_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERUND_FSYNC", "sometimes")
    recording = rr.RecordingStream("app", recording_id="run-1")
    with pytest.raises(ModeError, match="RERUND_FSYNC") as refusal:
        rr.spawn(recording=recording)
    assert "\n" not in str(refusal.value)
    recording.disconnect()


def test_init_can_spawn(home: Home) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import rerund_sdk as rr; rr.init('app', recording_id='run-1', spawn=True); rr.log('/a', rr.Scalars(1))",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert home.rows("run-1") == {"/a": [1]}
