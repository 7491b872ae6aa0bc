"""What a connection gets that is one too many: one sentence, before its request is even looked at."""

from __future__ import annotations

import asyncio
from typing import Final, cast

_PATIENCE_S: Final = 2.0  # for its request


class Refusal(asyncio.Protocol):
    """Answers 503 to whatever comes first, and closes. at_once: before anything comes."""

    def __init__(self, sentence: str, *, at_once: bool) -> None:
        self._sentence = sentence
        self._at_once = at_once
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self._transport.abort)
        if self._at_once:
            self._answer()

    def data_received(self, _data: bytes) -> None:
        """Only now: an answer may be lost when a connection is closed on which something was not yet read."""
        self._answer()

    def _answer(self) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        body = f"The daemon is full: {self._sentence}\n".encode()
        head = (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        transport.write(head.encode() + body)
        transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
