"""Too many, too large: refused in a sentence, and everybody else goes on."""

from __future__ import annotations

import contextlib
import http.client
import logging
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import grpc
import pytest
import zmq

import rerund_sdk as rr
from rerund.grpc_edge import SERVICE
from rerund.limits import Limits
from rerund_sdk import wire
from rerund_sdk.control import ControlClient
from rerund_sdk.errors import BadWireMessage, DaemonError
from tests.daemons import Daemon, fresh_folder
from tests.homes import run_to_end, wait_until
from tests.raw_producer import RawProducer, blob, chunk


@pytest.fixture
def small(make_daemon: Callable[..., Daemon]) -> Daemon:
    return make_daemon("--max-connections=3")


def test_one_producer_too_many_waits_and_is_let_in_when_another_leaves(
    small: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        first, *_ = [stack.enter_context(RawProducer(small.ingest, f"run-{number}")) for number in range(3)]
        with RawProducer(small.ingest, greet=False) as fourth:
            fourth.send(fourth.hello())
            reject = fourth.receive(wire.Reject)
        assert (reject.code, reject.seq) == ("not-now", 0)
        assert reject.reason == "there are 3 producers, and max_connections = 3: raise the option or end some"
        late = rr.RecordingStream("app", recording_id="late")
        with caplog.at_level(logging.WARNING, "rerund_sdk"):
            late.connect(small.ingest)
            late.log("/a", rr.Scalars(1.0))
            wait_until(lambda: caplog.records)
        assert "takes no rows for now, they are kept: there are 3 producers" in caplog.text
        assert not late.flush(timeout_sec=0.5)
        first.append_and_wait(chunk("run-0", "/a", [1.0], [1]))  # who is in stays in
        first.send(wire.Goodbye(1, ()))
        assert late.flush(timeout_sec=30)
        late.disconnect()
    assert small.said().count("no more producers are let in") == 1
    assert "producers are let in again" in small.said()


def test_a_producer_that_comes_back_is_no_newcomer(small: Daemon) -> None:
    producers = [RawProducer(small.ingest, f"run-{number}") for number in range(3)]
    again = RawProducer(small.ingest, "run-0", producer_id=producers[0].producer_id)
    assert again.welcome is not None
    for producer in (*producers, again):
        producer.close()


def test_one_http_connection_too_many_gets_a_503_with_the_reason(small: Daemon) -> None:
    parts = urlsplit(small.info.http)
    where = (str(parts.hostname), parts.port or 0)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(where))
        wait_until(lambda: _status(where)[0] == 503)
        status, text = _status(where)
        assert (status, text) == (
            503,
            "The daemon is full: there are 3 HTTP connections, and max_connections = 3: raise the option or end some\n",
        )
    wait_until(lambda: _status(where)[0] == 200)


def _status(where: tuple[str, int]) -> tuple[int, str]:
    connection = http.client.HTTPConnection(*where, timeout=20)
    try:
        connection.request("GET", "/api/status", headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_one_grpc_stream_too_many_is_resource_exhausted(small: Daemon) -> None:
    with RawProducer(small.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    with grpc.insecure_channel(urlsplit(small.info.grpc).netloc) as channel:
        read = channel.unary_stream(f"/{SERVICE}/ReadMessages")
        reading = [read(b"", timeout=60) for _ in range(3)]
        for each in reading:
            assert next(each)
        with pytest.raises(grpc.RpcError) as refused:
            next(read(b"", timeout=60))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refused.value.details() == (
            "there are 3 gRPC streams, and max_connections = 3: raise the option or end some"
        )
        reading[0].cancel()
        wait_until(lambda: len(small.status()["viewers"]) == 2)  # type: ignore[arg-type]
        assert next(read(b"", timeout=60))
        for each in reading:
            each.cancel()


def test_one_subscription_too_many_is_refused_and_requests_go_on(small: Daemon) -> None:
    with RawProducer(small.ingest) as producer, ExitStack() as stack:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
        for _ in range(3):
            feed = stack.enter_context(small.client()).subscribe("run")
            stack.enter_context(contextlib.closing(feed))
            next(feed)
        with small.client() as client, pytest.raises(DaemonError, match="there are 3 subscriptions, and max_conn"):
            next(client.subscribe("run"))
        assert small.status()["producers"]


@pytest.fixture
def poor() -> Iterator[Daemon]:
    """A daemon with few file descriptors."""

    made = Daemon(fresh_folder(), wrapped_in=("prlimit", "--nofile=1024:"))
    yield made
    made.end()


def test_all_file_descriptors_that_may_be_had_are_used(poor: Daemon) -> None:
    poor.start()
    assert poor.process is not None
    soft, hard = resource.prlimit(poor.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard > 1024


@pytest.mark.timeout(120)
def test_no_file_descriptors_for_newcomers_is_said_and_those_who_are_in_go_on(daemon: Daemon) -> None:
    assert daemon.process is not None
    parts = urlsplit(daemon.info.http)
    where = (str(parts.hostname), parts.port or 0)
    with RawProducer(daemon.ingest) as producer, ExitStack() as stack:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
        _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (300, hard))
        for _ in range(400):
            stack.enter_context(socket.create_connection(where))
        wait_until(lambda: "300 file descriptors open: raise `ulimit -n`" in daemon.said())
        for number in range(2, 20):  # a new file among them
            producer.append_and_wait(blob(100_000), chunk("run", "/a", [1.0], [number]))
        most = int(_settled_files(daemon.process.pid) / 0.55)  # newcomers are still heard, but not let in
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (most, hard))
        with RawProducer(daemon.ingest, "other", greet=False) as newcomer:
            newcomer.send(newcomer.hello())
            assert f"{most} file descriptors open" in newcomer.receive(wire.Reject).reason
        assert daemon.status()["producers"]
    wait_until(lambda: _status(where)[0] == 200)
    assert "Traceback" not in daemon.said() and "Too many open files" not in daemon.said()


@pytest.mark.timeout(120)
def test_a_burst_of_more_producers_than_file_descriptors_harms_nobody(daemon: Daemon) -> None:
    assert daemon.process is not None
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 2000)
    with context, RawProducer(daemon.ingest) as first, ExitStack() as stack:
        _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (1100, hard))
        for _ in range(1500):
            producer = stack.enter_context(RawProducer(daemon.ingest, greet=False, context=context))
            producer.send(producer.hello())
        wait_until(lambda: "nobody new finds ingest.sock until fewer file descriptors are open" in daemon.said())
        for number in range(20):
            first.append_and_wait(chunk("run", "/a", [1.0], [number]))
        stack.close()
        wait_until(lambda: "newcomers find ingest.sock again" in daemon.said())
        with RawProducer(daemon.ingest, "other") as late:
            late.append_and_wait(chunk("other", "/a", [1.0], [1]))


def _settled_files(pid: int) -> int:
    """How many file descriptors a process has open when no more come or go."""
    counts = [-1]
    while counts[-10:] != [counts[-1]] * 10:
        time.sleep(0.05)
        counts.append(sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()))
    return counts[-1]


def test_limits_are_told_once_per_change(caplog: pytest.LogCaptureFixture) -> None:
    limits = Limits(2)
    with caplog.at_level(logging.WARNING):
        assert [bool(limits.refusal("viewers", count)) for count in (0, 1, 2, 3, 2, 1, 2)] == [
            *(False, False, True, True, True, False, True)
        ]
    assert len(caplog.records) == 3


# sizes


def test_a_message_larger_than_the_option_says_is_refused_everywhere(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon("--max-message-bytes=1MiB")
    with RawProducer(daemon.ingest) as producer:
        producer.append(blob(3 << 20))
        assert "max_message_bytes = 1048576: raise the option" in producer.receive(wire.Reject).reason
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    with grpc.insecure_channel(
        urlsplit(daemon.info.grpc).netloc, options=(("grpc.max_send_message_length", -1),)
    ) as channel:
        write = channel.stream_unary(f"/{SERVICE}/WriteMessages")
        with pytest.raises(grpc.RpcError) as refused:
            write(iter([b"\0" * (3 << 20)]), timeout=30)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_frame_beyond_all_bounds_ends_its_senders_connection_and_nothing_else(
    make_daemon: Callable[..., Daemon],
) -> None:
    daemon = make_daemon("--max-message-bytes=1MiB")
    with RawProducer(daemon.ingest) as good, RawProducer(daemon.ingest, "bad") as bad:
        before = daemon.status()["memory_bytes"]
        bad.append(blob(80 << 20))
        for number in range(20):
            good.append_and_wait(chunk("run", "/a", [1.0], [number]))
        assert int(str(daemon.status()["memory_bytes"])) - int(str(before)) < 40 << 20


def test_a_store_info_of_megabytes_is_refused() -> None:
    with RawProducer("inproc://nowhere", greet=False) as producer:
        hello = producer.hello()
    size = (5 << 20) - 16
    large = hello._replace(store_info=hello.store_info[:8] + size.to_bytes(8, "little") + b"\0" * size)
    with pytest.raises(BadWireMessage, match=r"SetStoreInfo message of \d+ bytes"):
        wire.decode(wire.encode(large))


@pytest.mark.parametrize("path", ["/api/status", f"/{SERVICE}/ReadMessages"])
def test_a_large_body_is_not_read(daemon: Daemon, path: str) -> None:
    parts = urlsplit(daemon.info.http)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=20) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {1 << 40}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1000).split()[1] in (b"403", b"405", b"415")


@pytest.mark.parametrize("path", ["/ws/status", "/ws/recordings/app/run", "/ws/view/app/run"])
def test_a_websocket_message_of_megabytes_ends_its_connection(daemon: Daemon, path: str) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    run_to_end(_send_too_much(daemon, path))


async def _send_too_much(daemon: Daemon, path: str) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(daemon.info.http + path) as page:
            with contextlib.suppress(ConnectionError):
                await page.send_str("x" * (3 << 20))
            async for _ in page:
                pass
            assert page.closed
        async with session.get(daemon.info.http + "/api/status") as found:
            assert found.status == 200


def test_the_option_is_checked() -> None:
    command = [sys.executable, "-m", "rerund", "run", "--max-connections=0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "--max-connections is '0': not 1 to 1000000" in done.stderr


@pytest.mark.timeout(120)
def test_requests_while_idle_connections_take_all_file_descriptors_do_not_end_the_daemon(daemon: Daemon) -> None:
    assert daemon.process is not None
    where = tuple(daemon.info.grpc.split("//")[1].split("/")[0].rsplit(":", 1))
    address = (where[0], int(where[1]))
    with RawProducer(daemon.ingest) as producer, ExitStack() as stack:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
        _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (600, hard))
        for _ in range(800):
            stack.enter_context(socket.create_connection(address))
        wait_until(lambda: "nobody new finds control.sock until fewer file descriptors are open" in daemon.said())
        for _ in range(20):
            with ControlClient(daemon.control) as client, pytest.raises(TimeoutError):
                client.request("status", timeout=0.1)
        producer.append_and_wait(chunk("run", "/a", [1.0], [2]))
        stack.close()
        wait_until(lambda: "newcomers find control.sock again" in daemon.said())
        assert daemon.status()["producers"]
