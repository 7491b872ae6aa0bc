"""What the server asks of an edge, and what an edge tells of its viewers.

An edge is a way in or out of the daemon, one file a transport; server.py lists them. It reads through cursors and
writes by being a producer over `places.INPROC_INGEST`, so that no edge can hold up another or the intake.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from rerund.cursor import Cursor
from rerund.recording import Recording


class Edge(Protocol):
    """A transport. Made with the server; lives on the serving loop."""

    endpoint: str  # where it listens, as people write it; "" if nowhere

    async def start(self) -> None:
        """Bind and serve. Raises RerundError with one sentence if it cannot."""

    async def stop(self) -> None:
        """Tell the peers, close everything; idempotent."""


class ViewerInfo(NamedTuple):
    """Somebody who reads a recording, for `status`. The edge adds it to `server.viewers` and removes it."""

    kind: str  # "grpc" | "web" | "subscriber" | "file"
    peer: str  # address, or path
    recording: Recording
    cursor: Cursor
