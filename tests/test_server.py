from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable

import psutil
import pytest

from rerund_sdk import places, wire
from tests.daemons import Daemon, fresh_folder
from tests.raw_producer import RawProducer, blob, chunk, frames_of, values_of


def test_what_was_acknowledged_is_in_the_log_after_a_kill(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0, 2.0], [1, 2]))
        daemon.kill()
    (segment,) = daemon.segments()
    _, data = frames_of(segment.read_bytes())
    assert values_of(data) == [1.0, 2.0]


def test_a_daemon_that_ends_takes_in_what_has_arrived_and_leaves_nothing_in_the_way(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        for _ in range(300):
            last = producer.append(blob(20_000))
        producer.wait_written(1)
        assert daemon.stop() == 0
        ack = producer.wait_written(1)
        while producer.socket.poll(0):
            ack = producer.receive(wire.Ack)
    assert 1 <= ack.written_seq <= last
    (segment,) = daemon.segments()
    assert len(frames_of(segment.read_bytes())) - 1 >= ack.written_seq
    assert sorted(path.name for path in daemon.runtime.iterdir()) == ["lock"]


def test_a_daemon_that_ended_well_opens_its_logs_without_reading_them(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    daemon.stop()
    (segment,) = daemon.segments()
    before = segment.read_bytes()
    daemon.start()
    (recording,) = daemon.status()["recordings"]
    assert (recording["recording_id"], recording["bytes"]) == ("run", len(before))
    assert recording["messages"] is None and not recording["active_since_start"]
    RawProducer(daemon.ingest).close()
    (recording,) = daemon.status()["recordings"]
    assert (recording["messages"], recording["rows"], recording["entities"]) == (2, 1, 1)


def test_what_a_killed_daemon_left_behind_is_no_obstacle(daemon: Daemon) -> None:
    pid = daemon.info.pid
    daemon.kill()
    assert {"ingest.sock", "control.sock", "daemon.json", "lock"} <= {path.name for path in daemon.runtime.iterdir()}
    assert places.read_daemon() is None
    daemon.start()
    assert places.read_daemon() == daemon.info
    assert daemon.info.pid != pid


def test_a_pid_that_another_program_has_now_is_no_daemon(daemon: Daemon) -> None:
    daemon.kill()
    path = daemon.runtime / "daemon.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": os.getpid()}))
    assert places.read_daemon() is None
    daemon.start()
    assert places.read_daemon() == daemon.info


@pytest.mark.parametrize("shared", ["RERUND_HOME", "XDG_RUNTIME_DIR"])
def test_a_second_daemon_on_one_directory_is_refused_and_the_first_goes_on(daemon: Daemon, shared: str) -> None:
    sentence = _refusal(prepare=lambda second: second.variables.update({shared: daemon.variables[shared]}))
    assert f"another rerund daemon (pid {daemon.info.pid}) uses this directory" in sentence
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))


def _refusal(*options: str, prepare: Callable[[Daemon], None] = lambda _: None) -> str:
    """The sentence of a daemon that cannot start, without a traceback."""
    refused = Daemon(fresh_folder(), *options)
    try:
        prepare(refused)
        with pytest.raises(AssertionError, match="did not become ready"):
            refused.start()
        assert refused.process is not None and refused.process.wait(30) not in (0, None)
        assert "Traceback" not in refused.said()
        return refused.said().splitlines()[-1]
    finally:
        refused.end()


def test_a_runtime_directory_of_somebody_else_is_refused() -> None:
    def give_away(daemon: Daemon) -> None:
        daemon.runtime.mkdir()
        try:
            os.chown(daemon.runtime, os.getuid() + 1, -1)
        except PermissionError:
            pytest.skip("only root can give a directory away")

    assert f"belongs to uid {os.getuid() + 1}" in _refusal(prepare=give_away)


def test_a_path_too_long_for_a_socket_is_refused() -> None:
    sentence = _refusal(prepare=lambda daemon: daemon.variables.update(XDG_RUNTIME_DIR=f"{daemon.folder}/{'x' * 80}"))
    assert "over the 107 of a UNIX socket" in sentence


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--listen=tcp://0.0.0.0:*", "beyond this machine"),
        ("--listen=tcp://*:9877", "beyond this machine"),
        ("--listen=udp://127.0.0.1:1", "must be tcp://HOST:PORT"),
        ("--listen=tcp://127.0.0.1", "must be tcp://HOST:PORT"),
        ("--fsync=sometimes", "--fsync is 'sometimes': not one of interval, always, off"),
        ("--segment-bytes=1", "under 4 KiB"),
        ("--home=/proc/rerund", "state directory cannot be made"),
    ],
)
def test_an_option_that_cannot_be_followed_is_refused_in_a_sentence(option: str, reason: str) -> None:
    assert reason in _refusal(option)


def test_a_taken_port_is_refused_with_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = _refusal(f"--listen=tcp://127.0.0.1:{port}")
    assert f"tcp://127.0.0.1:{port}" in sentence
    assert psutil.Process().name() in sentence and str(os.getpid()) in sentence


def test_two_instances_run_side_by_side() -> None:
    folder = fresh_folder()
    one, two = Daemon(folder), Daemon(folder, "--instance=b")
    one.variables = two.variables = {"XDG_STATE_HOME": str(folder / "state"), "XDG_RUNTIME_DIR": str(folder / "run")}
    two.runtime = folder / "run" / "rerund-b"
    try:
        for daemon in (one, two):
            daemon.start()
        assert one.info.home == str(folder / "state" / "rerund")
        assert two.info.home == str(folder / "state" / "rerund-b")
        with RawProducer(one.ingest) as first, RawProducer(two.ingest) as second:
            first.append_and_wait(chunk("run", "/a", [1.0], [1]))
            second.append_and_wait(chunk("run", "/a", [2.0], [1]))
    finally:
        two.end()
        one.end()


def test_directories_and_sockets_are_closed_to_others(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    assert daemon.runtime.stat().st_mode & 0o777 == 0o700
    assert daemon.home.stat().st_mode & 0o777 == 0o700
    for path in (daemon.runtime / "ingest.sock", daemon.runtime / "control.sock", *daemon.segments()):
        assert path.stat().st_mode & 0o777 == 0o600


def test_whatever_the_umask_nobody_else_may_change_what_the_daemon_keeps() -> None:
    """In a state directory that others may look into, as one that was there before."""
    daemon = Daemon(fresh_folder())
    daemon.home.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        daemon.start()
        with RawProducer(daemon.ingest) as producer, daemon.client() as client:
            producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
            client.request("save", recording="run", path=str(daemon.folder / "out.rrd"), follow=True)
        assert (daemon.home / "followed.json").exists()
        assert [path for path in daemon.home.rglob("*") if path.stat().st_mode & 0o022] == []
    finally:
        os.umask(before)
        daemon.end()


@pytest.mark.timeout(120)
def test_memory_stays_under_200_mb_whatever_is_logged_and_however_slow_one_reads(
    daemon: Daemon, pytestconfig: pytest.Config
) -> None:
    megabytes = pytestconfig.getoption("--ingest-mb")
    process = psutil.Process(daemon.info.pid)
    most = 0
    with RawProducer(daemon.ingest) as producer, daemon.client() as frozen, daemon.client() as reader:
        producer.append_and_wait(blob(1000))
        frozen_feed = frozen.subscribe("run")
        next(frozen_feed)  # and never asks for more
        reading = reader.subscribe("run", timeout=20)
        read = 0
        images = [blob(1_000_000, entity="/camera") for _ in range(4)]
        for number in range(megabytes):
            image = images[number % 4]
            fresh = image.entry._replace(chunk_id=os.urandom(16))
            producer.send(wire.Append(number + 2, (fresh,), (image.data,)))
            if number >= 16:
                producer.wait_written(number - 14)
            while read < number - 50:
                read += len(frames_of(next(reading).data))
            if number % 50 == 0:
                most = max(most, process.memory_info().rss)
        producer.wait_written(megabytes + 1)
        while read < megabytes + 2:
            read += len(frames_of(next(reading).data))
        (lag, *_) = sorted((viewer["lag_bytes"] for viewer in daemon.status()["viewers"]), reverse=True)
        assert lag > (megabytes - 10) * 1_000_000
        frozen_feed.close()
        reading.close()
    assert max(most, process.memory_info().rss) < 200 << 20
