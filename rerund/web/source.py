"""What the web edge asks of the server."""

from __future__ import annotations

from typing import Any, Protocol

from rerund.config import Config
from rerund.control import Control
from rerund.edge import ViewerInfo
from rerund.recording import Recording
from rerund.store import Store


class Source(Protocol):
    """The server, as far as pages see it."""

    config: Config
    control: Control
    store: Store
    viewers: list[ViewerInfo]

    async def remove(self, recording: Recording) -> None: ...

    def status(self) -> dict[str, Any]: ...

    def recordings(self) -> list[dict[str, Any]]: ...
