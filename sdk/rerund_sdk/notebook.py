"""Recordings in the cells of a notebook: the page of the daemon, in a frame."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rerund_sdk import current
from rerund_sdk.errors import ModeError

if TYPE_CHECKING:
    from rerund_sdk.recording import RecordingStream

_width, _height = 960, 640  # pixels


def set_default_size(*, width: int | None = None, height: int | None = None) -> None:
    """The size in pixels of what `notebook_show` shows from now on. None: as before."""
    global _width, _height
    _width, _height = width or _width, height or _height


def notebook_show(
    *,
    width: int | None = None,
    height: int | None = None,
    blueprint: Any = None,
    recording: RecordingStream | None = None,
) -> None:
    """Show a recording below the cell that is run; it must go to the daemon, see `rr.connect`.

    width, height: in pixels. blueprint: its layout. Raises ModeError where there is no notebook or no daemon.
    """
    found = current.required(recording, "notebook_show")
    if found is None:
        return
    if not _in_notebook():
        raise ModeError("notebook_show is for notebooks, and this program runs in none: use rr.spawn() or rr.connect()")
    from rerund_sdk.links import link
    from rerund_sdk.places import read_daemon

    daemon = read_daemon()
    if daemon is None or not daemon.http:
        raise ModeError("notebook_show needs the daemon, and none is running: call rr.connect() or rr.spawn() first")
    if blueprint is not None:
        found.send_blueprint(blueprint)
    from IPython.display import IFrame, display  # type: ignore[import-not-found,unused-ignore]

    page = link(daemon, f"/rerun/{quote(found.application_id, safe='')}/{quote(found.recording_id, safe='')}")
    display(IFrame(page, width or _width, height or _height))


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")
