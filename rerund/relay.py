"""A small gRPC server between the daemon and one native Rerun viewer, which would not reconnect by itself.

The viewer reads from here and never sees the daemon go. The relay reads the daemon over WebSockets, which tell the
position behind every batch: after a break it asks for what comes from there, so nothing is missing and nothing is shown
twice. A batch counts once the viewer's connection took it, so a frozen viewer costs one batch of memory a recording.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import grpc

from rerund.foreign import wrap_head
from rerund.grpc_edge import SERVICE
from rerund.log import START, Position
from rerund.ports import LOOPBACK
from rerund.web.names import recording_path
from rerund.web.stream import NOT_FOUND
from rerund_sdk import links, places, rrd
from rerund_sdk.errors import KeyFailure

log = logging.getLogger(__name__)

RETRY_SECS: Final = 0.2  # between attempts to find the daemon again
_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.http2.max_ping_strikes", 0),  # viewers ping after data, to measure the connection
    ("grpc.http2.min_ping_interval_without_data_ms", 1),
)


class Relay:
    """Shows one recording, or all that are active, to the viewers that connect to `url`."""

    def __init__(self, recording: tuple[str, str] | None) -> None:
        self._recording = recording  # (application id, recording id); None: all that programs log into
        self._server = grpc.aio.server(options=_OPTIONS)
        self.url = ""
        self.connected = asyncio.Event()  # a viewer reads

    async def start(self) -> None:
        """Serve on a free port of loopback."""
        handlers = {"ReadMessages": grpc.unary_stream_rpc_method_handler(self._read_messages)}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        port = self._server.add_insecure_port(f"{LOOPBACK}:0")
        await self._server.start()
        self.url = f"rerun+http://{LOOPBACK}:{port}/proxy"

    async def stop(self) -> None:
        await self._server.stop(grace=None)

    async def _read_messages(self, _request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        self.connected.set()
        async with aiohttp.ClientSession() as session, _Feeds(session, context) as feeds:
            if self._recording is not None:
                feeds.follow(self._recording)
                await asyncio.Event().wait()  # until the viewer goes, which cancels us
            await feeds.follow_active()


class _Feeds:
    """The recordings that one viewer is shown."""

    def __init__(self, session: aiohttp.ClientSession, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        self._session = session
        self._context = context
        self._turn = asyncio.Lock()  # messages of several recordings share one stream
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def __aenter__(self) -> _Feeds:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def follow(self, recording: tuple[str, str]) -> None:
        """Send all of `recording`, and what comes to it, unless that is done already."""
        if recording not in self._tasks:
            self._tasks[recording] = asyncio.create_task(self._follow(recording))

    async def follow_active(self) -> None:
        """Follow every recording that somebody logs into, now or later."""
        while True:
            await self._with_daemon("/ws/status", self._follow_listed)

    async def _follow_listed(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            for listed in json.loads(message.data)["recordings"]:
                if listed["active_since_start"]:
                    self.follow((listed["application_id"], listed["recording_id"]))

    async def _follow(self, recording: tuple[str, str]) -> None:
        position = START

        async def take(socket: aiohttp.ClientWebSocketResponse) -> None:
            nonlocal position
            batch = b""
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    batch = message.data
                else:
                    await self._send(batch)
                    position = Position.parse(json.loads(message.data)["position"])
            if socket.close_code == NOT_FOUND:  # removed, or cut back by a power cut: begin anew, ids tell the viewer
                position = START

        while True:
            await self._with_daemon(
                lambda: f"/ws/recordings/{recording_path(*recording)}?from={_place(position)}", take
            )

    async def _send(self, stream: bytes) -> None:
        view = memoryview(stream)
        async with self._turn:
            for frame in rrd.frames(view, rrd.STREAM_HEADER_SIZE):
                body = view[frame.body]
                await self._context.write(wrap_head(frame.kind, len(body)) + body)

    async def _with_daemon(self, path: str | Callable[[], str], use: Callable[[Any], Awaitable[None]]) -> None:
        """One connection to the daemon, wherever it is now; then a short rest."""
        info = places.read_daemon()
        if info is not None:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError, KeyFailure):
                url = info.http + (path if isinstance(path, str) else path())
                shown = links.headers(info)
                async with self._session.ws_connect(
                    url, max_msg_size=0, headers=shown, ssl=links.trust(info) or True
                ) as socket:
                    await use(socket)
        await asyncio.sleep(RETRY_SECS)


def _place(position: Position) -> str:
    return "start" if position == START else str(position)
