"""What the web edge asks of the server."""

from __future__ import annotations

from typing import Any, Protocol

from rerund.config import Config
from rerund.edge import ViewerInfo
from rerund.store import Store


class Source(Protocol):
    """The server, as far as pages see it."""

    config: Config
    store: Store
    viewers: list[ViewerInfo]

    def status(self) -> dict[str, Any]: ...

    def recordings(self) -> list[dict[str, Any]]: ...
