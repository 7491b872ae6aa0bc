from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from rerund_sdk import rrd, wire
from rerund_sdk.control import ControlClient
from rerund_sdk.errors import DaemonError
from tests.daemons import Daemon
from tests.raw_producer import RawProducer, chunk, frames_of, values_of


def test_status_says_all_about_the_daemon_and_who_uses_it(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer, daemon.client() as client:
        sent = [chunk("run", "/a", [1.0, 2.0], [1, 2]), chunk("run", "/b", [1.0], [3])]
        producer.append_and_wait(*sent)
        feed = client.subscribe("run")
        next(feed)
        status = daemon.status()
        feed.close()
    as_json = {**daemon.info._asdict(), "tcp": [], "remote_control": []}
    assert {name: status[name] for name in as_json} == as_json
    assert daemon.process is not None and status["pid"] == daemon.process.pid
    assert status["counters"]["messages"] == 2
    assert status["counters"]["rows"] == 3
    assert status["rates"].keys() == {"messages_per_sec", "rows_per_sec", "bytes_per_sec"}
    (one,) = status["producers"]
    assert (one["pid"], one["name"], one["messages"], one["rows"]) == (os.getpid(), "raw", 2, 3)
    (recording,) = status["recordings"]
    assert (recording["application_id"], recording["recording_id"]) == ("app", "run")
    assert (recording["messages"], recording["rows"], recording["entities"]) == (3, 3, 2)
    assert recording["live"] and recording["active_since_start"] and recording["producers"] == 1
    (viewer,) = status["viewers"]
    assert (viewer["kind"], viewer["recording"], viewer["lag_bytes"]) == ("subscriber", "app/run", 0)


def test_a_producer_that_said_goodbye_is_no_longer_counted(daemon: Daemon) -> None:
    producer = RawProducer(daemon.ingest)
    producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    producer.send(wire.Goodbye(1, ()))
    producer.wait_written(1)
    with daemon.client() as client:
        (recording,) = client.request("recordings")
    producer.close()
    assert recording["producers"] == 0 and not recording["live"]


def test_a_recording_is_found_by_id_name_or_unique_prefix(daemon: Daemon) -> None:
    for name in ("run-41", "run-42"):
        RawProducer(daemon.ingest, name).close()
    with daemon.client() as client:
        for text in ("run-41", "app/run-41", "app/run-41"[:10]):
            assert client.request("find", recording=text)["recording_id"] == "run-41"
        with pytest.raises(DaemonError, match="2 recordings go by 'run': name one of app/run-41, app/run-42"):
            client.request("find", recording="run")
        with pytest.raises(DaemonError, match="no recording goes by 'walk'"):
            client.request("find", recording="walk")
        with pytest.raises(DaemonError, match="the name of the recording is empty"):
            client.request("remove", recording="")
        with pytest.raises(DaemonError, match="names no recording"):
            client.request("find")


def test_entities_tell_rows_and_time_ranges(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer, daemon.client() as client:
        producer.append_and_wait(chunk("run", "/a", [1.0, 2.0], [5, 9]), chunk("run", "/s", [1.0], None))
        a, s = client.request("entities", recording="run")
    assert (a["entity_path"], a["rows"], a["static"]) == ("/a", 2, False)
    assert a["timelines"] == [{"timeline": "frame", "type": "sequence", "min": 5, "max": 9}]
    assert (s["entity_path"], s["static"], s["timelines"]) == ("/s", True, [])


def test_an_unknown_request_is_answered_with_what_there_is(daemon: Daemon) -> None:
    with daemon.client() as client:
        with pytest.raises(DaemonError, match=r"unknown request 'sing': this daemon knows .*status.*subscribe"):
            client.request("sing")
        assert client.request("status")["version"]


def odd_request(verb: str, args: Any) -> bytes:
    packed: bytes = msgpack.packb({"t": "request", "id": 1, "verb": verb, "args": args})
    return packed


@pytest.mark.parametrize(
    "frames",
    [
        *([b""], [b"garbage"], [msgpack.packb({"t": "ping"})], [b"\xc1" * 1000, b"x"]),
        *([odd_request("status", [])], [odd_request("find", {"recording": ["run"]})]),
        *([odd_request("find", {"subscription": []})], [odd_request("subscribe", {"subscription": {}, "from": {}})]),
    ],
)
def test_nonsense_is_answered_and_harms_nobody(daemon: Daemon, frames: list[bytes]) -> None:
    with zmq.Context.instance().socket(zmq.DEALER) as peer:
        peer.linger = 0
        peer.connect(daemon.control)
        peer.send_multipart(frames)
        assert peer.poll(20_000)
        reply = wire.decode(peer.recv_multipart())
    assert isinstance(reply, wire.Reply) and reply.error
    assert daemon.status()["pid"]


@pytest.mark.parametrize("verb", ["more", "unsubscribe"])
@pytest.mark.parametrize("subscription", [[], {}, "1", None, 10**12])
def test_a_subscription_that_cannot_be_is_passed_over(daemon: Daemon, verb: str, subscription: Any) -> None:
    with zmq.Context.instance().socket(zmq.DEALER) as peer:
        peer.linger = 0
        peer.connect(daemon.control)
        peer.send(odd_request(verb, {"subscription": subscription}))
        peer.send(odd_request("status", {}))
        assert peer.poll(20_000)
        assert not wire.decode(peer.recv_multipart()).error  # type: ignore[union-attr]


def test_no_daemon_is_a_timeout_and_not_a_hang(tmp_path: Path) -> None:
    with ControlClient(f"ipc://{tmp_path}/none.sock") as client, pytest.raises(TimeoutError, match=r"none\.sock"):
        client.request("status", timeout=0.1)


def test_a_request_ends_the_daemon(daemon: Daemon) -> None:
    with daemon.client() as client:
        client.request("stop")
    assert daemon.process is not None
    assert daemon.process.wait(30) == 0


def test_a_subscriber_gets_history_then_live_and_goes_on_where_it_was(daemon: Daemon) -> None:
    batch = [chunk("run", "/a", [float(n)], [n]) for n in range(6)]
    with RawProducer(daemon.ingest) as producer, daemon.client() as client:
        producer.append_and_wait(*batch[:2])
        feed = client.subscribe("run", timeout=20)
        history = next(feed)
        assert [values_of(message) for message in frames_of(history.data)[1:]] == [[0.0], [1.0]]
        producer.append_and_wait(batch[2])
        live = next(feed)
        assert live.data == batch[2].data
        feed.close()
        producer.append_and_wait(*batch[3:5])
        again = client.subscribe("run", from_=live.position, timeout=20)
        assert b"".join(frames_of(next(again).data)) == batch[3].data + batch[4].data
        again.close()
        end = client.subscribe("run", from_="end", timeout=20)
        late = threading.Timer(0.2, producer.append, batch[5:])
        late.start()
        assert next(end).data == batch[5].data
        end.close()
        late.join()


def test_a_subscription_that_does_not_follow_ends_at_the_end(daemon: Daemon) -> None:
    batch = [chunk("run", "/a", [float(n)] * 100, [n] * 100) for n in range(300)]
    with RawProducer(daemon.ingest) as producer, daemon.client() as client:
        producer.append_and_wait(*batch)
        data = b"".join(part.data for part in client.subscribe("run", follow=False, timeout=20))
    assert frames_of(data)[1:] == [message.data for message in batch]


@pytest.mark.parametrize(("place", "sentence"), [("1:13", "no message .* begins at 1:13"), ("x", "SEGMENT:OFFSET")])
def test_a_subscription_from_nowhere_is_refused(daemon: Daemon, place: str, sentence: str) -> None:
    RawProducer(daemon.ingest).close()
    with daemon.client() as client, pytest.raises(DaemonError, match=sentence):
        next(client.subscribe("run", from_=place, timeout=20))


def test_a_removed_recording_is_gone_for_readers_and_begins_anew_for_producers(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer, daemon.client() as client, daemon.client() as reader:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
        feed = reader.subscribe("run", timeout=20)
        next(feed)
        assert client.request("remove", recording="run") == {"removed": "app/run"}
        with pytest.raises(DaemonError, match="was removed"):
            next(feed)
        assert client.request("recordings") == []
        assert daemon.segments() == []
        producer.append(chunk("run", "/a", [2.0], [2]))
        while True:
            answer = wire.decode(producer.socket.recv_multipart())
            if isinstance(answer, wire.Reject):
                assert answer.code == "unknown-producer"
                break
        assert producer.greet().written_seq == 0
        producer.append_and_wait(chunk("run", "/a", [3.0], [3]))
    (segment,) = daemon.segments()
    kinds = [rrd.frame_header(message, 0)[0] for message in frames_of(segment.read_bytes())]
    assert kinds == [rrd.Kind.STORE_INFO, rrd.Kind.ARROW]
