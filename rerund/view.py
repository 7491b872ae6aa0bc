"""`rerund view`: recordings and files in a viewer, native if there is one, else in the browser."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rerund import lifecycle, native
from rerund_sdk import links
from rerund_sdk.errors import RerundError
from rerund_sdk.viewer import has_display

FILE_SUFFIXES = (".rrd", ".rbl")

# The viewer also listens for data itself: not on a port that somebody counts on, and not for the network.
NATIVE_OPTIONS = ("--port", "auto", "--bind", "127.0.0.1", "--expect-data-soon", "--hide-welcome-screen")


def is_file(word: str) -> bool:
    """Whether `word` names a file and not a recording."""
    return word.endswith(FILE_SUFFIXES) or Path(word).is_file()


def view_files(paths: Sequence[Path], use_native: bool) -> int:
    """Show files until the viewer is closed, or Ctrl-C; returns its exit status."""
    if missing := [path for path in paths if not path.is_file()]:
        raise RerundError(f"there is no such file: {missing[0]}")
    if use_native:
        return subprocess.call([native.find(), *paths])
    from rerund.file_page import FilePage, check

    for path in paths:
        check(path)
    return asyncio.run(_serve_page(FilePage([path.absolute() for path in paths])))


async def _serve_page(page: Any) -> int:
    await page.start()
    try:
        open_in_browser(page.url)
        print("Ctrl-C ends it", flush=True)
        await asyncio.Event().wait()
    finally:
        await page.stop()
    return 0


def view_in_browser(recording: dict[str, Any] | None, web_viewer: links.WebViewer) -> int:
    """Show a recording, or the list of all, on the daemon's pages."""
    path = "/"
    if recording:
        path = links.page_path(recording["application_id"], recording["recording_id"], web_viewer)
    open_in_browser(links.link(lifecycle.running(), path))
    return 0


def open_in_browser(url: str) -> None:
    """Print the URL, and open it if there is a display for a browser."""
    print(url, flush=True)
    if has_display():
        webbrowser.open(url)


def view_natively(recording: dict[str, Any] | None, ready_fd: int | None = None) -> int:
    """Show a recording, or all that are active, until the viewer is closed; returns its exit status.

    ready_fd: closed after a byte was written to it, once the viewer reads.
    """
    from rerund.relay import Relay

    async def run() -> int:
        relay = Relay((recording["application_id"], recording["recording_id"]) if recording else None)
        await relay.start()
        command = (native.find(), *NATIVE_OPTIONS, "--connect", relay.url)
        viewer = await asyncio.create_subprocess_exec(*command, start_new_session=True)
        telling = asyncio.create_task(_tell(relay.connected, ready_fd))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _end_group, viewer.pid)
        try:
            return await viewer.wait()
        finally:
            telling.cancel()
            if viewer.returncode is None:
                _end_group(viewer.pid)
                await viewer.wait()
            await relay.stop()

    return asyncio.run(run())


def _end_group(leader: int) -> None:
    """End a viewer: its `rerun` is a script that has the program as a child, and would leave it behind."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGTERM)


async def _tell(connected: asyncio.Event, ready_fd: int | None) -> None:
    await connected.wait()
    if ready_fd is not None:
        os.write(ready_fd, b"1")
        os.close(ready_fd)


def view_detached(name: str | None) -> int:
    """Start `rerund view --native` in a session of its own; returns once its viewer reads."""
    native.find()
    here, there = os.pipe()
    command = [sys.executable, "-m", "rerund", "view", "--native", f"--ready-fd={there}", *([name] if name else [])]
    viewer = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(there,),
    )
    os.close(there)
    with open(here, "rb") as ready:  # noqa: PTH123, it is a descriptor
        if not ready.read(1):
            raise RerundError(f"the viewer could not be started: it ended with status {viewer.wait()}")
    viewer.returncode = 0  # it is on its own from here: no warning about a child that still runs
    return 0
