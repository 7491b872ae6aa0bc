"""`rerund view`: files and recordings, in the browser and in the native viewer."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import rerun

from rerund.native import NoNativeViewer, find
from rerund.relay import Relay
from rerund_sdk import rrd
from rerund_sdk.chunk_reader import parse_arrow_msg, read_chunk
from rerund_sdk.stream_reader import FileBytes, Place, messages
from tests.commands import Commands
from tests.daemons import Daemon, fresh_folder
from tests.homes import run_to_end


@pytest.fixture
def rerund() -> Iterator[Commands]:
    commands = Commands(fresh_folder())
    yield commands
    commands.end()
    shutil.rmtree(commands.folder, ignore_errors=True)


def save(path: Path, rows: int) -> Path:
    """A file of the official SDK, footer and all."""
    with rerun.RecordingStream("official", recording_id=path.stem) as recording:
        recording.save(path)
        log(recording, range(rows))
        recording.disconnect()
    return path


def log(recording: rerun.RecordingStream, numbers: range) -> None:
    for number in numbers:
        recording.set_time("number", sequence=number)
        recording.log("value", rerun.Scalars(float(number)))


def log_into(url: str, numbers: range, recording_id: str) -> None:
    """By the official SDK, over gRPC."""
    with rerun.RecordingStream("official", recording_id=recording_id) as recording:
        recording.connect_grpc(url)
        log(recording, numbers)
        recording.disconnect()


def places(path: Path) -> list[Place]:
    return [place for place in messages(FileBytes(os.open(path, os.O_RDONLY))) if isinstance(place, Place)]


def bodies(path: Path) -> list[bytes]:
    data = path.read_bytes()
    return [data[place.start : place.start + place.size] for place in places(path)]


# files


@pytest.fixture
def page(rerund: Commands, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL at which a.rrd and b.rrd are shown."""
    save(rerund.folder / "a.rrd", 200)
    save(rerund.folder / "b.rrd", 10)
    viewing = rerund.start(*getattr(request, "param", ("view", "--web")), "a.rrd", "b.rrd")
    assert viewing.stdout is not None
    yield viewing.stdout.readline().strip()
    viewing.send_signal(signal.SIGINT)
    _, said = viewing.communicate(timeout=30)
    assert (viewing.returncode, said) == (130, "")


async def stream(page: str, count: int, start: str = "start") -> list[bytes]:
    """Bodies of the first `count` messages that the page gets over its WebSocket."""
    url = page.replace("/rerun/", "/ws/recordings/")
    found: list[bytes] = []
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}?from={start}", max_msg_size=0) as socket:
        while len(found) < count:
            data = (await socket.receive()).data
            found += [data[frame.body] for frame in rrd.frames(data, rrd.STREAM_HEADER_SIZE)]
            assert set(json.loads((await socket.receive()).data)) == {"position"}
    return found


@pytest.mark.parametrize("page", [("view", "--web"), ("view",), ()], indirect=True, ids=["--web", "view", "FILE"])
def test_files_are_shown_one_after_the_other_without_a_daemon(page: str, rerund: Commands) -> None:
    expected = bodies(rerund.folder / "a.rrd") + bodies(rerund.folder / "b.rrd")
    assert run_to_end(stream(page, len(expected))) == expected


def test_a_page_goes_on_where_its_connection_broke(page: str, rerund: Commands) -> None:
    first, *rest = places(rerund.folder / "a.rrd")
    expected = bodies(rerund.folder / "a.rrd")[1:] + bodies(rerund.folder / "b.rrd")
    assert run_to_end(stream(page, len(expected), f"1:{first.start + first.size}")) == expected
    last = rest[-1]
    expected = bodies(rerund.folder / "b.rrd")
    assert run_to_end(stream(page, len(expected), f"1:{last.start + last.size}")) == expected


def test_a_file_that_is_not_there_or_no_recording_is_refused(rerund: Commands) -> None:
    assert "no such file: missing.rrd" in rerund.refused("missing.rrd")
    (rerund.folder / "text.rrd").write_text("hello, this is no recording")
    assert "not an .rrd file" in rerund.refused("view", "text.rrd")
    assert "give one recording, or only files" in rerund.refused("view", "text.rrd", "recording")


def test_a_native_viewer_without_a_display_is_refused(rerund: Commands) -> None:
    save(rerund.folder / "a.rrd", 1)
    assert "no display" in rerund.refused("view", "--native", "a.rrd")


def test_python_m_rerund_opens_a_file(rerund: Commands) -> None:
    save(rerund.folder / "a.rrd", 1)
    script = "import sys, runpy; sys.argv = ['rerund', 'a.rrd']; runpy.run_module('rerund', run_name='__main__')"
    viewing = subprocess.Popen(
        [sys.executable, "-c", script], cwd=rerund.folder, env=rerund.env, stdout=subprocess.PIPE, text=True
    )
    assert viewing.stdout is not None
    assert viewing.stdout.readline().startswith("http://127.0.0.1:")
    viewing.send_signal(signal.SIGINT)
    viewing.communicate(timeout=30)


# recordings


def test_a_recording_is_found_by_id_full_name_or_prefix(rerund: Commands) -> None:
    daemon = rerund.json("start")
    for recording_id in ("run-1", "run-20"):
        log_into(daemon["grpc"], range(3), recording_id)
    for name in ("run-1", "official/run-1"):
        assert rerund.ok("view", name, "--web").strip() == f"{daemon['http']}/recordings/official/run-1"
    assert rerund.ok("view", "run-2").strip() == f"{daemon['http']}/recordings/official/run-20"
    assert rerund.ok("view", "run-2", "--rerun").strip() == f"{daemon['http']}/rerun/official/run-20"
    assert rerund.ok("view").strip() == f"{daemon['http']}/"
    assert "official/run-1, official/run-20" in rerund.refused("view", "run")
    assert "nothing" in rerund.refused("view", "nothing")


def test_recordings_are_listed_saved_and_removed(rerund: Commands) -> None:
    daemon = rerund.json("start")
    log_into(daemon["grpc"], range(100), "run")
    (listed,) = rerund.json("ls")
    assert (listed["application_id"], listed["recording_id"]) == ("official", "run")
    assert "official/run" in rerund.ok("ls")

    saved = rerund.json("save", "run", "-o", "run.rrd")
    assert saved["recordings"] == ["official/run"] and saved["bytes"] > 0
    subprocess.run(["rerun", "rrd", "verify", "run.rrd"], cwd=rerund.folder, check=True, env=with_rerun())

    assert rerund.ok("rm", "run") == "removed: official/run\n"
    assert rerund.json("ls") == []
    assert "run" in rerund.refused("rm", "run")


def test_a_followed_file_gets_what_comes_until_unsave(rerund: Commands) -> None:
    daemon = rerund.json("start")
    log_into(daemon["grpc"], range(10), "run")
    assert "rerund unsave" in rerund.ok("save", "run", "-o", "run.rrd", "--follow")
    (sink,) = rerund.json("status")["sinks"]
    assert sink["path"] == str(rerund.folder / "run.rrd")
    log_into(daemon["grpc"], range(10, 20), "run")
    rerund.ok("unsave", "run.rrd")
    assert rerund.json("status")["sinks"] == []
    assert numbers(rerund.folder / "run.rrd") == list(range(20))
    assert "not followed" in rerund.refused("unsave", "run.rrd")


def with_rerun() -> dict[str, str]:
    """An environment in which the official `rerun` of this Python is found."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def rows(path: Path) -> int:
    """How many rows of /value are in a file that may be growing."""
    if not path.exists() or path.stat().st_size < rrd.STREAM_HEADER_SIZE:
        return 0
    data = path.read_bytes()
    chunks = [
        read_chunk(parse_arrow_msg(memoryview(data)[place.start : place.start + place.size]))
        for place in places(path)
        if place.kind == rrd.Kind.ARROW
    ]
    return sum(chunk.rows for chunk in chunks if chunk.entity_path == "/value")


def numbers(path: Path) -> list[float]:
    """All values of /value in a file, by the official reader, in order."""
    from rerun.chunk import RrdReader

    found: list[float] = []
    for chunk in RrdReader(path).stream().to_chunks():
        if chunk.entity_path == "/value":
            batch: Any = chunk.to_record_batch()
            found += [value for row in batch.column("Scalars:scalars").to_pylist() for value in row]
    return sorted(found)


# the native viewer


@pytest.mark.timeout(120)
@pytest.mark.parametrize("shown", [("official", "run"), None], ids=["one recording", "all that are active"])
@pytest.mark.filterwarnings("ignore:RRD file has no footer")  # what the viewer wrote, and was ended at
def test_a_viewer_behind_the_relay_does_not_notice_a_restart_of_the_daemon(
    make_daemon: Callable[..., Daemon],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    shown: tuple[str, str] | None,
) -> None:
    daemon = make_daemon()
    for name in ("RERUND_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, daemon.env[name])
    seen = tmp_path / "seen.rrd"

    async def watch() -> None:
        relay = Relay(shown)
        await relay.start()
        viewer = await asyncio.create_subprocess_exec(
            *("rerun", "--connect", relay.url, "--port", "auto", "--bind", "127.0.0.1", "--save", str(seen)),
            env=with_rerun(),
        )
        try:
            await asyncio.wait_for(relay.connected.wait(), 60)
            await asyncio.to_thread(log_into, daemon.info.grpc, range(500, 1000), "run")
            await asyncio.to_thread(daemon.restart)
            await asyncio.to_thread(log_into, daemon.info.grpc, range(1000, 1500), "run")
            await asyncio.to_thread(daemon.kill)
            await asyncio.to_thread(daemon.start)
            await asyncio.to_thread(log_into, daemon.info.grpc, range(1500, 2000), "run")
            while rows(seen) < 2000:
                await asyncio.sleep(0.1)
        finally:
            viewer.terminate()
            await viewer.wait()
            await relay.stop()

    log_into(daemon.info.grpc, range(500), "run")
    run_to_end(watch())
    assert numbers(seen) == list(range(2000))


@pytest.fixture
def display() -> Iterator[str]:
    """An X server with nobody at it."""
    if not shutil.which("Xvfb"):
        pytest.skip("Xvfb is not installed")
    here, there = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(there), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=(there,),
        stderr=subprocess.DEVNULL,
    )
    os.close(there)
    with os.fdopen(here) as told:
        yield f":{told.readline().strip()}"
    server.terminate()
    server.wait()


@pytest.mark.timeout(180)
def test_view_detach_returns_when_the_native_viewer_reads(
    rerund: Commands, display: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", display)
    try:
        find()
    except NoNativeViewer as error:
        pytest.skip(str(error))
    daemon = rerund.json("start")
    log_into(daemon["grpc"], range(100), "run")
    rerund.ok("view", "run", "--native", "--detach", DISPLAY=display)
    viewers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "--ready-fd" in " ".join(process.info["cmdline"] or ()) and belongs_to(process, rerund)
    ]
    try:
        deadline = time.monotonic() + 30
        while [viewer["recording"] for viewer in rerund.json("status")["viewers"]] != ["official/run"]:
            assert time.monotonic() < deadline
        (viewer,) = viewers
        programs = viewer.children(recursive=True)
        assert programs
        viewer.terminate()
        assert psutil.wait_procs([viewer, *programs], timeout=30)[1] == []
    finally:
        for process in viewers:
            if process.is_running():
                process.terminate()


def belongs_to(process: psutil.Process, rerund: Commands) -> bool:
    try:
        return process.environ().get("XDG_RUNTIME_DIR") == str(rerund.runtime)
    except psutil.Error:
        return False
