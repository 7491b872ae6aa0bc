"""gRPC-web on the HTTP port, so that any Rerun web viewer can connect to rerun+http://HOST:PORT/proxy.

Form of an answer: frames of flag (1 byte), length (u32 big-endian), data. Flag 0: a message; flag 0x80 ends the stream
with its status. ReadMessages never ends by itself.
"""

from __future__ import annotations

import struct
from typing import Final

from aiohttp import hdrs, web

from rerund.grpc_feed import Feed
from rerund.web.access import GRPC_WEB_PREFIX
from rerund.web.source import Source

_CONTENT_TYPE: Final = "application/grpc-web+proto"
_CONTENT_TYPES: Final = (_CONTENT_TYPE, "application/grpc-web")
_UNIMPLEMENTED: Final = b"grpc-status:12\r\n"
_frame_head = struct.Struct(">BI").pack


class GrpcWeb:
    """ReadMessages, for viewers in a browser."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post(GRPC_WEB_PREFIX + "ReadMessages", self._read_messages)
        router.add_post(GRPC_WEB_PREFIX + "{method}", self._unknown)
        router.add_options(GRPC_WEB_PREFIX + "{method}", self._preflight)

    async def _read_messages(self, request: web.Request) -> web.StreamResponse:
        if request.content_type not in _CONTENT_TYPES:
            raise web.HTTPUnsupportedMediaType(text=f"This is a gRPC-web method: ask with {_CONTENT_TYPE}.\n")
        response = web.StreamResponse(headers=_cors(request))
        response.content_type = _CONTENT_TYPE
        await response.prepare(request)

        async def write(message: bytes) -> None:
            await response.write(b"".join((_frame_head(0, len(message)), message)))

        source = self._source
        await Feed(source.store, source.viewers, request.remote or "", write).run(source.config.grpc_replay)
        return response

    async def _unknown(self, request: web.Request) -> web.Response:
        body = _frame_head(0x80, len(_UNIMPLEMENTED)) + _UNIMPLEMENTED
        return web.Response(body=body, content_type=_CONTENT_TYPE, headers=_cors(request))

    async def _preflight(self, request: web.Request) -> web.Response:
        """Answers a browser that asks whether a page of another origin may call; access.py refused the others."""
        headers = {
            **_cors(request),
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: "POST",
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, ""),
            hdrs.ACCESS_CONTROL_MAX_AGE: "600",
        }
        return web.Response(headers=headers)


def _cors(request: web.Request) -> dict[str, str]:
    origin = request.headers.get(hdrs.ORIGIN)
    return {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin, hdrs.VARY: hdrs.ORIGIN} if origin else {}
