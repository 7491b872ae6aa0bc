"""The pages: what the build put into static/, with the policy that keeps them from loading or running anything else."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

STATIC = Path(__file__).parent / "static"

# What each page's document may do. The Rerun viewer is WebAssembly and styles its elements in place.
_POLICY = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self'{styles}; img-src 'self' blob: data:; "
    "font-src 'self'; connect-src 'self'; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_POLICIES = {
    "index.html": _POLICY.format(scripts="", styles=""),
    "recording.html": _POLICY.format(scripts="", styles=""),
    "rerun.html": _POLICY.format(scripts=" 'wasm-unsafe-eval'", styles=" 'unsafe-inline'"),
}
_NOT_BUILT = "The web pages are not built: `pip install .` in the source tree builds them.\n"


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/", _home)
    router.add_get("/recordings/{recording:(?s:.+)}", _recording)
    router.add_get("/rerun/{recording:(?s:.+)}", _rerun)
    router.add_get("/icon.svg", _icon)
    router.add_get("/assets/{name:[A-Za-z0-9_.-]+}", _asset)


async def _home(_request: web.Request) -> web.StreamResponse:
    return _page("index.html")


async def _recording(_request: web.Request) -> web.StreamResponse:
    return _page("recording.html")


async def _rerun(_request: web.Request) -> web.StreamResponse:
    return _page("rerun.html")


def _page(name: str) -> web.StreamResponse:
    path = STATIC / name
    if not path.is_file():
        return web.Response(status=503, text=_NOT_BUILT)
    headers = {"Content-Security-Policy": _POLICIES[name], "Cache-Control": "no-store"}
    return web.FileResponse(path, headers=headers)


async def _icon(_request: web.Request) -> web.StreamResponse:
    return web.FileResponse(STATIC / "icon.svg", headers={"Cache-Control": "max-age=86400"})


async def _asset(request: web.Request) -> web.StreamResponse:
    """Their names hold a hash of their content, so they are asked for once."""
    path = STATIC / "assets" / request.match_info["name"]
    if not path.is_file() and not path.with_name(path.name + ".gz").is_file():
        raise web.HTTPNotFound
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    if path.suffix == ".wasm":
        headers["Content-Type"] = "application/wasm"
    return web.FileResponse(path, headers=headers)
