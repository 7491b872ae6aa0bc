"""What a page may make the daemon do: delete and pin recordings, write them to files, stop doing so.

Form: POST /api/actions/NAME with a JSON object; `X-Rerund-Action: 1` beside it, which no page of another site can send.
GET /api/actions says whether who asks may act at all.
Rule 1: where no token is wanted, only programs of the daemon's own user may act: every user of a machine can reach its
loopback addresses, and what a recording cost to make is not theirs to delete.
Rule 2: a page names a new file, and no directory: it is written to that of --save-dir.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeAlias

from aiohttp import web

from rerund.errors import SaveError
from rerund.recording import Recording
from rerund.web.access import ACTION_PREFIX, MAY_ACT
from rerund.web.source import Source
from rerund_sdk.errors import RerundError

ACTION_HEADER: Final = "X-Rerund-Action"
_FILE_NAME: Final = re.compile(r"[\w+=@,-][\w+=@,. -]{0,150}\.rrd")
_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")

Action: TypeAlias = Callable[[dict[str, Any]], Coroutine[Any, Any, Any]]


class Actions:
    """The handlers. `wants_token`: who comes here has shown one."""

    def __init__(self, source: Source, *, wants_token: bool) -> None:
        self._source = source
        self._wants_token = wants_token
        self._actions: dict[str, Action] = {
            "remove": self._remove,
            "pin": self._pin,
            "follow": self._follow,
            "unsave": self._unsave,
        }

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get(ACTION_PREFIX.rstrip("/"), self._tell)
        router.add_post(ACTION_PREFIX + "{name}", self._act)

    async def _tell(self, request: web.Request) -> web.Response:
        """May this page act, and where would its files go?"""
        may_act = self._may_act(request)
        save_dir = str(self._source.config.saved) if may_act else ""
        return web.json_response({"may_act": may_act, "save_dir": save_dir}, headers={"Cache-Control": "no-store"})

    def _may_act(self, request: web.Request) -> bool:
        return bool(request[MAY_ACT]) and (self._wants_token or is_own_user(request.transport))

    async def _act(self, request: web.Request) -> web.Response:
        action = self._actions.get(request.match_info["name"])
        if action is None:
            raise web.HTTPNotFound(text=f"There is no such action; there are {', '.join(sorted(self._actions))}.\n")
        if ACTION_HEADER not in request.headers:
            raise web.HTTPForbidden(text=f"An action wants the header {ACTION_HEADER}: 1.\n")
        if not self._may_act(request):
            raise web.HTTPForbidden(text="Only programs of the user who runs the daemon may do this.\n")
        try:
            args = await request.json()
            if not isinstance(args, dict):
                raise ValueError("no JSON object")
            return web.json_response(await action(args))
        except RerundError as error:
            raise web.HTTPConflict(text=f"{error}\n") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise web.HTTPBadRequest(
                text=f"The action cannot be understood: {type(error).__name__} {error}\n"
            ) from error

    async def _remove(self, args: dict[str, Any]) -> Any:
        recording = self._recording(args)
        await self._source.remove(recording)
        return {"removed": recording.name}

    async def _pin(self, args: dict[str, Any]) -> Any:
        name = self._recording(args).name
        return await self._source.control.verbs["pin"]({"recording": name, "pinned": args["pinned"] is True})

    async def _follow(self, args: dict[str, Any]) -> Any:
        name, recording = str(args["file"]), self._recording(args)
        if not _FILE_NAME.fullmatch(name):
            raise SaveError(f"{name!r:.200} is no name for a file here: letters, digits and -_.+=@, then .rrd")
        path = self._source.config.saved / name
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SaveError(f"the directory cannot be made ({error.strerror}): {path.parent}") from error
        if os.path.lexists(path):
            raise SaveError(f"there is such a file already: choose another name: {path}")
        return await self._source.control.verbs["save"](
            {"path": str(path), "recording": recording.name, "follow": True}
        )

    def _recording(self, args: dict[str, Any]) -> Recording:
        application_id, recording_id = str(args["application_id"]), str(args["recording_id"])
        recording = self._source.store.get(application_id, recording_id)
        if recording is None:
            raise ValueError(f"there is no recording {application_id}/{recording_id}")
        return recording

    async def _unsave(self, args: dict[str, Any]) -> Any:
        return await self._source.control.verbs["unsave"]({"path": str(args["path"])})


def is_own_user(transport: Any) -> bool:
    """Whether a connection comes from a program of this machine that runs as our user, or as root."""
    here, peer = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    if not here or not peer:
        return False
    uid = _uid_of(_table_address(*peer[:2]), _table_address(*here[:2]))
    return uid is not None and uid in (0, os.getuid())


def _uid_of(local: str, remote: str) -> int | None:
    """Who owns the socket from `local` to `remote`, both as the system's tables write them."""
    for table in _TABLES:
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[1] == local and fields[2] == remote:
                return int(fields[7])
    return None


def _table_address(host: str, port: int) -> str:
    """As in /proc/net/tcp: each 4 bytes of the address as a number of the machine's own byte order."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    packed = socket.inet_pton(family, host.partition("%")[0])
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
