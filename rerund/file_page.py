"""Saved .rrd files in the Rerun web viewer: a short-lived server for the page that also shows recordings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from aiohttp import web

from rerund import ports
from rerund.log import START, Position
from rerund.web import pages
from rerund.web.access import Access
from rerund.web.names import recording_path
from rerund.web.stream import MAX_REQUEST_BYTES, stream
from rerund_sdk import rrd
from rerund_sdk.errors import BadRrd
from rerund_sdk.stream_reader import Ending, FileBytes, messages

_APPLICATION: Final = "file"  # as the page's title names it


class FileReader:
    """A place in files that are read one after the other, as a cursor is one in a recording."""

    def __init__(self, paths: Sequence[Path], start: Position) -> None:
        self.position = start  # its segment is the number of the file, from 1 on
        self._messages = _messages_after(paths, start)

    async def read(self, max_bytes: int, head: bytes) -> memoryview:
        """Whole messages behind `head`, about `max_bytes`; waits for ever at the end, since nothing comes any more."""
        batch, size = [head], 0
        for position, message in self._messages:
            self.position = position
            batch.append(message)
            size += len(message)
            if size >= max_bytes:
                break
        if not size:
            await asyncio.Event().wait()
        return memoryview(b"".join(batch))


def _messages_after(paths: Sequence[Path], start: Position) -> Iterator[tuple[Position, bytes]]:
    """Each message behind `start`, with the place behind it."""
    for number, path in enumerate(paths, 1):
        data = FileBytes(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        for place in messages(data):
            if isinstance(place, Ending):
                break
            behind = Position(number, place.start + place.size)
            if behind > start:
                yield behind, rrd.message_header(place.kind, place.size) + data.read(place.start, place.size)


def check(path: Path) -> None:
    """Raise BadRrd unless it is a file that can be shown."""
    try:
        with path.open("rb") as file:
            rrd.check_stream_header(file.read(rrd.STREAM_HEADER_SIZE))
    except OSError as error:
        raise BadRrd(f"cannot be read ({error.strerror}): {path}") from error
    except BadRrd as error:
        raise BadRrd(f"{error}: {path}") from error


class FilePage:
    """Serves the page, on a free port of loopback."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        access = Access(ports.LOOPBACK)
        app = web.Application(middlewares=[access.check])
        app.on_response_prepare.append(access.add_headers)
        pages.add_routes(app.router)
        app.router.add_get("/ws/recordings/{recording:.+}", self._stream)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        self.url = ""

    async def start(self) -> None:
        listener = ports.listen(ports.LOOPBACK, 0, 0, "--http-port")
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        names = ", ".join(path.name for path in self._paths)
        self.url = f"http://{ports.LOOPBACK}:{listener.getsockname()[1]}/rerun/{recording_path(_APPLICATION, names)}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        text = request.query.get("from", "start")
        start = START if text == "start" else Position.parse(text)
        socket = web.WebSocketResponse(max_msg_size=MAX_REQUEST_BYTES)
        await socket.prepare(request)
        await stream(socket, FileReader(self._paths, start), int(request.query.get("window", 0)) or None)
        return socket
