"""Who may ask for what: the checks that every request passes, and the headers that every answer gets.

A page of some other site runs in the user's own browser, so a loopback address alone keeps nobody out.
Rule 1: the Host must be a name of ours. A foreign name that resolves to our address is DNS rebinding.
Rule 2: a request that names its Origin must come from our own pages. The gRPC-web methods, which hold no secret that
the native viewer's port would not give, are also open to pages of this machine's own loopback addresses.
Rule 3: only GET and HEAD, but for what is listed as an action; who may only look may do no action.
Rule 4: where a gate is kept (tokens.py), nothing is answered without a token: `?token=` of a link, `Authorization:
Bearer`, or the cookie that the link left. A page is not shown under the link itself, so that the token stays in no
history and no bookmark, but under the address without it, whereto a page of our own leads: to what another site led to,
browsers would not send the cookie.
"""

from __future__ import annotations

import base64
import hashlib
import html
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from rerund.tokens import Access as Permission
from rerund.tokens import Gate
from rerund_sdk.places import is_loopback

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ACTION_PREFIX = "/api/actions/"
# Of a request: whether who asks may do everything. Newer versions of aiohttp want a key of their own kind
MAY_ACT: Any = web.RequestKey("may_act", bool) if hasattr(web, "RequestKey") else "may_act"
GRPC_WEB_PREFIX = "/rerun.sdk_comms.v1alpha1.MessageProxyService/"

_COMMON_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # of what is no page
}


_COOKIE_SECS: Final = 30 * 86400
# The part behind the # never reaches us, and is the page's layout.
_GO_ON: Final = (
    'const to = new URL(location.href); to.searchParams.delete("token"); '
    "location.replace(to.pathname + to.search + to.hash);"
)
_LANDING_POLICY: Final = (
    f"default-src 'none'; frame-ancestors 'none'; "
    f"script-src 'sha256-{base64.b64encode(hashlib.sha256(_GO_ON.encode()).digest()).decode()}'"
)


class Access:
    """The checks, for an edge that listens on `host`, under further `names`."""

    def __init__(
        self, host: str, names: Iterable[str] = (), gate: Gate | None = None, *, is_encrypted: bool = False
    ) -> None:
        self._gate = gate or Gate(None)
        self._is_encrypted = is_encrypted
        self._names = {"localhost", *(name.lower() for name in names)}
        self._everywhere = not is_loopback(host)
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
        if is_grpc_web and request.method == "OPTIONS":  # a browser asks what it may do, and never shows a token
            return None
        permission = self._permission(request)
        request[MAY_ACT] = permission is Permission.FULL
        if not permission.may_read:
            return _without_token(permission)
        is_action = request.method not in ("GET", "HEAD") and not is_grpc_web
        if is_action and permission is not Permission.FULL:
            return _refused(403, f"{request.method} is not allowed with a read-only token.")
        if is_action and not request.path.startswith(ACTION_PREFIX):
            return _refused(405, f"{request.method} is not allowed here: the API is read-only.")
        return None

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse, or answer with the headers that no answer goes without."""
        refusal = self.refusal(request)
        if refusal is not None:
            return refusal
        if request.query.get("token") and "text/html" in request.headers.get(hdrs.ACCEPT, ""):
            return self._landing(request)
        return await handler(request)

    def _permission(self, request: web.Request) -> Permission:
        scheme, _, bearer = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        shown = request.query.get("token") or (bearer.strip() if scheme.lower() == "bearer" else "")
        return self._gate.access(shown or request.cookies.get(_cookie(request)), request.remote or "")

    def _landing(self, request: web.Request) -> web.Response:
        """Leaves the token in a cookie and goes on to the address without it."""
        there = html.escape(str(request.rel_url.without_query_params("token")))
        text = f'<!doctype html><title>rerund</title><script>{_GO_ON}</script><p><a href="{there}">Go on</a>\n'
        headers = {"Content-Security-Policy": _LANDING_POLICY, "Cache-Control": "no-store"}
        response = web.Response(text=text, content_type="text/html", headers=headers)
        response.set_cookie(
            _cookie(request),
            request.query["token"],
            max_age=_COOKIE_SECS,
            path="/",
            secure=self._is_encrypted,
            httponly=True,
            samesite="Strict",
        )
        return response

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
    return is_loopback(name)


def _cookie(request: web.Request) -> str:
    """Cookies know no ports, and there may be several daemons on one machine."""
    address = request.get_extra_info("sockname") or ("", 0)
    return f"rerund_{address[1]}"


def _without_token(permission: Permission) -> web.Response:
    if permission is Permission.TOO_MANY:
        return _refused(429, "Too many wrong tokens came from this address: try again in a minute.")
    response = _refused(401, f"This daemon wants a token, and got {permission.value}: open a link of `rerund token`.")
    response.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="rerund"'
    return response


def _without_port(host: str) -> str:
    head, colon, port = host.rpartition(":")
    return head if colon and port.isdigit() else host


def _refused(status: int, sentence: str) -> web.Response:
    return web.Response(status=status, text=sentence + "\n")
