"""Stock SDKs and stock viewers at the daemon's gRPC port. The oracle is the official `rerun`."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import rerun
import rerun.blueprint
from rerun.chunk import RrdReader

from rerund.foreign import read_message, unwrap, wrap_head
from rerund_sdk import messages, rrd
from rerund_sdk.tuid import TuidClock, tuid_parts
from tests.daemons import Daemon
from tests.homes import wait_until
from tests.official import RERUN
from tests.raw_producer import RawProducer, chunk, frames_of, values_of

SERVICE = "/rerun.sdk_comms.v1alpha1.MessageProxyService/"


@pytest.fixture
def daemon(daemon: Daemon) -> Iterator[Daemon]:
    yield daemon
    assert "Traceback" not in daemon.said()


@contextmanager
def viewer(url: str, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An official `rerun` that saves what it gets; it is ended at the end."""
    process = subprocess.Popen(
        [RERUN, "--connect", url, "--save", str(output)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGINT)
            process.wait(20)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def saved_by_a_viewer(daemon: Daemon, output: Path) -> Path:
    """All that a viewer gets that joins now, when nothing more comes."""
    with viewer(daemon.info.grpc, output):
        wait_until(lambda: has_viewer_without_lag(daemon))
        wait_until(lambda: is_silent(output))
    return output


def has_viewer_without_lag(daemon: Daemon) -> bool:
    viewers: Any = daemon.status()["viewers"]
    return bool(viewers) and all(each["lag_bytes"] == 0 for each in viewers)


def is_silent(path: Path) -> bool:
    """Whether the file has not grown for half a second: `rerun` writes what it got when it gets to it."""
    before = size_of(path)
    threading.Event().wait(0.5)
    return 0 < before == size_of(path)


def rows_of(path: Path) -> dict[tuple[str, str], list[tuple[Any, Any]]]:
    """(entity, component) -> (frame, value) of every row that has it, in order of frames."""
    rows: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a log that grows has no footer
        reader = RrdReader(path)
    for each in reader.stream().to_chunks():
        batch = each.to_record_batch()
        frames = batch.column("frame").to_pylist() if "frame" in batch.schema.names else [None] * batch.num_rows
        for field, column in zip(batch.schema, batch.columns, strict=True):
            if (field.metadata or {}).get(b"rerun:kind") == b"data":
                cells = zip(frames, column.to_pylist(), strict=True)
                found = rows.setdefault((str(each.entity_path), field.name), [])
                found += [(frame, value) for frame, value in cells if value is not None]
    return {key: sorted(cells, key=repr) for key, cells in rows.items()}


def compare(one: Path, other: Path) -> None:
    subprocess.run([RERUN, "rrd", "compare", "--unordered", str(one), str(other)], check=True, capture_output=True)


def log_all_sorts(recording: rerun.RecordingStream) -> None:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    recording.log("note", rerun.TextDocument("hello"), static=True)
    for frame in range(100):
        recording.set_time("frame", sequence=frame)
        recording.log("a/scalar", rerun.Scalars(frame / 2))
        recording.log("b/points", rerun.Points3D([[frame, 0, 1]], colors=[frame, 2, 3]))
        if frame % 25 == 0:
            recording.log("camera", rerun.Image(image))


def test_what_an_official_sdk_logs_is_what_an_official_viewer_gets(daemon: Daemon, tmp_path: Path) -> None:
    direct = tmp_path / "direct.rrd"
    recording = rerun.RecordingStream("grpc_test", recording_id="run")
    recording.set_sinks(rerun.GrpcSink(daemon.info.grpc), rerun.FileSink(direct))
    log_all_sorts(recording)
    recording.disconnect()
    via = saved_by_a_viewer(daemon, tmp_path / "via.rrd")
    compare(direct, via)
    expected = rows_of(direct)
    assert len(expected["/a/scalar", "Scalars:scalars"]) == 100
    assert rows_of(via) == expected
    (segment,) = daemon.segments()
    assert rows_of(segment) == expected


def test_a_viewer_gets_what_was_logged_before_it_joined_and_what_comes_after(daemon: Daemon, tmp_path: Path) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/before", [1.0], [1]))
        with viewer(daemon.info.grpc, tmp_path / "seen.rrd"):
            wait_until(lambda: has_viewer_without_lag(daemon))
            producer.append_and_wait(chunk("run", "/after", [2.0], [2]))
            wait_until(lambda: b"/after" in (tmp_path / "seen.rrd").read_bytes())
    chunks = [values_of(each) for each in frames_of(sealed_part(tmp_path / "seen.rrd")) if each[0] == rrd.Kind.ARROW]
    assert chunks == [[1.0], [2.0]]


def sealed_part(path: Path) -> bytes:
    """The messages before the End."""
    data = path.read_bytes()
    end = next((frame.start for frame in rrd.frames(data, 12) if frame.kind == rrd.Kind.END), len(data))
    return data[:end]


def test_a_viewer_gets_recordings_that_begin_after_it_joined(daemon: Daemon) -> None:
    with Reader(daemon.info.grpc) as reader:
        for recording_id in ("one", "two"):
            with RawProducer(daemon.ingest, recording_id) as producer:
                producer.append_and_wait(chunk(recording_id, f"/{recording_id}", [1.0], [1]))
        reader.wait_for(4)
    infos, chunks = reader.by_kind(rrd.Kind.STORE_INFO), reader.by_kind(rrd.Kind.ARROW)
    assert [b"one" in each for each in infos] == [True, False]
    assert len(chunks) == 2


def test_old_recordings_are_sent_only_if_that_is_asked_for(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon()
    for recording_id in ("old", "older", "new"):
        if recording_id == "new":
            daemon.restart()
        with RawProducer(daemon.ingest, recording_id) as producer:
            producer.append_and_wait(chunk(recording_id, "/a", [1.0], [1]))
    for replay, count in (("active", 2), ("all", 6), ("2", 4)):
        if replay != "active":
            daemon.options = (f"--grpc-replay={replay}",)
            daemon.restart()
            with RawProducer(daemon.ingest, "new") as producer:
                producer.append_and_wait(chunk("new", "/a", [1.0], [1]))
                count += 1
        with Reader(daemon.info.grpc) as reader:
            reader.wait_for(count)
            assert len(reader.by_kind(rrd.Kind.STORE_INFO)) == {"active": 1, "all": 3, "2": 2}[replay]


@pytest.mark.timeout(120)
def test_a_frozen_viewer_delays_neither_producers_nor_other_viewers(daemon: Daemon, tmp_path: Path) -> None:
    large = [chunk("run", "/large", [float(i)], [i], padding=1 << 20) for i in range(100)]
    with viewer(daemon.info.grpc, tmp_path / "frozen.rrd") as frozen, RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [0.0], [0]))
        wait_until(lambda: has_viewer_without_lag(daemon))
        frozen.send_signal(signal.SIGSTOP)
        with Reader(daemon.info.grpc) as reader:
            for message in large:
                producer.append_and_wait(message)
            reader.wait_for(102)
        memory = daemon.status()["memory_bytes"]
        lags: Any = [each["lag_bytes"] for each in daemon.status()["viewers"]]  # type: ignore[attr-defined]
        assert max(lags) > 50 << 20
        assert isinstance(memory, int)
        assert memory < 300 << 20
        frozen.send_signal(signal.SIGCONT)
        wait_until(lambda: has_viewer_without_lag(daemon))
        wait_until(lambda: is_silent(tmp_path / "frozen.rrd"))
    assert len(rows_of(tmp_path / "frozen.rrd")["/large", "Scalars:scalars"]) == 100


def test_a_default_blueprint_that_comes_before_its_recording_is_kept_with_it(daemon: Daemon, tmp_path: Path) -> None:
    direct = tmp_path / "direct.rrd"
    blueprint = rerun.blueprint.Blueprint(rerun.blueprint.TimeSeriesView(origin="/a"))
    recording = rerun.RecordingStream("blue", recording_id="run")
    recording.set_sinks(rerun.GrpcSink(daemon.info.grpc), rerun.FileSink(direct), default_blueprint=blueprint)
    recording.log("a", rerun.Scalars(1.0))
    recording.disconnect()
    (segment,) = daemon.segments()
    stored = frames_of(segment.read_bytes())
    assert {chunk_id(message) for message in stored} == {
        chunk_id(message) for message in frames_of(sealed_part(direct))
    }
    kinds = [message[0] for message in stored]
    assert kinds[0] == rrd.Kind.STORE_INFO
    assert kinds.count(rrd.Kind.STORE_INFO) == 2
    assert kinds.count(rrd.Kind.BLUEPRINT_ACTIVATION) == 1
    with Reader(daemon.info.grpc) as reader:
        reader.wait_for(len(stored))
    assert [rrd.message_header(kind, len(body)) + body for kind, body in reader.received] == stored
    recordings: Any = daemon.status()["recordings"]
    assert [each["recording_id"] for each in recordings] == ["run"]


def chunk_id(message: bytes) -> bytes:
    kind = rrd.Kind(message[0])
    return read_message(kind, memoryview(body_of(message))).entry.chunk_id


def test_a_blueprint_alone_goes_to_the_recordings_of_its_application(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest, application_id="app") as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
        store = messages.store_id("app", "blue", messages.STORE_KIND_BLUEPRINT)
        command = messages.message_class("BlueprintActivationCommand")(blueprint_id=store, make_active=True)
        write(daemon, [(rrd.Kind.STORE_INFO, store_info(store)), (3, command.SerializeToString())])
    kinds = [message[0] for message in frames_of(daemon.segments()[0].read_bytes())]
    assert kinds == [rrd.Kind.STORE_INFO, rrd.Kind.ARROW, rrd.Kind.STORE_INFO, rrd.Kind.BLUEPRINT_ACTIVATION]


def test_undecodable_input_ends_its_stream_and_what_came_before_stays(daemon: Daemon) -> None:
    store = messages.store_id("app", "run")
    good = body_of(chunk("run", "/a", [1.0], [1]).data)
    with pytest.raises(grpc.RpcError) as refused:
        write(daemon, [(1, store_info(store)), (2, good), (2, b"nonsense")])
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "undecodable protobuf" in refused.value.details()
    wait_until(lambda: [m[0] for path in daemon.segments() for m in frames_of(path.read_bytes())] == [1, 2])
    write(daemon, [(1, store_info(store)), (2, body_of(chunk("run", "/a", [2.0], [2]).data))])
    assert [m[0] for m in frames_of(daemon.segments()[0].read_bytes())] == [1, 2, 2]


def test_chunks_without_a_store_info_get_one(daemon: Daemon) -> None:
    write(daemon, [(2, body_of(chunk("run", "/a", [1.0], [1]).data))])
    (segment,) = daemon.segments()
    assert [message[0] for message in frames_of(segment.read_bytes())] == [1, 2]
    assert rows_of(segment)["/a", "Scalars:scalars"] == [(1, [1.0])]


def test_a_message_over_the_limit_is_refused_and_names_it(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon("--max-message-bytes=64KiB")
    with pytest.raises(grpc.RpcError) as refused:
        write(daemon, [(2, body_of(chunk("run", "/a", [1.0], [1], padding=80_000).data))])
    assert "65536" in refused.value.details()


def test_a_sender_that_is_killed_leaves_what_had_arrived(daemon: Daemon) -> None:
    script = """
import os, rerun, sys
recording = rerun.RecordingStream("killed", recording_id="run")
recording.connect_grpc(sys.argv[1])
recording.log("a", rerun.Scalars(1.0))
recording.flush()
print("flushed", flush=True)
input()
"""
    sender = subprocess.Popen(
        [sys.executable, "-c", script, daemon.info.grpc], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    assert sender.stdout is not None
    assert sender.stdin is not None
    assert sender.stdout.readline() == b"flushed\n"
    wait_until(lambda: daemon.segments() and ("/a", "Scalars:scalars") in rows_of(daemon.segments()[0]))
    status: Any = daemon.status()
    assert [each["recording_id"] for each in status["producers"]] == ["run"]
    sender.kill()
    sender.wait()
    sender.stdin.close()
    sender.stdout.close()
    wait_until(lambda: not daemon.status()["producers"])


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_with_its_holder(daemon: Daemon) -> None:
    port = daemon.info.grpc.rsplit(":", 1)[1].split("/")[0]
    assert daemon.process is not None
    other = (
        Daemon(daemon.folder / "other", f"--grpc-port={port}") if (daemon.folder / "other").mkdir() is None else None
    )
    assert other is not None
    with pytest.raises(AssertionError) as said:
        other.start()
    assert f"port {port} is taken by" in str(said.value)
    assert f"(pid {daemon.process.pid})" in str(said.value)
    assert "--grpc-port" in str(said.value)


def store_info(store: Any) -> bytes:
    return body_of(messages.store_info_message(store, tuid_parts(TuidClock().next())))


def body_of(message: bytes) -> bytes:
    return message[rrd.MESSAGE_HEADER_SIZE :]


def write(daemon: Daemon, bodies: list[tuple[int, bytes]]) -> None:
    """One WriteMessages call of these (kind, body)."""
    with grpc.insecure_channel(address_of(daemon)) as channel:
        call = channel.stream_unary(SERVICE + "WriteMessages")
        call(iter([wrap_head(kind, len(body)) + body for kind, body in bodies]), timeout=20)


def address_of(daemon: Daemon) -> str:
    return daemon.info.grpc.removeprefix("rerun+http://").removesuffix("/proxy")


class Reader:
    """A ReadMessages call of our own: what it receives, as (kind, body)."""

    def __init__(self, url: str) -> None:
        self.received: list[tuple[int, bytes]] = []
        self._channel = grpc.insecure_channel(
            url.removeprefix("rerun+http://").removesuffix("/proxy"),
            options=[("grpc.max_receive_message_length", -1)],
        )
        self._call = self._channel.unary_stream(SERVICE + "ReadMessages")(b"")
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            for response in self._call:
                kind, body = unwrap(response)  # it is wrapped as a request is
                self.received.append((kind, bytes(body)))
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.CANCELLED

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._call.cancel()
        self._thread.join()
        self._channel.close()

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.received) >= count)

    def by_kind(self, kind: int) -> list[bytes]:
        return [body for found, body in self.received if found == kind]


@pytest.mark.timeout(120)
def test_a_viewer_that_dies_in_the_middle_is_forgotten(daemon: Daemon, tmp_path: Path) -> None:
    with viewer(daemon.info.grpc, tmp_path / "dead.rrd") as process, RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [0.0], [0]))
        wait_until(lambda: has_viewer_without_lag(daemon))
        process.send_signal(signal.SIGSTOP)
        for i in range(50):
            producer.append_and_wait(chunk("run", "/large", [float(i)], [i], padding=1 << 20))
        process.kill()
        process.wait()
        wait_until(lambda: not daemon.status()["viewers"])
        with Reader(daemon.info.grpc) as reader:
            reader.wait_for(52)


def test_tables_are_refused_in_a_sentence(daemon: Daemon) -> None:
    with grpc.insecure_channel(address_of(daemon)) as channel:
        for method in ("WriteTable", "ReadTables"):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(SERVICE + method)(b"", timeout=20)
            assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
            assert "keeps no tables" in refused.value.details()
