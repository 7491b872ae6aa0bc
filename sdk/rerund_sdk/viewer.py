"""Open a viewer for people who watch a recording, once for however many processes ask.

The native Rerun viewer if it is installed and there is a display; else the daemon's page in the browser; else its URL
is told. A viewer that is connected already, or was opened a moment ago, is enough.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from rerund_sdk import links, places
from rerund_sdk.control import ControlClient
from rerund_sdk.errors import ModeError
from rerund_sdk.launch import turn
from rerund_sdk.sinks import Store

_OPENING_SECS: Final = 20.0  # in which a viewer that was opened connects
_ANSWER_SECS: Final = 5.0


class Program(NamedTuple):
    """The native viewer as a program asks for it."""

    name: str = "rerun"
    path: str | None = None
    options: tuple[str, ...] = ()
    detached: bool = True  # outlives this process


def show(daemon: places.DaemonInfo, store: Store, program: Program) -> None:
    """Make sure that somebody can watch `store`. Raises ModeError if the viewer that was named is not there."""
    executable = _executable(program)
    with turn("viewer.lock") as note:
        if _is_shown(daemon, store, note):
            return
        if executable is None or not has_display():
            pid = 0
            browse(links.link(daemon, links.page_path(store.application_id, store.recording_id)))
        else:
            pid = _run(_command(daemon, executable, program), program.detached)
        note.write_text(json.dumps({"pid": pid, "process_started": places.process_start_time(pid), "at": time.time()}))


def browse(url: str) -> None:
    """Open a page, or tell of it where there is no display."""
    if not has_display() or not webbrowser.open(url):
        print(f"rerund: {url}", file=sys.stderr, flush=True)


def has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _executable(program: Program) -> str | None:
    if program.path is not None:
        if not Path(program.path).is_file():
            raise ModeError(f"executable_path names no file: {program.path}")
        return program.path
    beside_us = Path(sys.executable).parent / program.name
    return str(beside_us) if beside_us.is_file() else shutil.which(program.name)


def _command(daemon: places.DaemonInfo, executable: str, program: Program) -> Sequence[str]:
    if program == Program(detached=program.detached):
        return (sys.executable, "-m", "rerund", "view", "--native")  # goes on when the daemon is restarted
    of_viewer = ("--port", "auto", "--bind", "127.0.0.1", "--hide-welcome-screen", "--expect-data-soon")
    return (executable, "--connect", daemon.grpc, *of_viewer, *program.options)


def _run(command: Sequence[str], detached: bool) -> int:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=detached,
    )
    process.returncode = 0  # it is on its own from here: no warning about a child that still runs
    return process.pid


def _is_shown(daemon: places.DaemonInfo, store: Store, note: Path) -> bool:
    opened = _opened(note)
    is_alive = bool(opened["pid"]) and places.process_start_time(opened["pid"]) == opened["process_started"]
    if time.time() - opened["at"] < _OPENING_SECS and (is_alive or not opened["pid"]):
        return True
    with ControlClient(daemon.control) as client:
        try:
            viewers = client.request("status", timeout=_ANSWER_SECS)["viewers"]
        except TimeoutError as error:
            raise ModeError(f"the daemon (pid {daemon.pid}) runs but does not answer: see `rerund logs`") from error
    name = f"{store.application_id}/{store.recording_id}"
    return any(
        viewer["kind"] == "grpc" or (viewer["kind"] == "web" and (is_alive or viewer["recording"] == name))
        for viewer in viewers
    )


def _opened(note: Path) -> dict[str, Any]:
    """The viewer that was opened last."""
    try:
        opened = json.loads(note.read_text())
        return {"pid": int(opened["pid"]), "process_started": opened["process_started"], "at": float(opened["at"])}
    except (ValueError, KeyError, TypeError):
        return {"pid": 0, "process_started": None, "at": 0.0}
