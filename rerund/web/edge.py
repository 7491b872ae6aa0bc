"""The HTTP server: one port for pages, API, WebSockets and gRPC-web."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from rerund import ports
from rerund.limits import Limits
from rerund.tls import Certificate
from rerund.tokens import Gate
from rerund.web import pages
from rerund.web.access import Access
from rerund.web.actions import Actions
from rerund.web.api import Api
from rerund.web.grpc_web import GrpcWeb
from rerund.web.refusal import Refusal
from rerund.web.source import Source

USUAL_PORT: Final = 9090
_MAX_BODY_BYTES: Final = 64 * 1024
_ACCEPTED_AT_ONCE: Final = 4  # each holds a file descriptor before limits are looked at
_STOP_TIMEOUT_S: Final = 1.0  # for answers under way when the daemon stops


def _is_no_bad_request(record: logging.LogRecord) -> bool:
    """What is no HTTP is its sender's fault: it is answered so, and not worth a traceback each time."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


logging.getLogger("aiohttp.server").addFilter(_is_no_bad_request)


class WebEdge:
    """Serves the recordings of `source` to browsers."""

    def __init__(self, source: Source, gate: Gate, limits: Limits, certificate: Certificate | None) -> None:
        """certificate: None: without TLS."""
        self.endpoint = ""
        self._host = source.config.http_host
        self._port = source.config.http_port
        self._limits = limits
        self.gate = gate
        self._tls = certificate.for_http() if certificate is not None else None
        self._listening: asyncio.Server | None = None
        self._api = Api(source)
        access = Access(self._host, source.config.http_names, gate, is_encrypted=self._tls is not None)
        app = web.Application(middlewares=[access.check], client_max_size=_MAX_BODY_BYTES)
        app.on_response_prepare.append(access.add_headers)
        pages.add_routes(app.router)
        self._api.add_routes(app.router)
        GrpcWeb(source).add_routes(app.router)
        Actions(source, wants_token=gate.path is not None).add_routes(app.router)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,  # a caller that went away ends what was sent to it
            shutdown_timeout=_STOP_TIMEOUT_S,
        )

    async def start(self) -> None:
        """Raises ConfigError if the port that was asked for is taken."""
        self.gate.open()
        listener = ports.listen(self._host, self._port, USUAL_PORT, "--http-port")
        await self._runner.setup()
        self._listening = await asyncio.get_running_loop().create_server(
            self._protocol, sock=listener, backlog=_ACCEPTED_AT_ONCE, ssl=self._tls
        )
        listener.listen(ports.BACKLOG)  # the kernel keeps more waiting than asyncio accepts before it looks at limits
        scheme = "http" if self._tls is None else "https"
        self.endpoint = f"{scheme}://{ports.local_address(self._host, listener.getsockname()[1])}"

    def _protocol(self) -> asyncio.Protocol:
        """For one connection that was just made."""
        server = self._runner.server
        assert server is not None
        refusal = self._limits.refusal("HTTP connections", len(server.connections))
        return Refusal(refusal, at_once=self._limits.is_short_of_files()) if refusal else server()

    async def stop(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        await self._api.stop()
        await self._runner.cleanup()
        self.endpoint = ""
