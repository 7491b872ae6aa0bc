"""The standard flags, as a program of anybody's uses them."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rerund_sdk as rr
from rerund_sdk import current, places, strictness
from rerund_sdk.daemon_sink import DaemonSink
from rerund_sdk.grpc_sink import GrpcSink
from rerund_sdk.sinks import BufferSink
from tests.homes import Home, chunk_of, is_chunk, messages_of

PROGRAM = """
import argparse, rerund_sdk as rr
parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int, default=3)
rr.script_add_args(parser)
args = parser.parse_args()
rr.script_setup(args, "app")
for value in range(args.count):
    rr.log("/a", rr.Scalars(value))
rr.script_teardown(args)
"""


def run(*words: str) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, timeout=50)
    assert done.returncode == 0, done.stderr.decode()
    return done


def paths_in(file: Path) -> list[str]:
    return [chunk_of(message).entity_path for message in messages_of(file) if is_chunk(message)]


@pytest.fixture
def setup(home: Home) -> Iterator[Callable[..., rr.RecordingStream]]:  # noqa: ARG001 - directories to connect in
    made: list[rr.RecordingStream] = []

    def set_up(*words: str, **options: object) -> rr.RecordingStream:
        parser = argparse.ArgumentParser()
        rr.script_add_args(parser)
        made.append(rr.script_setup(parser.parse_args(words), "app", **options))  # type: ignore[arg-type]
        return made[-1]

    yield set_up
    strictness.set_strict_mode(False)
    current.set_global(None)
    for recording in made:
        recording.disconnect()


def test_without_flags_a_program_spawns(home: Home) -> None:
    done = run("--recording-id", "run-1", "--count", "5")
    info = places.read_daemon()
    assert info is not None
    assert f"{info.http}/recordings/app/run-1" in done.stderr.decode()
    assert home.rows("run-1") == {"/a": [0, 1, 2, 3, 4]}


def test_connect_and_save_go_together(home: Home) -> None:
    home.daemon()
    run("--connect", "--recording-id", "run-1")
    run("--connect", "--recording-id", "run-1", "--save", str(home.folder / "x.rrd"))
    assert paths_in(home.folder / "x.rrd").count("/a") == 2
    assert home.rows("run-1") == {"/a": [0, 1, 2, 0, 1, 2]}


def test_connect_takes_an_address(home: Home) -> None:
    tcp = home.daemon("--listen=tcp://127.0.0.1:*").info.tcp[0]
    run("--connect", tcp, "--recording-id", "run-1")
    run("--url", tcp, "--recording-id", "run-2")
    assert home.rows("run-1") == home.rows("run-2") == {"/a": [0, 1, 2]}


def test_save_alone_writes_a_file_and_needs_no_daemon(home: Home) -> None:
    run("--save", str(home.folder / "x.rrd"))
    assert "/a" in paths_in(home.folder / "x.rrd")
    assert places.read_daemon() is None


def test_stdout_is_the_stream_and_nothing_else(home: Home) -> None:
    (home.folder / "out.rrd").write_bytes(run("--stdout").stdout)
    assert "/a" in paths_in(home.folder / "out.rrd")
    assert places.read_daemon() is None


def test_serve_leaves_the_page_to_the_daemon_and_ends(home: Home) -> None:
    done = run("--serve", "--recording-id", "run-1")
    info = places.read_daemon()
    assert info is not None and f"{info.http}/recordings/app/run-1" in done.stderr.decode()
    assert home.rows("run-1") == {"/a": [0, 1, 2]}


@pytest.mark.usefixtures("home")
def test_instance_chooses_the_daemon() -> None:
    run("--instance", "other", "--recording-id", "run-1")
    info = places.read_daemon("other")
    assert info is not None and places.read_daemon() is None
    os.kill(info.pid, 9)


def test_flags_choose_sinks(setup: Callable[..., rr.RecordingStream]) -> None:
    assert setup("--connect").sinks == (DaemonSink(),)
    assert setup("--url", "rerun+http://127.0.0.1:1/proxy").sinks == (GrpcSink("rerun+http://127.0.0.1:1/proxy"),)
    assert setup("--headless", recording_id="given").recording_id == "given"
    assert isinstance(setup("--headless").sinks[0], BufferSink)
    assert strictness.strict_mode()


def test_a_program_may_ask_what_it_was_told() -> None:
    parser = argparse.ArgumentParser()
    rr.script_add_args(parser)
    for words, name in (["--headless"], "headless"), (["--connect"], "connect"), (["--connect", "h"], "connect"):
        assert getattr(parser.parse_args(words), name)
    nothing = parser.parse_args([])
    assert not any((nothing.headless, nothing.connect, nothing.serve, nothing.url, nothing.save, nothing.stdout))
