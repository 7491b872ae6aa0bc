from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import pytest
import zmq

from rerund.embedded import EmbeddedDaemon
from rerund.recording import Recording
from rerund_sdk import rrd, wire
from tests.daemons import Daemon, free_port
from tests.raw_producer import Message, RawProducer, blob, chunk, frames_of, values_of

LIMIT = 1 << 20


def _content(daemon: Daemon, recording_id: str = "run") -> list[bytes]:
    """The messages of a recording's log, repeated ones left out, its store info too."""
    messages: list[bytes] = []
    for path in sorted(daemon.home.glob(f"recordings/app/{recording_id}/*.rrd")):
        messages += [message for message in frames_of(path.read_bytes()) if message not in messages]
    return [message for message in messages if rrd.frame_header(message, 0)[0] == rrd.Kind.ARROW]


def test_appends_are_acknowledged_in_order_and_synced(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        batch = [chunk("run", "/a", [float(n)], [n]) for n in range(20)]
        for message in batch:
            last = producer.append(message)
        producer.wait_written(last)
        assert _content(daemon) == [message.data for message in batch]
        assert producer.wait_synced(last).written_seq == last


def test_an_append_of_many_messages_in_any_frames_is_taken(daemon: Daemon) -> None:
    batch = [chunk("run", "/a", [float(n)], [n]) for n in range(3)]
    joined = b"".join(message.data for message in batch)
    entries = tuple(message.entry for message in batch)
    cut = len(batch[0].data) + 100  # behind the head of the second
    with RawProducer(daemon.ingest) as producer:
        producer.send(wire.Append(1, entries, (joined[:cut], joined[cut:])))
        producer.wait_written(1)
    assert b"".join(_content(daemon)) == joined


def test_what_is_sent_again_is_acknowledged_and_not_written_again(daemon: Daemon) -> None:
    first, second = (chunk("run", "/a", [float(n)], [n]) for n in range(2))
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(first)
        producer.append_and_wait(first, second)  # under a new number
        producer.append(first, seq=1)  # under the old number
        assert producer.receive(wire.Ack).written_seq == 2
    with RawProducer(daemon.ingest) as other:
        other.append_and_wait(second)
    assert _content(daemon) == [first.data, second.data]
    assert daemon.status()["counters"]["repeated"] == 2


def test_of_messages_in_shared_frames_only_the_unknown_ones_are_written(daemon: Daemon) -> None:
    batch = [chunk("run", "/a", [float(n)], [n]) for n in range(5)]
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(batch[1])
        producer.append_and_wait(batch[3])
        joined = b"".join(message.data for message in batch)
        cut = len(batch[0].data) + len(batch[1].data) + 50
        producer.send(wire.Append(3, tuple(message.entry for message in batch), (joined[:cut], joined[cut:])))
        producer.wait_written(3)
    assert _content(daemon) == [batch[n].data for n in (1, 3, 0, 2, 4)]


def test_after_a_gap_all_is_refused_until_the_missing_append_comes(daemon: Daemon) -> None:
    one, two, three = (chunk("run", "/a", [float(n)], [n]) for n in range(3))
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(one)
        producer.append(three, seq=3)
        reject = producer.receive(wire.Reject)
        assert (reject.code, reject.seq) == ("not-now", 2)
        producer.append(three, seq=3)  # said once is enough: `wait_written` takes no second reject
        producer.append(two, seq=2)
        producer.append(three, seq=3)
        producer.wait_written(3)
    assert _content(daemon) == [one.data, two.data, three.data]


def test_a_producer_that_was_not_met_is_asked_for_a_hello(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest, greet=False) as producer:
        producer.append(chunk("run", "/a", [1.0], [1]), seq=7)
        reject = producer.receive(wire.Reject)
        assert (reject.code, reject.seq) == ("unknown-producer", 7)
        producer.send(wire.Ping())
        assert producer.receive(wire.Reject).code == "unknown-producer"
        assert producer.greet().written_seq == 0
        producer.append(chunk("run", "/a", [1.0], [1]), seq=7)
        producer.wait_written(7)


def test_a_producer_that_reconnects_is_told_what_is_written(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
        producer.append_and_wait(chunk("run", "/a", [2.0], [2]))
    with RawProducer(daemon.ingest, producer_id=producer.producer_id) as again:
        assert again.welcome is not None
        assert again.welcome.written_seq == 2
        assert len(daemon.status()["producers"]) == 1


def test_what_is_synced_before_its_ack_left_is_said_to_be_synced(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon("--fsync=always")
    with RawProducer(daemon.ingest) as producer:
        for number in range(1, 20):
            producer.wait_synced(producer.append(chunk("run", "/a", [1.0], [number])))


def test_a_ping_is_answered_with_an_ack(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
        producer.wait_synced(1)
        producer.send(wire.Ping())
        assert producer.receive(wire.Ack)[:2] == (1, 1)


def test_the_store_info_of_many_producers_is_written_once(daemon: Daemon) -> None:
    for _ in range(4):
        with RawProducer(daemon.ingest) as producer:
            producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    daemon.restart()
    RawProducer(daemon.ingest).close()
    (path,) = daemon.segments()
    kinds = [rrd.frame_header(message, 0)[0] for message in frames_of(path.read_bytes())]
    assert kinds == [rrd.Kind.STORE_INFO] + [rrd.Kind.ARROW] * 4


def test_declared_losses_are_counted_and_the_producer_is_gone(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
        producer.wait_synced(1)
        producer.send(wire.Goodbye(1, (wire.Loss("no room", "/a", 12, 1, 2),)))
        assert producer.receive(wire.Ack).written_seq == 1
        status = daemon.status()
    assert status["counters"]["lost_rows"] == 12
    assert status["producers"] == []
    assert "lost 12 rows of recording app/run (entities: 1): no room" in daemon.said()


def test_recordings_are_kept_apart(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest, "one") as one, RawProducer(daemon.ingest, "two") as two:
        first, second = chunk("one", "/a", [1.0], [1]), chunk("two", "/a", [2.0], [1])
        one.append_and_wait(first)
        two.append_and_wait(second)
    assert _content(daemon, "one") == [first.data]
    assert _content(daemon, "two") == [second.data]


# What is sent wrong


def _raw(header: object, *frames: bytes) -> list[bytes]:
    return [msgpack.packb(header), *frames]


def _append_frames(message: Message, seq: int = 1, **changes: object) -> list[bytes]:
    entry = [*message.entry[:6], [list(each) for each in message.entry.ranges]]
    return _raw({"t": "append", "seq": seq, "entries": [entry], **changes}, message.data)


_GOOD = chunk("run", "/a", [1.0], [1])
BAD = {
    "no frame after the identity": [b""],
    "garbage": [os.urandom(100)],
    "a truncated map": [msgpack.packb({"t": "append", "seq": 1})[:-3]],
    "no map": _raw([1, 2, 3]),
    "an unknown type": _raw({"t": "sing"}),
    "a reply": _raw({"t": "ack", "written_seq": 1, "synced_seq": 1}),
    "no entries": _raw({"t": "append", "seq": 1, "entries": []}),
    "a body too short": [_append_frames(_GOOD)[0], _GOOD.data[:-1]],
    "a body too long": [_append_frames(_GOOD)[0], _GOOD.data + b"x"],
    "no body": _append_frames(_GOOD)[:1],
    "an .rrd header of another kind": [_append_frames(_GOOD)[0], b"\1" + _GOOD.data[1:]],
    "an .rrd length of 3 GB": [
        _append_frames(_GOOD)[0],
        _GOOD.data[:8] + (3 << 30).to_bytes(8, "little") + _GOOD.data[16:],
    ],
    "an entry of 3 GB": _append_frames(Message(_GOOD.entry._replace(size=3 << 30), _GOOD.data)),
    "an End message": _append_frames(Message(_GOOD.entry._replace(kind=0, size=16), bytes(16))),
    "a negative number": _append_frames(_GOOD, seq=-1),
    "a deep header": [b"\x91" * 3000],
    "a long header": [msgpack.packb({"t": "ping", "x": "x" * wire.MAX_HEADER_BYTES})],
}


@pytest.fixture(scope="module")
def shared_daemon() -> Iterator[Daemon]:
    from tests.daemons import fresh_folder

    made = Daemon(fresh_folder(), f"--max-message-bytes={LIMIT}").start()
    yield made
    made.end()


@pytest.mark.parametrize("what", BAD)
def test_what_is_sent_wrong_is_told_to_its_sender_and_harms_nobody(shared_daemon: Daemon, what: str) -> None:
    run = f"run {list(BAD).index(what)}"
    daemon = shared_daemon
    with RawProducer(daemon.ingest, run) as bad, RawProducer(daemon.ingest, run) as good:
        bad.socket.send_multipart(BAD[what])
        reject = bad.receive(wire.Reject)
        assert reject.code == "bad-message"
        assert 10 < len(reject.reason) < 500
        message = chunk(run, "/a", [1.0], [1])
        good.append_and_wait(message)
        bad.append(chunk(run, "/b", [1.0], [1]), seq=2)
        bad.wait_written(2)
    assert _content(daemon, run)[0] == message.data
    assert len(_content(daemon, run)) == 2


def test_a_hello_of_another_version_is_refused_in_a_sentence(shared_daemon: Daemon) -> None:
    with RawProducer(shared_daemon.ingest, greet=False) as producer:
        producer.send(producer.hello()._replace(proto=99))
        reject = producer.receive(wire.Reject)
    assert reject.code == "version"
    assert "99" in reject.reason and "install the same rerund version" in reject.reason


def test_a_hello_without_a_store_info_is_refused(shared_daemon: Daemon) -> None:
    with RawProducer(shared_daemon.ingest, greet=False) as producer:
        producer.send(producer.hello()._replace(store_info=b"x" * 100))
        assert producer.receive(wire.Reject).code == "bad-message"


def test_a_message_over_the_limit_is_refused_with_size_and_option(shared_daemon: Daemon) -> None:
    with RawProducer(shared_daemon.ingest, "large") as producer:
        producer.append(blob(LIMIT + 1))
        reject = producer.receive(wire.Reject)
        assert reject.code == "bad-message"
        assert str(LIMIT + 1) in reject.reason and "max_message_bytes" in reject.reason
        exact = blob(LIMIT)
        producer.append_and_wait(exact)
    assert _content(shared_daemon, "large") == [exact.data]


def test_a_frame_far_over_the_limit_costs_its_sender_the_connection_and_nobody_else_anything(
    shared_daemon: Daemon,
) -> None:
    daemon = shared_daemon
    with RawProducer(daemon.ingest, "other") as good, RawProducer(daemon.ingest, "huge") as bad:
        monitor = bad.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        bad.append(blob(LIMIT * 16))
        assert monitor.poll(20_000)
        bad.socket.disable_monitor()
        monitor.close(0)
        good.append_and_wait(chunk("other", "/a", [1.0], [1]))
    assert _content(daemon, "huge") == []


# Crashes


class Persistent:
    """Sends numbered chunks for ever and resends what is not acknowledged, through restarts of the daemon."""

    def __init__(self, endpoint: str, number: int) -> None:
        self.endpoint = endpoint
        self.entity = f"/producer{number}"
        self.sent: list[Message] = []
        self.written = 0
        self.progress = threading.Condition()
        self.ending = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def wait_for_written(self, count: int) -> None:
        with self.progress:
            assert self.progress.wait_for(lambda: self.written >= count, 30)

    def finish(self) -> None:
        self.ending = True
        self.thread.join(30)
        assert not self.thread.is_alive()

    def _run(self) -> None:
        producer = RawProducer(self.endpoint, greet=False)
        while not self._talk(producer):
            fresh = RawProducer(self.endpoint, greet=False, producer_id=producer.producer_id)
            producer.close()
            producer = fresh
        producer.close()

    def _talk(self, producer: RawProducer) -> bool:
        """Until the connection breaks, or everything is written at the end."""
        monitor = producer.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        producer.send(producer.hello())
        greeted = False
        try:
            while not monitor.poll(0):
                if self.ending and self.written == len(self.sent):
                    return True
                if greeted and not self.ending and len(self.sent) - self.written < 50:
                    number = len(self.sent)
                    self.sent.append(chunk("run", self.entity, [float(number)], [number]))
                    producer.append(self.sent[-1], seq=number + 1)
                    continue_at_once = 0
                else:
                    continue_at_once = 20
                while producer.socket.poll(continue_at_once):
                    answer = wire.decode(producer.socket.recv_multipart())
                    if isinstance(answer, wire.Welcome):
                        greeted = True
                        self._note(answer.written_seq)
                        for number in range(self.written, len(self.sent)):
                            producer.append(self.sent[number], seq=number + 1)
                    elif isinstance(answer, wire.Ack):
                        self._note(answer.written_seq)
                    continue_at_once = 0
            return False
        finally:
            producer.socket.disable_monitor()
            monitor.close(0)

    def _note(self, written: int) -> None:
        with self.progress:
            self.written = max(self.written, written)
            self.progress.notify_all()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["ipc", "tcp", "small segments"])
def test_every_chunk_is_in_the_log_exactly_once_and_in_order_though_the_daemon_is_killed_again_and_again(
    make_daemon: Callable[..., Daemon], how: str
) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    daemon = make_daemon(f"--listen={address}", f"--segment-bytes={'32KiB' if how == 'small segments' else '1GiB'}")
    producers = [Persistent(address if how == "tcp" else daemon.ingest, number) for number in range(3)]
    for kill in range(5):
        for producer in producers:
            producer.wait_for_written(producer.written + 40 + 17 * kill)
        daemon.kill()
        daemon.start()
    for producer in producers:
        producer.finish()
    everything = [message for path in daemon.segments() for message in frames_of(path.read_bytes())]
    found = [message for message in everything if rrd.frame_header(message, 0)[0] == rrd.Kind.ARROW]
    for producer in producers:
        sent = [message.data for message in producer.sent]
        assert [message for message in found if producer.entity.encode() in message] == sent
    assert len(found) == sum(len(producer.sent) for producer in producers)
    assert len(everything) - len(found) == len(daemon.segments())
    assert how != "small segments" or len(daemon.segments()) > 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_a_full_disk_stops_its_recording_alone_and_ends_with_the_shortage(
    make_daemon: Callable[..., Daemon], small_disk: Path
) -> None:
    daemon = make_daemon()
    (daemon.home / "recordings" / "app").mkdir(parents=True, exist_ok=True)
    (daemon.home / "recordings" / "app" / "full").symlink_to(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(500_000))
    with RawProducer(daemon.ingest, "full") as producer, RawProducer(daemon.ingest, "other") as other:
        sent = []
        while True:
            sent.append(blob(50_000))
            seq = producer.append(sent[-1])
            answer = wire.decode(producer.socket.recv_multipart())
            if isinstance(answer, wire.Reject):
                break
            assert len(sent) < 30
        assert (answer.code, answer.seq) == ("not-now", seq)
        assert "No space left" in answer.reason
        other.append_and_wait(chunk("other", "/a", [1.0], [1]))
        errors = {each["recording_id"]: each["error"] for each in daemon.status()["recordings"]}
        assert "No space left" in errors["full"] and not errors["other"]
        _, *before = frames_of((small_disk / "000001.rrd").read_bytes())
        assert before == [message.data for message in sent[:-1]]
        ballast.unlink()
        producer.append(sent[-1], seq=seq)
        while not (
            isinstance(answer := wire.decode(producer.socket.recv_multipart()), wire.Ack) and answer.written_seq == seq
        ):
            pass
        _, *after = frames_of((small_disk / "000001.rrd").read_bytes())
        assert after == [message.data for message in sent]
        assert not any(each["error"] for each in daemon.status()["recordings"])
    assert daemon.said().count("appending stopped") == daemon.said().count("appending again") == 1


def test_a_recording_that_takes_long_to_open_keeps_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    opens = threading.Event()
    prepare = Recording.prepare

    def prepare_slowly(recording: Recording) -> None:
        if recording.recording_id == "slow":
            assert opens.wait(30)
        prepare(recording)

    monkeypatch.setattr(Recording, "prepare", prepare_slowly)
    with (
        zmq.Context() as context,
        EmbeddedDaemon(context, http_port=0, grpc_port=0) as daemon,
        RawProducer(daemon.ingest, "slow", context=context, greet=False) as slow,
        RawProducer(daemon.ingest, "fast", context=context) as fast,
    ):
        slow.send(slow.hello())
        fast.append_and_wait(chunk("fast", "/a", [1.0], [1]))
        assert not slow.socket.poll(0)
        opens.set()
        assert slow.receive(wire.Welcome).written_seq == 0
        slow.append_and_wait(chunk("slow", "/a", [1.0], [1]))


def test_the_daemon_takes_data_over_tcp(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon("--listen=tcp://127.0.0.1:*")
    (endpoint,) = daemon.info.tcp
    with RawProducer(endpoint) as producer:
        producer.append_and_wait(chunk("run", "/a", [4.0], [1]))
    assert [values_of(message) for message in _content(daemon)] == [[4.0]]
