"""Delivery to a daemon: a real one, and a stand-in only for what a real one does not do."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pytest
import zmq

from rerund_sdk import messages, wire
from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.chunk import ChunkEncoder, ComponentColumn, TimeColumn, list_array
from rerund_sdk.daemon_sink import DaemonSink
from rerund_sdk.losses import LOSSES_PATH
from rerund_sdk.outbox import MIB, Delivery
from rerund_sdk.sinks import EncodedMessage, Store
from rerund_sdk.tuid import TuidClock, tuid_parts
from tests.daemons import free_port
from tests.homes import Home, messages_of, program, wait_until

RECORDING = "run-1"
SCALARS = ComponentDescriptor("Scalars:scalars", "rerun.archetypes.Scalars", "rerun.components.Scalar")


class Producer:
    """A sink, and real chunks to send through it: row n of an entity has the value n."""

    def __init__(self, endpoint: str | None = None, **delivery: object) -> None:
        store_id = messages.store_id("app", RECORDING)
        info = messages.store_info_message(store_id, tuid_parts(TuidClock().next()))
        self.encoder = ChunkEncoder(messages.ArrowMsgWriter(store_id))
        self.sink = DaemonSink(endpoint, delivery=Delivery(**delivery))  # type: ignore[arg-type]
        self.sink.open(Store("app", RECORDING, info))
        self.sent: dict[str, int] = {}

    def chunk(self, path: str, rows: int, filler: int = 0) -> EncodedMessage:
        first = self.sent.get(path, 0)
        self.sent[path] = first + rows
        values = np.arange(first, first + rows)
        offsets = np.arange(rows + 1, dtype=np.int32)
        columns = [ComponentColumn(SCALARS, list_array(pa.array(values.astype(float)), offsets))]
        if filler:
            blob = np.frombuffer(os.urandom(filler * rows), np.uint8)
            lists = list_array(pa.array(blob), offsets * filler)
            columns.append(ComponentColumn(ComponentDescriptor("blob"), lists))
        return self.encoder.encode_columns(path, [TimeColumn("frame", "sequence", values)], columns)

    def send(self, path: str = "/a", rows: int = 10, filler: int = 0) -> None:
        self.sink.send([self.chunk(path, rows, filler)])

    def flush(self, secs: float = 30) -> bool:
        return self.sink.flush(time.monotonic() + secs)


@pytest.fixture
def make_producer(home: Home) -> Iterator[Callable[..., Producer]]:  # noqa: ARG001 - directories to deliver in
    producers: list[Producer] = []

    def make(*args: object, **kwargs: object) -> Producer:
        producers.append(Producer(*args, **kwargs))  # type: ignore[arg-type]
        return producers[-1]

    yield make
    for producer in producers:
        producer.sink.close()


def rows_in_log(home: Home) -> dict[str, list[int]]:
    """Row numbers by entity, in the order of the log."""
    rows: dict[str, list[int]] = {}
    for chunk in home.chunks(RECORDING):
        if chunk.entity_path == LOSSES_PATH:
            continue
        rows.setdefault(chunk.entity_path, []).extend(chunk.indexes[0].values.tolist())
    return rows


def all_rows(producer: Producer) -> dict[str, list[int]]:
    return {path: list(range(count)) for path, count in producer.sent.items()}


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_what_flush_says_is_delivered_is_in_the_log_once_and_in_order(
    home: Home, make_producer: Callable[..., Producer], transport: str
) -> None:
    daemon = home.daemon("--listen=tcp://127.0.0.1:*")
    producer = make_producer(daemon.info.tcp[0] if transport == "tcp" else None)
    for _ in range(300):
        producer.send("/a", rows=7)
        producer.send("/b", rows=1, filler=100_000)
    assert producer.flush()
    assert rows_in_log(home) == all_rows(producer)
    assert producer.sink.status.undelivered_messages == 0


def test_the_bytes_in_the_log_are_those_that_were_sent(home: Home, make_producer: Callable[..., Producer]) -> None:
    home.daemon()
    producer = make_producer()
    chunks = [producer.chunk("/a", 3), producer.chunk("/image", 1, filler=3 * MIB), producer.chunk("/a", 1)]
    producer.sink.send(chunks)
    assert producer.flush()
    assert sorted(home.messages(RECORDING)[1:]) == sorted(b"".join(chunk.data) for chunk in chunks)


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_nothing_is_lost_or_doubled_when_the_daemon_is_killed_and_started_again_and_again(
    home: Home, make_producer: Callable[..., Producer], transport: str
) -> None:
    port = free_port()
    daemon = home.daemon(f"--listen=tcp://127.0.0.1:{port}")
    producers = [make_producer(f"tcp://127.0.0.1:{port}" if transport == "tcp" else None) for _ in range(2)]
    stop = threading.Event()

    def keep_sending(producer: Producer, path: str) -> None:
        while not stop.wait(0.001):
            producer.send(path, rows=3)
            producer.send(f"{path}/image", rows=1, filler=50_000)

    threads = [threading.Thread(target=keep_sending, args=(p, f"/{n}")) for n, p in enumerate(producers)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        taken = home.status()["counters"]["rows"]
        wait_until(lambda taken=taken: home.status()["counters"]["rows"] > taken + 50)  # type: ignore[misc]
        daemon.kill()
        daemon.start()
    stop.set()
    for thread in threads:
        thread.join()
    assert all(producer.flush() for producer in producers)
    assert rows_in_log(home) == {**all_rows(producers[0]), **all_rows(producers[1])}


def test_rows_wait_for_a_daemon_that_comes_later(
    home: Home, make_producer: Callable[..., Producer], caplog: pytest.LogCaptureFixture
) -> None:
    producer = make_producer(memory_bytes=2 * MIB)
    for _ in range(100):
        producer.send("/image", rows=1, filler=100_000)
    assert not producer.flush(0.1)
    assert not producer.sink.status.connected
    assert producer.sink.status.memory_bytes < 2 * MIB
    wait_until(lambda: any("no daemon answers" in record.message for record in caplog.records))
    home.daemon()
    assert producer.flush()
    assert rows_in_log(home) == all_rows(producer)
    wait_until(lambda: any("answers again" in record.message for record in caplog.records))
    producer.sink.close()
    assert home.spilled() == []


def test_an_address_that_cannot_be_is_told_of_and_holds_up_nothing(
    make_producer: Callable[..., Producer], caplog: pytest.LogCaptureFixture
) -> None:
    producer = make_producer("ipc:///tmp/" + "x" * 200)
    producer.send()
    assert not producer.flush(0.2)
    [told] = [record.message for record in caplog.records]
    assert "too long" in told


def test_a_frozen_daemon_holds_up_neither_send_nor_the_end(
    home: Home, make_producer: Callable[..., Producer], caplog: pytest.LogCaptureFixture
) -> None:
    daemon = home.daemon()
    producer = make_producer(memory_bytes=8 * MIB)
    producer.send()
    assert producer.flush()
    daemon.signal(signal.SIGSTOP)
    try:
        longest = 0.0
        for _ in range(600):
            chunk = producer.chunk("/image", rows=1, filler=100_000)
            started = time.monotonic()
            producer.sink.send([chunk])
            longest = max(longest, time.monotonic() - started)
        assert longest < 0.5
        wait_until(lambda: not producer.sink.status.connected)
        assert not producer.flush(0.2)
        started = time.monotonic()
        producer.sink.close()
        assert time.monotonic() - started < 2
    finally:
        daemon.signal(signal.SIGCONT)
    assert any("they are kept in" in record.message for record in caplog.records)
    spilled = [message for path in home.spilled() for message in messages_of(path)]
    in_log = wait_until(lambda: (found := home.messages(RECORDING)) and found)
    assert len({*spilled, *in_log}) == 602  # 601 chunks and the store info


def test_a_daemon_that_thaws_goes_on_where_it_was(home: Home, make_producer: Callable[..., Producer]) -> None:
    daemon = home.daemon()
    producer = make_producer()
    producer.send()
    assert producer.flush()
    daemon.signal(signal.SIGSTOP)
    producer.send()
    wait_until(lambda: not producer.sink.status.connected)
    daemon.signal(signal.SIGCONT)
    assert producer.flush()
    wait_until(lambda: producer.sink.status.connected)
    assert rows_in_log(home) == all_rows(producer)
    assert len(home.status()["producers"]) == 1


def test_a_removed_recording_begins_anew(home: Home, make_producer: Callable[..., Producer]) -> None:
    from rerund_sdk.control import ControlClient

    home.daemon()
    producer = make_producer()
    producer.send(rows=5)
    assert producer.flush()
    with ControlClient() as client:
        client.request("remove", recording=RECORDING)
    producer.send(rows=5)
    assert producer.flush()
    assert rows_in_log(home) == {"/a": [5, 6, 7, 8, 9]}


def test_a_message_that_the_daemon_refuses_costs_no_other(
    home: Home, make_producer: Callable[..., Producer], caplog: pytest.LogCaptureFixture
) -> None:
    home.daemon()
    producer = make_producer()
    good = producer.chunk("/a", 2)
    bad = EncodedMessage(good.entry._replace(size=good.entry.size + 1), good.data)
    producer.sink.send([producer.chunk("/b", 2), bad, producer.chunk("/c", 2)])
    assert not producer.flush()  # the bad one is not where it belongs
    assert producer.flush()
    assert sorted(rows_in_log(home)) == ["/b", "/c"]
    assert producer.sink.status.lost_rows == 2
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    producer.sink.close()
    wait_until(lambda: home.status()["counters"]["lost_rows"] == 2)


def test_too_large_a_message_is_lost_alone_and_said_once(
    home: Home, make_producer: Callable[..., Producer], caplog: pytest.LogCaptureFixture
) -> None:
    home.daemon("--max-message-bytes=1MiB")
    producer = make_producer()
    for _ in range(3):
        producer.send("/a")
        producer.send("/image", rows=1, filler=2 * MIB)
    assert not producer.flush()
    assert rows_in_log(home) == {"/a": list(range(30))}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_daemon_that_takes_less_than_the_last_gets_the_rest(
    home: Home, make_producer: Callable[..., Producer]
) -> None:
    daemon = home.daemon()
    producer = make_producer()
    producer.send("/a")
    assert producer.flush()
    daemon.signal(signal.SIGSTOP)
    for _ in range(4):
        producer.send("/image", rows=1, filler=2 * MIB)
        producer.send("/a")
    wait_until(lambda: producer.sink.status.undelivered_messages == 8 and not producer.sink.status.connected)
    daemon.kill()
    home.daemon("--max-message-bytes=1MiB")
    assert not producer.flush()
    assert rows_in_log(home) == {"/a": list(range(50))}


def test_goodbye_leaves_no_producer_behind(home: Home, make_producer: Callable[..., Producer]) -> None:
    home.daemon()
    producer = make_producer()
    producer.send()
    assert producer.flush()
    [known] = home.status()["producers"]
    assert (known["pid"], known["rows"]) == (os.getpid(), 10)
    producer.sink.close()
    wait_until(lambda: home.status()["producers"] == [])


@pytest.mark.parametrize("daemon", ["absent", "frozen"])
def test_a_program_ends_in_two_seconds_without_a_daemon_and_says_where_its_rows_are(home: Home, daemon: str) -> None:
    frozen = home.daemon() if daemon == "frozen" else None
    if frozen is not None:
        frozen.signal(signal.SIGSTOP)
    done = program(
        "import time, rerund_sdk as rr\n"
        "rr.init('app', recording_id='run-1', send_properties=False); rr.connect()\n"
        "for n in range(20): rr.log(f'/{n}', rr.Scalars(n))\n"
        "print(time.monotonic())\n"
    )
    secs = time.monotonic() - float(done.stdout)
    assert done.returncode == 0
    assert "20 messages: they are kept in" in done.stderr
    [path] = home.spilled()
    assert str(path) in done.stderr
    assert len(list(messages_of(path))) == 21
    assert 1 <= secs < 4
    if frozen is not None:
        frozen.signal(signal.SIGCONT)


# What a real daemon of this version does not do


class StandIn:
    """A ROUTER that answers as a test wants."""

    def __init__(self, home: Home, answer: Callable[[wire.Message], list[wire.Message]]) -> None:
        self.endpoint = f"ipc://{home.folder}/stand-in.sock"
        self.heard: list[wire.Message] = []
        self._answer = answer
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.bind(self.endpoint)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._router.poll(20):
                identity, *frames = self._router.recv_multipart()
                message = wire.decode(frames)
                self.heard.append(message)
                for answer in self._answer(message):
                    self._router.send_multipart([identity, *wire.encode(answer)])

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._router.close(0)
        self._context.term()


@pytest.fixture
def make_stand_in(home: Home) -> Iterator[Callable[..., StandIn]]:
    made: list[StandIn] = []

    def make(answer: Callable[[wire.Message], list[wire.Message]]) -> StandIn:
        made.append(StandIn(home, answer))
        return made[-1]

    yield make
    for stand_in in made:
        stand_in.close()


def welcome(written_seq: int = 0) -> wire.Welcome:
    return wire.Welcome(wire.PROTOCOL, "9", written_seq, 2**40, "", "", "")


def test_a_daemon_of_another_version_is_told_of_once_and_the_rows_are_kept(
    make_stand_in: Callable[..., StandIn], make_producer: Callable[..., Producer], caplog: pytest.LogCaptureFixture
) -> None:
    stand_in = make_stand_in(lambda _: [wire.Reject("version", "install the same version", 0)])
    producer = make_producer(stand_in.endpoint)
    producer.send()
    assert not producer.flush(0.3)
    assert [type(message) for message in stand_in.heard] == [wire.Hello]
    assert [record.message for record in caplog.records] == [
        f"the daemon at {stand_in.endpoint} does not take our rows, they are kept: install the same version"
    ]
    assert producer.sink.status.undelivered_messages == 1


def test_a_welcome_of_another_version_is_refused(
    make_stand_in: Callable[..., StandIn], make_producer: Callable[..., Producer], caplog: pytest.LogCaptureFixture
) -> None:
    stand_in = make_stand_in(lambda message: [welcome()._replace(proto=99)] if type(message) is wire.Hello else [])
    producer = make_producer(stand_in.endpoint)
    producer.send()
    wait_until(lambda: caplog.records)
    assert "99" in caplog.records[0].message
    assert [type(message) for message in stand_in.heard] == [wire.Hello]


def test_what_is_refused_for_now_is_sent_again_with_its_number(
    make_stand_in: Callable[..., StandIn], make_producer: Callable[..., Producer], caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[int] = []
    refusals = [3]

    def answer(message: wire.Message) -> list[wire.Message]:
        if isinstance(message, wire.Hello):
            return [welcome()]
        if isinstance(message, wire.Append):
            if refusals[0] or message.seq != len(taken) + 1:
                refusals[0] = max(0, refusals[0] - 1)
                return [wire.Reject("not-now", "the disk is full", message.seq)]
            taken.append(message.seq)
        return [wire.Ack(len(taken), 0)]

    producer = make_producer(make_stand_in(answer).endpoint)
    for _ in range(5):
        producer.send()
        time.sleep(0.02)
    assert producer.flush()
    assert taken == list(range(1, len(taken) + 1))
    told = [record.message for record in caplog.records]
    assert told == [
        "the daemon takes no rows for now, they are kept: the disk is full",
        "the daemon takes rows again",
    ]


def test_a_producer_that_the_daemon_forgot_says_hello_once_and_sends_all_again(
    make_stand_in: Callable[..., StandIn], make_producer: Callable[..., Producer]
) -> None:
    state = {"known": False, "forget": True, "seq": 0}

    def answer(message: wire.Message) -> list[wire.Message]:
        if isinstance(message, wire.Hello):
            state["known"] = True
            return [welcome(state["seq"])]
        if isinstance(message, wire.Append) and message.seq == 2 and state["forget"]:
            state["known"] = state["forget"] = False
        if not state["known"]:
            return [wire.Reject("unknown-producer", "say hello", getattr(message, "seq", 0))]
        if isinstance(message, wire.Append):
            assert message.seq == state["seq"] + 1
            state["seq"] = message.seq
        return [wire.Ack(state["seq"], 0)]

    stand_in = make_stand_in(answer)
    producer = make_producer(stand_in.endpoint)
    for _ in range(20):
        producer.send()
        time.sleep(0.005)
    assert producer.flush()
    assert [type(message) for message in stand_in.heard].count(wire.Hello) == 2


def test_an_idle_producer_asks_whether_the_daemon_is_there(
    make_stand_in: Callable[..., StandIn], make_producer: Callable[..., Producer]
) -> None:
    answers = {"on": True}

    def answer(message: wire.Message) -> list[wire.Message]:
        if isinstance(message, wire.Hello):
            return [welcome()]
        return [wire.Ack(0, 0)] if answers["on"] else []

    stand_in = make_stand_in(answer)
    producer = make_producer(stand_in.endpoint)
    wait_until(lambda: wire.Ping in map(type, stand_in.heard))
    assert producer.sink.status.connected
    answers["on"] = False
    wait_until(lambda: not producer.sink.status.connected)
    pings = [type(message) for message in stand_in.heard].count(wire.Ping)
    time.sleep(2)
    assert [type(message) for message in stand_in.heard].count(wire.Ping) <= pings + 1  # one question at a time


def test_somebody_who_hangs_up_in_every_handshake_is_told_of(
    make_producer: Callable[..., Producer], caplog: pytest.LogCaptureFixture
) -> None:
    """A daemon that asks for a key does so, or says why: that depends on who is faster. So does what is no daemon."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        address = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        make_producer(address).send()
        wait_until(lambda: caplog.records)
        listening.shutdown(socket.SHUT_RDWR)
    told = [record.message for record in caplog.records]
    assert told[0].startswith(f"the daemon at {address} does not let us in, rows are kept: it asks for a key: run ")
