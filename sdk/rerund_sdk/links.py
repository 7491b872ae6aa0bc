"""Links to a daemon's pages, with the token that they want where they want one: for programs of the daemon's user.

A recording is named in them by APPLICATION/RECORDING, each an id percent-encoded as UTF-8. Browsers resolve the
segments "", "." and ".." before a server sees them, so those ids get a tilde in front, and so do ids that begin with
one. Every id has exactly one such name; rerund/web/names.py reads it, and client/src/names.ts makes it, too.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, urlencode

from rerund_sdk.errors import KeyFailure, ModeError
from rerund_sdk.places import DaemonInfo

WebViewer: TypeAlias = Literal["rerund", "rerun"]  # our own page, or the Rerun web viewer in it
_PAGES: Final = {"rerund": "recordings", "rerun": "rerun"}


def page_path(application_id: str, recording_id: str, web_viewer: WebViewer = "rerund") -> str:
    """Where a daemon has the page of a recording. Raises ModeError if there is no such viewer."""
    if web_viewer not in _PAGES:
        raise ModeError(f"web_viewer is {web_viewer!r:.80}: choose {' or '.join(map(repr, _PAGES))}")
    return f"/{_PAGES[web_viewer]}/{recording_path(application_id, recording_id)}"


def recording_path(application_id: str, recording_id: str) -> str:
    """How a recording is named in URLs."""
    return f"{_segment(application_id)}/{_segment(recording_id)}"


def _segment(text: str) -> str:
    tilde = "~" if text.startswith("~") or text in ("", ".", "..") else ""
    return tilde + quote(text, safe="", errors="surrogatepass")


def token(daemon: DaemonInfo, name: str = "full") -> str:
    """What the daemon's pages want to be shown: "full" or "read-only"; "" if nothing. Raises KeyFailure."""
    if not daemon.token_file:
        return ""
    try:
        lines = dict(line.split(maxsplit=1) for line in Path(daemon.token_file).read_text().splitlines() if line)
        return lines[name].strip()
    except (OSError, ValueError, KeyError) as error:
        raise KeyFailure(f"the daemon's tokens cannot be read: {daemon.token_file}") from error


def link(daemon: DaemonInfo, path: str = "") -> str:
    """The address of a page, "" is the first one, for a browser on this machine."""
    return with_token(daemon.http + path, token(daemon))


def with_token(url: str, shown: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'token': shown})}" if shown else url


def headers(daemon: DaemonInfo) -> dict[str, str]:
    """What a program sends with its requests."""
    shown = token(daemon)
    return {"Authorization": f"Bearer {shown}"} if shown else {}


def trust(daemon: DaemonInfo) -> ssl.SSLContext | None:
    """For https: the daemon's own certificate and no other, under whatever name; None without TLS."""
    if not daemon.tls_cert:
        return None
    context = ssl.create_default_context(cafile=daemon.tls_cert)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
