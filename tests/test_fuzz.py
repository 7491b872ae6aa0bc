"""What others send and leave lying about: nothing of it crashes, hangs, or takes memory that it does not need."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import msgpack
import psutil
import pytest
import zmq

from rerund.bell import Bells
from rerund.describe import open_chunk
from rerund.store import Store
from rerund_sdk.errors import BadRrd
from tests.daemons import Daemon
from tests.programs.fuzz import TARGETS, requests
from tests.raw_producer import RawProducer, chunk
from tests.recorded import scalars_in

MEMORY_BYTES = 200 << 20  # that noise may cost a daemon
MESSAGES = 400
STREAMS = 60
ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.timeout(200)
def test_decoders_take_anything(target: str, pytestconfig: pytest.Config) -> None:
    """In a process of its own, as a crash would end it."""
    examples = pytestconfig.getoption("fuzz_examples")
    done = subprocess.run(
        [sys.executable, "-m", "tests.programs.fuzz", target, str(examples)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]


def test_offsets_that_lead_out_of_a_chunk_are_refused() -> None:
    """Arrow's own quick check looks at the last one only."""
    good = chunk("run", "/a", [1.0, 2.0], [1, 2]).data
    offsets = struct.pack("<3i", 0, 1, 2)
    assert good.count(offsets) == 1
    bad = good.replace(offsets, struct.pack("<3i", 0, 1 << 28, 2))
    assert open_chunk(good).rows == 2
    with pytest.raises(BadRrd, match="Offset"):
        open_chunk(bad)


def test_a_directory_that_is_named_like_no_text_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "recordings" / "%80" / "%ff").mkdir(parents=True)
    (tmp_path / "recordings" / "%80" / "%ff" / "000001.rrd").write_bytes(b"")
    store = Store(tmp_path, 1 << 20, Bells())
    store.load()
    assert store.recordings() == []


@pytest.mark.timeout(180)
def test_a_daemon_that_is_sent_anything_on_all_its_sockets_goes_on(daemon: Daemon) -> None:
    chance = random.Random(4)
    before = psutil.Process(daemon.info.pid).memory_info().rss
    with zmq.Context() as context:
        for endpoint in (daemon.ingest, daemon.control):
            _send_messages(context, endpoint, chance)
    for url in (daemon.info.http, daemon.info.grpc.replace("rerun+", "")):
        for _ in range(STREAMS):
            _send_bytes(url, chance)
    _call_grpc(daemon.info.grpc, chance)
    with RawProducer(daemon.ingest, "sane") as producer:
        producer.append_and_wait(chunk("sane", "/a", [1.0], [1]))
    assert scalars_in([path for path in daemon.segments() if path.parent.name == "sane"], "/a") == [1.0]
    assert psutil.Process(daemon.info.pid).memory_info().rss - before < MEMORY_BYTES
    assert "Traceback" not in daemon.said(), daemon.said()[-4000:]
    assert daemon.stop() == 0


def _send_messages(context: zmq.Context[zmq.Socket[bytes]], endpoint: str, chance: random.Random) -> None:
    """Frames of noise, and requests of noise."""
    verbs = ("status", "recordings", "save", "unsave", "remove", "stop?", "subscribe", "check", "follow")
    with context.socket(zmq.DEALER) as sender:
        sender.linger = 1000
        sender.connect(endpoint)
        for number in range(MESSAGES):
            noise = [chance.randbytes(chance.randrange(200)) for _ in range(chance.randrange(1, 5))]
            if number % 2:
                odd = (None, -1, 1 << 62, "", "../../x", "a" * 5000, [], {}, b"\0", 1.5, True)
                args = {name: chance.choice(odd) for name in ("recording", "from", "path", "all", "follow")}
                noise[0] = msgpack.packb({"t": "request", "id": number, "verb": chance.choice(verbs), "args": args})
            sender.send_multipart(noise)


def _send_bytes(url: str, chance: random.Random) -> None:
    """Requests with a part of noise in them, to pages and WebSockets, and the connection closed at any moment."""
    address = urlsplit(url)
    host = f"{address.hostname}:{address.port}"
    path = chance.choice(
        ("/", "/api/status", "/ws/recordings/app/run?from=", "/api/recordings/%2e%2e/x.rrd", "/rerun/")
    )
    head = (
        f"GET {path}{chance.choice(('', '%00', '../../etc', '9:9', '-1:5', 'x' * 9000))} HTTP/1.1\r\nHost: {host}\r\n"
    )
    if chance.random() < 0.5:
        head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        head += f"Sec-WebSocket-Key: {chance.choice(('AAAAAAAAAAAAAAAAAAAAAA==', 'x', ''))}\r\n"
    request = bytearray(head.encode() + b"\r\n" + chance.randbytes(chance.randrange(300)))
    for _ in range(chance.randrange(3)):
        request[chance.randrange(len(request))] = chance.randrange(256)
    connected = socket.create_connection((address.hostname, address.port), timeout=10)
    with connected as connection, contextlib.suppress(OSError):
        connection.sendall(request)
        connection.settimeout(0.02)
        connection.recv(1 << 16)


def _call_grpc(url: str, chance: random.Random) -> None:
    target = url.removeprefix("rerun+http://").removesuffix("/proxy")
    good = list(requests())
    with grpc.insecure_channel(target) as channel:
        for method in ("WriteMessages", "ReadMessages", "Nothing"):
            call = channel.stream_stream(f"/rerun.sdk_comms.v1alpha1.MessageProxyService/{method}")
            for _ in range(20):
                data = bytearray(chance.choice(good))
                for _ in range(chance.randrange(4)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
                answers = call(iter([bytes(data)] * chance.randrange(1, 3)), timeout=0.3)
                with contextlib.suppress(grpc.RpcError):
                    next(answers, None)
                answers.cancel()
