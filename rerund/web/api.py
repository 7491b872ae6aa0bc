"""What programs and our pages ask over HTTP: status, recordings, downloads, and the WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import quote
from weakref import WeakValueDictionary

from aiohttp import WSCloseCode, web

from rerund.cursor import Cursor
from rerund.edge import ViewerInfo
from rerund.errors import BadPosition, RecordingRemoved, UnknownRecording
from rerund.log import START, Position
from rerund.recording import Recording
from rerund.web.names import parse_recording_path
from rerund.web.source import Source
from rerund.web.stream import BATCH_BYTES, MAX_REQUEST_BYTES, close, stream
from rerund.web.window import MAX_QUERY_BYTES, Present, Reader, Window
from rerund_sdk import rrd

_STATUS_PERIOD_S: Final = 1.0
_QUERY_THREADS: Final = 2
_CLOSE_TIMEOUT_S: Final = 0.5  # that a page has to answer when the daemon stops; a frozen one never does


class Api:
    """The handlers of one edge."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._sockets: set[web.WebSocketResponse] = set()
        self._readers: WeakValueDictionary[Recording, Reader] = WeakValueDictionary()
        self._queries = ThreadPoolExecutor(_QUERY_THREADS, "web-query")

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/api/status", self._status)
        router.add_get("/api/recordings", self._recordings)
        router.add_get("/api/recordings/{recording:(?s:.+)}.rrd", self._download)
        router.add_get("/ws/status", self._watch_status)
        router.add_get("/ws/view/{recording:(?s:.+)}", self._view)
        router.add_get("/ws/recordings/{recording:(?s:.+)}", self._stream)

    async def stop(self) -> None:
        """Tell all pages that the daemon goes away."""
        closing = [socket.close(code=WSCloseCode.GOING_AWAY) for socket in self._sockets]
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*closing, return_exceptions=True), _CLOSE_TIMEOUT_S)
        self._queries.shutdown(wait=False, cancel_futures=True)

    async def _status(self, _request: web.Request) -> web.Response:
        return _json(await asyncio.to_thread(self._source.status))

    async def _recordings(self, _request: web.Request) -> web.Response:
        return _json(await asyncio.to_thread(self._source.recordings))

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """The recording as it is now, as one .rrd file."""
        try:
            recording = self._find(request, "/api/recordings/", ".rrd")
        except UnknownRecording as error:
            raise web.HTTPNotFound(text=f"{error}\n") from error
        await asyncio.to_thread(recording.open)
        cursor = recording.cursor()
        left = cursor.lag()
        name = quote(f"{recording.recording_id or 'recording'}.rrd", safe="", errors="replace")
        response = web.StreamResponse()
        response.content_type = "application/octet-stream"
        response.content_length = rrd.STREAM_HEADER_SIZE + left
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
        response.headers["Cache-Control"] = "no-store"
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        with self._as_viewer(request, recording, cursor):
            await response.write(rrd.STREAM_HEADER)
            while left:
                try:
                    messages = await cursor.read(min(BATCH_BYTES, left))
                except RecordingRemoved:
                    if request.transport is not None:
                        request.transport.abort()  # so that the file is not taken for whole
                    break
                await response.write(messages)
                left -= len(messages)
        return response

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """A recording's messages from a chosen place on; see stream.py."""
        start, limit = _start(request), _window(request)
        async with self._socket(request) as socket:
            try:
                recording = self._find(request, "/ws/recordings/", "")
            except UnknownRecording as error:
                await close(socket, str(error))
                return socket
            await asyncio.to_thread(recording.open)
            cursor = recording.cursor(recording.end if start is None else start)
            with self._as_viewer(request, recording, cursor):
                await stream(socket, cursor, limit)
        return socket

    async def _view(self, request: web.Request) -> web.StreamResponse:
        """What a page shows of a recording; see window.py."""
        async with self._socket(request, MAX_QUERY_BYTES) as socket:
            try:
                recording = self._find(request, "/ws/view/", "")
            except UnknownRecording as error:
                await close(socket, str(error))
                return socket
            reader = self._readers.get(recording)
            if reader is None:
                reader = self._readers[recording] = await asyncio.to_thread(Reader, recording)
            with self._as_viewer(request, recording, Present(recording)):
                await Window(socket, reader, self._queries).serve()
        return socket

    async def _watch_status(self, request: web.Request) -> web.StreamResponse:
        """The status whenever it has changed, at most once a second."""
        async with self._socket(request) as socket:
            ended = asyncio.create_task(socket.receive())  # a page has nothing to say here: it ends, or breaks the rule
            try:
                last = ""
                while not ended.done():
                    told = json.dumps(await asyncio.to_thread(self._source.status))
                    if told != last:
                        await socket.send_str(told)
                        last = told
                    await asyncio.wait((ended,), timeout=_STATUS_PERIOD_S)
            finally:
                ended.cancel()
        return socket

    @contextlib.asynccontextmanager
    async def _socket(
        self, request: web.Request, max_request_bytes: int = MAX_REQUEST_BYTES
    ) -> AsyncIterator[web.WebSocketResponse]:
        socket = web.WebSocketResponse(compress=False, max_msg_size=max_request_bytes)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            yield socket
        except ConnectionError:
            pass  # the page went away while it was written to
        finally:
            self._sockets.discard(socket)

    def _find(self, request: web.Request, prefix: str, suffix: str) -> Recording:
        """The recording that a path names. Raises UnknownRecording."""
        raw = request.rel_url.raw_path.removeprefix(prefix).removesuffix(suffix)
        try:
            application_id, recording_id = parse_recording_path(raw)
        except ValueError as error:
            raise UnknownRecording(str(error)) from error
        recording = self._source.store.get(application_id, recording_id)
        if recording is None:
            raise UnknownRecording(f"There is no recording {application_id}/{recording_id} here.")
        return recording

    @contextlib.contextmanager
    def _as_viewer(self, request: web.Request, recording: Recording, cursor: Cursor) -> Iterator[None]:
        """Be listed in the status for as long as this lasts."""
        viewer = ViewerInfo("web", request.remote or "", recording, cursor)
        self._source.viewers.append(viewer)
        try:
            yield
        finally:
            self._source.viewers.remove(viewer)
            cursor.close()


def _window(request: web.Request) -> int | None:
    text = request.query.get("window")
    if text is None:
        return None
    if not re.fullmatch("[1-9][0-9]{0,17}", text):
        raise web.HTTPBadRequest(text=f"window={text!r:.80} is not a number of bytes above 0.\n")
    return int(text)


def _start(request: web.Request) -> Position | None:
    """The place that `?from=` names; None: the end."""
    text = request.query.get("from", "start")
    try:
        return None if text == "end" else START if text == "start" else Position.parse(text)
    except BadPosition as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error


def _json(value: Any) -> web.Response:
    return web.json_response(value, headers={"Cache-Control": "no-store"})
