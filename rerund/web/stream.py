"""A recording over a WebSocket: history, then live, from any position, as fast as the page takes it.

Form: per batch, a binary frame (12-byte stream header, whole .rrd messages; about 1 MiB, more only if one message is
larger) and a text frame {"position": "SEGMENT:OFFSET"}, the place behind it, where `?from=` goes on after a break.
Flow: nothing is read from the log before the socket took what came before. With `?window=BYTES` the page also says
{"received": BYTES} of this connection, and is never sent more than a window beyond that; so a page that the browser
froze, or that draws slower than the robots log, costs no memory on either side.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from aiohttp import WSMsgType, web

from rerund.errors import BadPosition, RecordingRemoved
from rerund.log import Position
from rerund_sdk import rrd

BATCH_BYTES: Final = 1 << 20
MAX_REQUEST_BYTES: Final = 4096  # of one text frame from the page
NOT_FOUND: Final = 4404  # close code: the recording, or the position in it, is not there
MAX_REASON_BYTES: Final = 123  # of a close frame


class Reader(Protocol):
    """What is streamed: a cursor."""

    @property
    def position(self) -> Position: ...

    async def read(self, max_bytes: int, head: bytes) -> memoryview: ...


@dataclass
class Credit:
    """How much more a page may be sent."""

    window: int | None  # bytes; None: no limit but the socket's
    sent: int = 0
    received: int = 0
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, received: int) -> None:
        self.received = max(self.received, min(received, self.sent))
        self._grown.set()

    async def wait(self) -> None:
        """Until something may be sent."""
        while self.window is not None and self.sent - self.received >= self.window:
            self._grown.clear()
            await self._grown.wait()


async def stream(socket: web.WebSocketResponse, cursor: Reader, window: int | None) -> None:
    """Send what `cursor` reads until the page or the recording goes away."""
    credit = Credit(window)
    sender = asyncio.create_task(_send(socket, cursor, credit))
    receiver = asyncio.create_task(_receive(socket, credit))
    try:
        await asyncio.wait((sender, receiver), return_when=asyncio.FIRST_COMPLETED)
    finally:
        sender.cancel()
        receiver.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await sender
        with contextlib.suppress(asyncio.CancelledError):
            await receiver


async def _send(socket: web.WebSocketResponse, cursor: Reader, credit: Credit) -> None:
    try:
        while True:
            await credit.wait()
            messages = await cursor.read(BATCH_BYTES, rrd.STREAM_HEADER)
            await socket.send_bytes(cast("bytes", messages))  # it takes any buffer, though its type does not say so
            await socket.send_str(json.dumps({"position": str(cursor.position)}))
            credit.sent += len(messages)
    except (BadPosition, RecordingRemoved) as error:
        await close(socket, str(error))


async def _receive(socket: web.WebSocketResponse, credit: Credit) -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            with contextlib.suppress(ValueError, TypeError, KeyError, OverflowError, RecursionError):
                credit.add(int(json.loads(message.data)["received"]))


async def close(socket: web.WebSocketResponse, reason: str) -> None:
    """End a connection whose recording, or position, is not there."""
    text = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
    await socket.close(code=NOT_FOUND, message=text.encode())
