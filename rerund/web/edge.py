"""The HTTP server: one port for pages, API, WebSockets and gRPC-web."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from rerund import ports
from rerund.web import pages
from rerund.web.access import Access
from rerund.web.api import Api
from rerund.web.grpc_web import GrpcWeb
from rerund.web.source import Source

USUAL_PORT: Final = 9090
_MAX_BODY_BYTES: Final = 64 * 1024
_STOP_TIMEOUT_S: Final = 1.0  # for answers under way when the daemon stops


class WebEdge:
    """Serves the recordings of `source` to browsers. `port`: None, the usual one or the next free one."""

    def __init__(self, source: Source, port: int | None) -> None:
        self.endpoint = ""
        self._port = port
        self._api = Api(source)
        access = Access(ports.LOOPBACK)
        app = web.Application(middlewares=[access.check], client_max_size=_MAX_BODY_BYTES)
        app.on_response_prepare.append(access.add_headers)
        pages.add_routes(app.router)
        self._api.add_routes(app.router)
        GrpcWeb(source).add_routes(app.router)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,  # a caller that went away ends what was sent to it
            shutdown_timeout=_STOP_TIMEOUT_S,
        )

    async def start(self) -> None:
        """Raises ConfigError if the port that was asked for is taken."""
        listener = ports.listen(ports.LOOPBACK, self._port, USUAL_PORT, "--http-port")
        await self._runner.setup()
        await web.SockSite(self._runner, listener, backlog=ports.BACKLOG).start()
        self.endpoint = f"http://{ports.LOOPBACK}:{listener.getsockname()[1]}"

    async def stop(self) -> None:
        await self._api.stop()
        await self._runner.cleanup()
        self.endpoint = ""
