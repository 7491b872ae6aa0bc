"""What programs written for Rerun may call and programs written for rerund have no need of.

What is of Rerun's own services raises NotOffered; what has nothing to do here says so and does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from rerund_sdk import modes, notebook
from rerund_sdk.errors import NotOffered

if TYPE_CHECKING:
    from rerund_sdk.recording import RecordingStream


def asarray(item: Any, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
    """`numpy.asarray` of any numpy; before 2.0 it takes no `copy`, and None and False mean the same."""
    return np.array(item, dtype) if copy else np.asarray(item, dtype)


def unregister_shutdown() -> None:
    """Has no effect: what was logged is always sent before a process ends."""


def cleanup_if_forked_child() -> None:
    """Has no effect: a forked child always starts with recordings of its own, which hold nothing of its parent's."""


def start_web_viewer_server(port: int = 0) -> None:
    """Make sure that the daemon serves its web pages. port: of the pages, if the daemon has to be started."""
    modes.serve_web_viewer(web_port=port or None, open_browser=False)


def legacy_notebook_show(
    *,
    width: int = 950,
    height: int = 712,
    app_url: str | None = None,
    timeout_ms: int = 2000,
    blueprint: Any = None,
    recording: RecordingStream | None = None,
) -> None:
    """As `notebook_show`, which needs no widgets here. app_url, timeout_ms: have no effect: the daemon has the page."""
    del app_url, timeout_ms
    notebook.notebook_show(width=width, height=height, blueprint=blueprint, recording=recording)


def login() -> NoReturn:
    """Raises NotOffered: it is for Rerun's data platform."""
    raise NotOffered("rr.login() is for Rerun's data platform: leave it out, or run this program without rerund")


def logout() -> NoReturn:
    """Raises NotOffered: it is for Rerun's data platform."""
    raise NotOffered("rr.logout() is for Rerun's data platform: leave it out, or run this program without rerund")


def tracing_session() -> NoReturn:
    """Raises NotOffered: it is for Rerun's data platform."""
    raise NotOffered(
        "rr.tracing_session() marks requests to Rerun's data platform: leave it out, or run this program without rerund"
    )
