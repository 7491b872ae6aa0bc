"""The modes of a recording, with real daemons, files and stock servers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import rerund_sdk as rr
from rerund_sdk import current, modes, places
from rerund_sdk.daemon_sink import DaemonSink, EmbeddedSink
from rerund_sdk.errors import ModeError, PlaceError, RerundError
from rerund_sdk.file_sink import FileSink
from rerund_sdk.grpc_sink import GrpcSink
from rerund_sdk.strictness import RerunWarning
from tests.homes import Home, chunk_of, is_chunk, messages_of, program, wait_until
from tests.official import RERUN


@pytest.fixture
def recording(home: Home) -> Iterator[rr.RecordingStream]:  # noqa: ARG001 - directories to connect in
    made = rr.RecordingStream("app", recording_id="run-1")
    yield made
    made.disconnect()


def log(recording: rr.RecordingStream, path: str, *values: float) -> None:
    for value in values:
        recording.log(path, rr.Scalars(value))


def paths_in(file: Path) -> list[str]:
    return [chunk_of(message).entity_path for message in messages_of(file) if is_chunk(message)]


def test_the_first_mode_gets_what_was_logged_before_it(home: Home, recording: rr.RecordingStream) -> None:
    home.daemon()
    log(recording, "/before", 1, 2)
    rr.connect(recording=recording)
    log(recording, "/after", 3)
    assert recording.flush(timeout_sec=30)
    assert home.rows("run-1") == {"/before": [1, 2], "/after": [3]}


def test_connect_starts_nothing(home: Home, recording: rr.RecordingStream) -> None:
    rr.connect(recording=recording)
    log(recording, "/a", 1)
    assert not recording.flush(timeout_sec=0.3)
    assert places.read_daemon() is None
    home.daemon()
    assert recording.flush(timeout_sec=30)
    assert home.rows("run-1") == {"/a": [1]}


def test_connect_takes_an_address_with_and_without_scheme(
    home: Home, recording: rr.RecordingStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    tcp = home.daemon("--listen=tcp://127.0.0.1:*").info.tcp[0]
    rr.connect(tcp, recording=recording)
    log(recording, "/a", 1)
    assert recording.flush(timeout_sec=30)
    rr.connect(tcp.removeprefix("tcp://"), recording=recording)
    log(recording, "/b", 2)
    assert recording.flush(timeout_sec=30)
    monkeypatch.setenv("RERUND_CONNECT", tcp)
    rr.connect(recording=recording)
    assert recording.sinks == (DaemonSink(tcp),)
    assert home.rows("run-1") == {"/a": [1], "/b": [2]}


def test_a_host_alone_means_the_usual_port() -> None:
    assert modes.sink_for("robot7") == DaemonSink("tcp://robot7:9877")
    assert modes.sink_for("tcp://[::1]:5") == DaemonSink("tcp://[::1]:5")
    assert modes.sink_for("rerun+http://127.0.0.1:1/proxy") == GrpcSink("rerun+http://127.0.0.1:1/proxy")


@pytest.mark.parametrize("address", ["tcp://", "tcp://host:99999", "host:0", "a b", "http://x/y", "tcp://h:1/x"])
def test_what_is_no_address_is_refused_and_the_mode_stays(recording: rr.RecordingStream, address: str) -> None:
    before = recording.sinks
    with pytest.raises(ModeError, match="tcp://HOST:PORT"):
        rr.connect(address, recording=recording)
    assert recording.sinks == before


def test_a_runtime_directory_that_others_could_use_is_refused(home: Home, recording: rr.RecordingStream) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a directory away")
    runtime = Path(home.environment["XDG_RUNTIME_DIR"]) / "rerund"
    runtime.mkdir()
    os.chown(runtime, 12345, -1)
    with pytest.raises(PlaceError, match="12345"):
        rr.connect(recording=recording)


def test_connect_grpc_to_our_own_daemon_takes_its_faster_way_in(home: Home, recording: rr.RecordingStream) -> None:
    rr.connect_grpc(home.daemon().info.grpc, recording=recording)
    assert recording.sinks == (DaemonSink(),)
    rr.connect_grpc("rerun+http://127.0.0.1:1/proxy", recording=recording)
    assert isinstance(recording.sinks[0], GrpcSink)


def test_without_a_recording_a_mode_warns_and_does_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "_process", None)
    with pytest.warns(RerunWarning, match=r"rr\.init"):
        rr.spawn()
    assert places.read_daemon() is None
    assert not list(home.folder.glob("home/*"))


def test_a_recording_that_is_off_enters_no_mode(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERUN", "off")
    off = rr.RecordingStream("app")
    assert rr.serve(recording=off) == ""
    rr.save(home.folder / "x.rrd", recording=off)
    assert places.read_daemon() is None
    assert not (home.folder / "x.rrd").exists()


# serve


def test_serve_starts_the_daemon_and_names_the_page(home: Home, recording: rr.RecordingStream) -> None:
    url = rr.serve(open_browser=False, recording=recording)
    info = places.read_daemon()
    assert info is not None
    assert url == f"{info.http}/recordings/app/run-1"
    with urllib.request.urlopen(url) as page:
        assert page.status == 200
    assert rr.serve(open_browser=False, recording=recording) == url
    assert places.read_daemon() == info
    log(recording, "/a", 1)
    assert recording.flush(timeout_sec=30)
    assert home.rows("run-1") == {"/a": [1]}


def test_serve_names_the_page_with_the_rerun_viewer_if_that_is_wanted(
    home: Home, recording: rr.RecordingStream
) -> None:
    url = rr.serve(open_browser=False, web_viewer="rerun", recording=recording)
    assert url == f"{home.status()['http']}/rerun/app/run-1"
    with urllib.request.urlopen(url) as page:
        assert page.status == 200
    with pytest.raises(ModeError, match="web_viewer is 'nice': choose 'rerund' or 'rerun'"):
        recording.serve(web_viewer="nice")  # type: ignore[arg-type]


def test_serve_prints_the_url_where_there_is_no_display(
    home: Home, recording: rr.RecordingStream, capfd: pytest.CaptureFixture[str]
) -> None:
    home.daemon()
    url = rr.serve(recording=recording)
    assert url in capfd.readouterr().err


def test_serve_grpc_names_the_daemons_port(home: Home, recording: rr.RecordingStream) -> None:
    assert rr.serve_grpc(recording=recording) == home.status()["grpc"]


def test_serve_embedded_leaves_nothing_behind(
    home: Home, recording: rr.RecordingStream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    url = rr.serve(embedded=True, open_browser=False, recording=recording)
    log(recording, "/a", 1, 2, 3)
    assert recording.flush(timeout_sec=30)
    base = url.partition("/recordings/")[0]
    with urllib.request.urlopen(f"{base}/api/recordings/app/run-1.rrd") as download:
        (home.folder / "download.rrd").write_bytes(download.read())
    assert "/a" in paths_in(home.folder / "download.rrd")
    assert places.read_daemon() is None
    recording.disconnect()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError):
        urllib.request.urlopen(url)


def test_forked_children_of_an_embedded_daemon_deliver_to_it(home: Home) -> None:
    done = program(
        "import os, sys, urllib.request, rerund_sdk as rr\n"
        "rr.init('app', recording_id='run-1')\n"
        "url = rr.serve(embedded=True, open_browser=False)\n"
        "rr.log('/parent', rr.Scalars(1)); rr.flush(timeout_sec=20)\n"
        "if os.fork() == 0:\n"
        "    rr.log('/child', rr.Scalars(2)); sys.exit(0)\n"
        "os.wait()\n"
        "base = url.partition('/recordings/')[0]\n"
        "data = urllib.request.urlopen(base + '/api/recordings/app/run-1.rrd').read()\n"
        "open(sys.argv[1], 'wb').write(data)\n",
        str(home.folder / "both.rrd"),
    )
    assert done.returncode == 0, done.stderr
    assert {"/parent", "/child"} <= set(paths_in(home.folder / "both.rrd"))


def test_serve_serves_from_inside_where_no_daemon_can_run(
    home: Home, recording: rr.RecordingStream, caplog: pytest.LogCaptureFixture
) -> None:
    (Path(home.environment["XDG_RUNTIME_DIR"]) / "rerund").write_text("in the way")
    url = rr.serve(open_browser=False, recording=recording)
    assert isinstance(recording.sinks[0], EmbeddedSink)
    with urllib.request.urlopen(url) as page:
        assert page.status == 200
    assert any("from inside this program" in record.message for record in caplog.records)


def test_an_embedded_daemon_that_cannot_start_leaves_the_mode_and_nothing_open(
    recording: rr.RecordingStream,
) -> None:
    before = recording.sinks
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(RerundError, match=str(taken.getsockname()[1])):
            rr.serve(embedded=True, open_browser=False, web_port=taken.getsockname()[1], recording=recording)
    assert recording.sinks == before


# save


def test_save_without_a_daemon_writes_the_file_itself(home: Home, recording: rr.RecordingStream) -> None:
    file = home.folder / "x.rrd"
    rr.save(file, recording=recording)
    assert recording.sinks == (FileSink(file),)
    log(recording, "/a", 1)
    recording.disconnect()
    subprocess.run([RERUN, "rrd", "verify", file], check=True, capture_output=True)
    assert "/a" in paths_in(file)


def test_save_through_the_daemon_holds_what_all_processes_logged(home: Home, recording: rr.RecordingStream) -> None:
    home.daemon()
    file = home.folder / "x.rrd"
    rr.connect(recording=recording)
    log(recording, "/early", 1)
    rr.save(file, recording=recording)
    log(recording, "/late", 2)
    other = program(
        "import rerund_sdk as rr; rr.init('app', recording_id='run-1'); rr.connect(); rr.log('/other', rr.Scalars(3))"
    )
    assert other.returncode == 0, other.stderr
    assert recording.flush(timeout_sec=30)
    assert {"/early", "/late", "/other"} <= set(paths_in(file))
    recording.disconnect()
    subprocess.run([RERUN, "rrd", "verify", file], check=True, capture_output=True)  # checks the manifest, too
    assert home.status()["sinks"] == []
    assert home.rows("run-1").keys() == {"/early", "/late", "/other"}


def test_a_file_that_a_killed_process_began_can_be_saved_again(home: Home, recording: rr.RecordingStream) -> None:
    home.daemon()
    file = home.folder / "x.rrd"
    killed = program(
        "import os, sys, signal, rerund_sdk as rr\n"
        "rr.init('app', recording_id='killed'); rr.connect(); rr.log('/a', rr.Scalars(3)); rr.save(sys.argv[1])\n"
        "os.kill(os.getpid(), signal.SIGKILL)",
        str(file),
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [sink["path"] for sink in home.status()["sinks"]] == [str(file)]
    rr.connect(recording=recording)
    log(recording, "/b", 1)
    wait_until(lambda: _is_free(file, recording))
    recording.disconnect()
    assert "/b" in paths_in(file) and "/a" not in paths_in(file)


def _is_free(file: Path, recording: rr.RecordingStream) -> bool:
    try:
        rr.save(file, recording=recording)
    except ModeError:  # the daemon has not yet seen that the process is gone
        return False
    return True


@pytest.mark.parametrize("connected", [False, True])
def test_a_path_that_another_process_writes_is_refused_in_one_sentence(
    home: Home, recording: rr.RecordingStream, connected: bool
) -> None:
    home.daemon()
    file = home.folder / "x.rrd"
    other = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, rerund_sdk as rr; rr.init('app', recording_id='other'); rr.save(sys.argv[1]);"
            "rr.log('/a', rr.Scalars(1)); print(bool(rr.flush(timeout_sec=20)), flush=True); sys.stdin.read()",
            str(file),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == b"True\n"
        if connected:
            rr.connect(recording=recording)
        before = recording.sinks
        with pytest.raises(ModeError) as refusal:
            rr.save(file, recording=recording)
        assert str(file) in str(refusal.value) and "\n" not in str(refusal.value)
        assert recording.sinks == before
    finally:
        other.communicate()
    assert "/a" in paths_in(file)


def test_a_pipe_is_refused_in_one_sentence_and_the_null_device_is_not(
    home: Home, recording: rr.RecordingStream
) -> None:
    pipe = home.folder / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ModeError, match=r"cannot save to .*pipe, which is not a regular file.*rr\.stdout\(\)"):
        rr.save(pipe, recording=recording)
    with rr.RecordingStream("app") as other:  # nobody has it for himself
        for each in (recording, other):
            rr.save(os.devnull, recording=each)
            log(each, "/a", 1)
            assert each.flush(timeout_sec=20)
            each.disconnect()


def test_save_while_the_daemon_is_away_writes_the_file_here_and_keeps_the_rows_for_the_daemon(
    home: Home, recording: rr.RecordingStream
) -> None:
    file = home.folder / "x.rrd"
    rr.connect(recording=recording)
    log(recording, "/a", 1)
    rr.save(file, recording=recording)
    log(recording, "/b", 2)
    home.daemon()
    assert recording.flush(timeout_sec=30)
    assert home.rows("run-1") == {"/a": [1], "/b": [2]}
    assert paths_in(file) == ["/b"]


def test_stdout_is_a_stream_for_a_pipe(home: Home) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import rerund_sdk as rr; rr.init('app'); rr.stdout(); rr.log('/a', rr.Scalars(1))",
        ],
        capture_output=True,
        check=True,
    )
    file = home.folder / "out.rrd"
    file.write_bytes(done.stdout)
    assert "/a" in paths_in(file)


def test_forced_save_overrules_every_mode(home: Home) -> None:
    file = home.folder / "forced.rrd"
    done = program(
        "import rerund_sdk as rr; rr.init('app', spawn=True); rr.connect(); rr.serve(); rr.log('/a', rr.Scalars(1))",
        env={**os.environ, "_RERUN_TEST_FORCE_SAVE": str(file)},
    )
    assert done.returncode == 0, done.stderr
    assert "/a" in paths_in(file)
    assert places.read_daemon() is None
