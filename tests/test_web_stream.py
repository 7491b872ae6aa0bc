from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from rerund.web.names import recording_path
from rerund_sdk import rrd
from tests.daemons import Daemon
from tests.homes import run_to_end
from tests.raw_producer import Message, RawProducer, blob, chunk, frames_of

PATH = recording_path("app", "run")


def numbered(count: int, first: int = 0) -> list[Message]:
    return [chunk("run", "/a", [float(n)], [n]) for n in range(first, first + count)]


@contextlib.asynccontextmanager
async def connected(url: str, **params: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session, session.ws_connect(url, params=params, max_msg_size=0) as socket:
        yield socket


async def received(url: str, count: int, **params: Any) -> tuple[list[bytes], str]:
    """The first `count` messages of a stream, and the position behind them."""
    messages: list[bytes] = []
    async with connected(url, **params) as socket:
        while len(messages) < count:
            batch = await socket.receive_bytes(timeout=20)
            assert batch.startswith(rrd.STREAM_HEADER)
            messages += frames_of(batch)
            position = json.loads(await socket.receive_str(timeout=20))["position"]
    return messages, position


def stream(daemon: Daemon, count: int, **params: Any) -> tuple[list[bytes], str]:
    return run_to_end(received(f"{daemon.info.http}/ws/recordings/{PATH}", count, **params))


def logged(daemon: Daemon) -> list[bytes]:
    (segment,) = daemon.segments()
    return frames_of(segment.read_bytes())


def test_a_stream_is_the_log_message_for_message_while_it_grows(daemon: Daemon) -> None:
    async def grow(producer: RawProducer) -> None:
        for first in range(100, 400, 3):
            producer.append(*numbered(3, first))
            await asyncio.sleep(0.002)

    async def both(producer: RawProducer) -> list[bytes]:
        url = f"{daemon.info.http}/ws/recordings/{PATH}"
        (messages, _), _ = await asyncio.gather(received(url, 401), grow(producer))
        return messages

    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*numbered(100))
        messages = run_to_end(both(producer))
        producer.wait_written(producer.seq)
    assert messages == logged(daemon)


def test_a_stream_goes_on_at_its_position_after_the_daemon_was_killed(make_daemon: Any) -> None:
    daemon = make_daemon()
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*numbered(50))
        before, position = stream(daemon, 51)
    daemon.kill()
    daemon.start()
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*numbered(50, 50))
    after, _ = stream(daemon, 50, **{"from": position})
    assert before + after == logged(daemon)


def test_a_stream_from_the_end_begins_with_what_comes_next(daemon: Daemon) -> None:
    async def follow(producer: RawProducer) -> list[bytes]:
        url = f"{daemon.info.http}/ws/recordings/{PATH}"
        following = asyncio.create_task(received(url, 1, **{"from": "end"}))
        while not daemon_viewers(daemon):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(producer.append_and_wait, *numbered(1, 10))
        return (await following)[0]

    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*numbered(10))
        assert run_to_end(follow(producer)) == logged(daemon)[-1:]


def daemon_viewers(daemon: Daemon) -> Any:
    return daemon.status()["viewers"]


def test_a_message_larger_than_a_batch_comes_alone_and_whole(daemon: Daemon) -> None:
    large = chunk("run", "/a", [1.0], [1], padding=5 << 20)
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*numbered(1), large, *numbered(1, 2))
    messages, _ = stream(daemon, 4)
    assert messages[2] == large.data


def test_a_page_that_acknowledges_nothing_gets_one_window_and_no_more(daemon: Daemon) -> None:
    window = 3 << 20

    async def look() -> tuple[int, list[bytes]]:
        url = f"{daemon.info.http}/ws/recordings/{PATH}"
        got, late = 0, []
        async with connected(url, window=window) as socket:
            while got < window:
                message = await socket.receive(timeout=20)
                got += len(message.data) if message.type is aiohttp.WSMsgType.BINARY else 0
            await socket.receive_str()
            with pytest.raises(asyncio.TimeoutError):
                await socket.receive(timeout=0.5)
            await socket.send_str(json.dumps({"received": got}))
            late.append(await socket.receive_bytes(timeout=20))
        return got, late

    with RawProducer(daemon.ingest) as producer:
        for _ in range(16):
            producer.append(blob(1 << 19))
        producer.wait_written(producer.seq)
    got, late = run_to_end(look())
    assert window <= got <= window + (1 << 20)
    assert late


def test_a_recording_or_position_that_is_not_there_is_named_in_the_closing(daemon: Daemon) -> None:
    async def closing(path: str, **params: Any) -> tuple[int | None, str]:
        async with connected(f"{daemon.info.http}/ws/recordings/{path}", **params) as socket:
            message = await socket.receive(timeout=20)
            return socket.close_code, str(message.extra)

    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*numbered(2))
    assert run_to_end(closing("app/gone")) == (4404, "There is no recording app/gone here.")
    code, reason = run_to_end(closing(PATH, **{"from": "1:13"}))
    assert (code, "1:13" in reason) == (4404, True)


def test_a_page_that_leaves_is_no_viewer_any_more(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*numbered(2))
    stream(daemon, 3)
    for _ in range(200):
        if not daemon_viewers(daemon):
            return
    raise AssertionError("it is still listed")
