"""Reading a recording live in Python."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

import rerund_sdk as rr
from rerund_sdk.errors import DaemonError
from rerund_sdk.rrd import Kind
from rerund_sdk.subscription import Message
from tests.homes import Home, program


@pytest.fixture
def recording(home: Home) -> Iterator[rr.RecordingStream]:  # noqa: ARG001 - directories to connect in
    made = rr.RecordingStream("app", recording_id="run-1", send_properties=False)
    rr.connect(recording=made)
    yield made
    made.disconnect()


def log(recording: rr.RecordingStream, path: str, *values: float) -> None:
    for value in values:
        recording.log(path, rr.Scalars(value))


def scalars(message: Message) -> list[float]:
    assert message.chunk is not None
    return list(message.chunk.column("Scalars:scalars").flatten().to_pylist())


def take(messages: Iterator[Message], count: int) -> list[tuple[str, float]]:
    """The next `count` scalars."""
    taken: list[tuple[str, float]] = []
    while len(taken) < count:
        message = next(messages)
        if message.entity_path is not None:
            taken += [(message.entity_path, value) for value in scalars(message)]
    return taken


def test_a_subscriber_gets_history_and_then_what_comes(home: Home, recording: rr.RecordingStream) -> None:
    home.daemon()
    log(recording, "/a", 1, 2, 3)
    messages = rr.subscribe(recording)
    assert take(messages, 3) == [("/a", 1), ("/a", 2), ("/a", 3)]
    log(recording, "/b", 4)
    assert take(messages, 1) == [("/b", 4)]


def test_messages_say_what_they_are(home: Home, recording: rr.RecordingStream) -> None:
    home.daemon()
    log(recording, "/a", 1)
    messages = rr.subscribe(recording)
    store_info, chunk = next(messages), next(messages)
    assert (store_info.kind, store_info.entity_path, store_info.chunk) == (Kind.STORE_INFO, None, None)
    assert (chunk.kind, chunk.entity_path) == (Kind.ARROW, "/a")
    assert chunk.chunk is not None and chunk.chunk.num_rows == 1
    assert bytes(store_info.data) + bytes(chunk.data) == b"".join(home.messages("run-1"))
    assert "/a" in repr(chunk)


def test_a_subscription_goes_on_behind_any_message(home: Home, recording: rr.RecordingStream) -> None:
    home.daemon("--segment-bytes=8KiB")
    for value in range(40):
        log(recording, "/a", value)
        assert recording.flush(timeout_sec=30)
    messages = rr.subscribe(recording)
    seen: list[tuple[str, float]] = []
    while len(seen) < 40:
        message = next(messages)
        if message.entity_path is not None:
            seen += [(message.entity_path, value) for value in scalars(message)]
            again = rr.subscribe(recording, from_=message.position)
            if len(seen) < 40:
                assert take(again, 40 - len(seen)) == [("/a", value) for value in range(len(seen), 40)]
    assert seen == [("/a", value) for value in range(40)]


def test_from_the_end_only_what_comes(home: Home, recording: rr.RecordingStream) -> None:
    home.daemon()
    log(recording, "/old", 1)
    messages = rr.subscribe(recording, from_="end")
    log(recording, "/new", 2)
    assert recording.flush(timeout_sec=30)
    assert take(messages, 1) == [("/new", 2)]


def test_a_subscriber_goes_on_when_the_daemon_is_killed_and_started_again(
    home: Home, recording: rr.RecordingStream
) -> None:
    daemon = home.daemon()
    log(recording, "/a", 0)
    messages = rr.subscribe(recording)
    seen = take(messages, 1)
    for round_ in range(1, 4):
        daemon.kill()
        log(recording, "/a", round_ * 2 - 1)
        daemon.start()
        log(recording, "/a", round_ * 2)
        seen += take(messages, 2)
    assert seen == [("/a", value) for value in range(7)]


def test_a_silent_recording_is_waited_for(home: Home, recording: rr.RecordingStream) -> None:
    home.daemon()
    log(recording, "/a", 0)
    messages = rr.subscribe(recording)
    take(messages, 1)
    timer = threading.Timer(5, log, (recording, "/a", 1))  # longer than a subscription's patience
    timer.start()
    assert take(messages, 1) == [("/a", 1)]
    timer.join()


def test_any_process_can_subscribe_by_name(home: Home, recording: rr.RecordingStream) -> None:
    home.daemon()
    log(recording, "/a", 1, 2, 3)
    assert recording.flush(timeout_sec=30)
    done = program(
        "import rerund_sdk as rr\n"
        "for message in rr.subscribe('run-1'):\n"
        "    if message.entity_path: print(message.chunk.num_rows); break\n",
        env=dict(os.environ),
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_an_unknown_recording_is_refused_at_once(home: Home) -> None:
    home.daemon()
    with pytest.raises(DaemonError, match="nobody"):
        rr.subscribe("nobody")


def test_a_removed_recording_ends_its_subscription(home: Home, recording: rr.RecordingStream) -> None:
    from rerund_sdk.control import ControlClient

    home.daemon()
    log(recording, "/a", 1)
    messages = rr.subscribe(recording)
    take(messages, 1)
    with ControlClient() as client:
        client.request("remove", recording="run-1")
    with pytest.raises(DaemonError):
        next(messages)
