"""Questions of a page over its WebSocket that no page of ours would ask: each is answered, and nobody else suffers."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

import aiohttp
import pytest

from rerund.web.window import MAX_QUERY_BYTES
from tests.daemons import Daemon
from tests.homes import run_to_end
from tests.raw_producer import RawProducer, chunk

OPERATIONS = ("entities", "latest", "series", "text_rows", "step", "nothing", "__init__", None, 7)
ODD = (
    None,
    -1,
    0,
    1 << 70,
    1e308,
    float("inf"),
    float("nan"),
    "",
    "x" * 3000,
    "/a",
    "\0",
    [],
    [[]],
    ["/a"] * 3000,
    {},
    {"/a": 1},
    True,
    "9" * 40,
)
FIELDS = ("entities", "timeline", "at", "known", "components", "lines", "low", "high", "bins", "before", "before_row")
MORE_FIELDS = ("limit", "text", "levels", "forward", "id")
GOOD = {"id": 1, "op": "step", "timeline": "frame", "at": "0", "forward": True}


def head_of(answer: bytes) -> dict[str, Any]:
    (length,) = struct.unpack_from("<I", answer)
    head: dict[str, Any] = json.loads(answer[4 : 4 + length])
    return head


async def answer_to(socket: aiohttp.ClientWebSocketResponse, text: str) -> dict[str, Any]:
    """The head of the next answer that is no news."""
    await socket.send_str(text)
    while "id" not in (head := head_of(await socket.receive_bytes(timeout=20))):
        pass
    return head


def odd_questions(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    questions = []
    for _ in range(count):
        fields = chance.sample([*FIELDS, *MORE_FIELDS], chance.randrange(8))
        asked = {"id": 5, "op": chance.choice(OPERATIONS), **{name: chance.choice(ODD) for name in fields}}
        text = bytearray(json.dumps(asked).encode())
        if chance.random() < 0.3:
            text[chance.randrange(len(text))] = chance.randrange(32, 127)
        questions.append(text.decode())
    return [*questions, "", "null", "[]", "7", '"x"', "[" * 50_000, '{"id":1,"op":"latest"' + ',"a":[' * 5000, "\ud7ff"]


@pytest.fixture
def socket_url(daemon: Daemon) -> str:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0, 2.0], [1, 2]))
    return f"{daemon.info.http}/ws/view/app/run"


def test_every_question_is_answered_however_odd(daemon: Daemon, socket_url: str) -> None:
    async def ask_all() -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.ws_connect(socket_url, max_msg_size=0) as socket:
            for question in odd_questions(seed=1, count=400):
                head = await answer_to(socket, question)
                assert set(head) & {"error", "entities", "series", "rows", "time"}, (question[:200], head)
            await socket.send_bytes(b"\0\1\2")
            return await answer_to(socket, json.dumps(GOOD))

    assert run_to_end(ask_all()) == {"id": 1, "time": "1"}
    assert "Traceback" not in daemon.said()


def test_a_question_that_is_too_large_ends_its_connection_and_no_other(daemon: Daemon, socket_url: str) -> None:
    async def ask_both() -> tuple[int | None, dict[str, Any]]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(socket_url, max_msg_size=0) as large,
            session.ws_connect(socket_url, max_msg_size=0) as small,
        ):
            await large.send_str(json.dumps({**GOOD, "text": "x" * MAX_QUERY_BYTES}))
            while (message := await large.receive(timeout=20)).type is aiohttp.WSMsgType.BINARY:
                pass
            assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            return large.close_code, await answer_to(small, json.dumps(GOOD))

    code, head = run_to_end(ask_both())
    assert code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    assert head == {"id": 1, "time": "1"}
    assert "Traceback" not in daemon.said()


@pytest.mark.parametrize("path", ["/ws/status", "/ws/recordings/app/run?window=1000"])
def test_what_other_sockets_are_told_is_no_reason_to_fail(daemon: Daemon, socket_url: str, path: str) -> None:
    async def talk() -> None:
        url = daemon.info.http + path
        for said in (
            "",
            "x",
            "[]",
            '{"received": -5}',
            '{"received": "x"}',
            '{"received": 1e400}',
            '{"received": ' + "[" * 4000,
        ):
            async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
                await socket.receive(timeout=20)
                await socket.send_str(said)
                await socket.send_bytes(said.encode())
        async with aiohttp.ClientSession() as session, session.ws_connect(socket_url) as socket:
            assert (await answer_to(socket, json.dumps(GOOD)))["time"] == "1"

    run_to_end(talk())
    assert "Traceback" not in daemon.said()
