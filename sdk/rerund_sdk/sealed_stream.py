"""Whole .rrd streams made in memory: header, messages, End and footer."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rerund_sdk import rrd
from rerund_sdk.footer import FooterBuilder
from rerund_sdk.sinks import EncodedMessage


def sealed_stream(store_info: bytes | None, messages: Iterable[EncodedMessage]) -> bytes:
    """One stream of these messages, after the store's SetStoreInfo if that was not sent before."""
    ending = StreamEnding()
    file = io.BytesIO()
    file.write(rrd.STREAM_HEADER)
    if store_info is not None:
        file.write(store_info)
    for message in messages:
        ending.add(file.tell(), message)
        file.writelines(message.data)
    return file.getvalue() + ending.bytes(file.tell())


class StreamEnding:
    """Takes note of the messages of a stream; then says how it ends."""

    def __init__(self) -> None:
        self._footer = FooterBuilder(Path(tempfile.gettempdir()))

    def add(self, offset: int, message: EncodedMessage) -> None:
        """A message begins at `offset` of the stream."""
        if message.entry.kind == rrd.Kind.ARROW:
            body = b"".join(message.data)[rrd.MESSAGE_HEADER_SIZE :]
            self._footer.add(offset + rrd.MESSAGE_HEADER_SIZE, body)

    def bytes(self, end: int) -> bytes:
        """End message and stream footer of a stream whose messages end at `end`. Call it once."""
        with self._footer as footer:
            file = _From(end)
            footer.write(file, end)
            return file.getvalue()


class _From(io.BytesIO):
    """A file of which only what lies behind a place is kept."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self._start = start

    def seek(self, offset: int, whence: int = 0) -> int:
        return super().seek(offset - self._start if whence == 0 else offset, whence)

    def truncate(self, size: int | None = None) -> int:
        return super().truncate(None if size is None else size - self._start)
