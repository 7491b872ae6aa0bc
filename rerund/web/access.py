"""Who may ask for what: the checks that every request passes, and the headers that every answer gets.

A page of some other site runs in the user's own browser, so a loopback address alone keeps nobody out.
Rule 1: the Host must be a name of ours. A foreign name that resolves to our address is DNS rebinding.
Rule 2: a request that names its Origin must come from our own pages. The gRPC-web methods, which hold no secret that
the native viewer's port would not give, are also open to pages of this machine's own loopback addresses.
Rule 3: only GET and HEAD, but for what is listed as an action.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import hdrs, web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

GRPC_WEB_PREFIX = "/rerun.sdk_comms.v1alpha1.MessageProxyService/"

_COMMON_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # of what is no page
}


class Access:
    """The checks, for an edge that listens on `host`."""

    def __init__(self, host: str) -> None:
        self._names = {"localhost"}
        self._everywhere = not _is_loopback(host)
        if self._everywhere:
            hostname = socket.gethostname().lower()
            self._names |= {hostname, f"{hostname}.local", socket.getfqdn().lower()}

    def is_ours(self, host: str) -> bool:
        """Whether the name in a Host header, port left out, is one of this machine's."""
        name = host.lower().rstrip(".").removeprefix("[").removesuffix("]")
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._everywhere or address.is_loopback  # rebinding needs a name: an address is what was typed

    def refusal(self, request: web.Request) -> web.Response | None:
        """Why a request is not answered, or None."""
        host = request.headers.get(hdrs.HOST, "")
        if not self.is_ours(_without_port(host)):
            return _refused(421, f"Host {host!r:.200} is not a name of this daemon: use localhost or its address.")
        is_grpc_web = request.path.startswith(GRPC_WEB_PREFIX)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and not same_origin(origin, host) and not (is_grpc_web and is_loopback_origin(origin)):
            return _refused(403, f"Origin {origin!r:.200} may not use this daemon: open its own pages instead.")
        if request.method not in ("GET", "HEAD") and not is_grpc_web:
            return _refused(405, f"{request.method} is not allowed here: the API is read-only.")
        return None

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse, or answer with the headers that no answer goes without."""
        return self.refusal(request) or await handler(request)

    async def add_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        """On every answer, just before it is sent."""
        for name, value in _COMMON_HEADERS.items():
            response.headers.setdefault(name, value)


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names the page that a Host header belongs to."""
    return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def is_loopback_origin(origin: str) -> bool:
    """Whether an Origin header names a page of this machine's own loopback addresses, of whatever port."""
    try:
        name = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _without_port(host: str) -> str:
    head, colon, port = host.rpartition(":")
    return head if colon and port.isdigit() else host


def _refused(status: int, sentence: str) -> web.Response:
    return web.Response(status=status, text=sentence + "\n")
