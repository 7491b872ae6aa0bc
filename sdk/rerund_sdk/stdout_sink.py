"""Standard output as an .rrd stream, for a viewer at the other end of a pipe."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import BinaryIO

from rerund_sdk import rrd
from rerund_sdk.sealed_stream import StreamEnding
from rerund_sdk.sinks import EncodedMessage, Store

logger = logging.getLogger("rerund_sdk")


class StdoutSink:
    """Writes a recording to standard output, unless that is a terminal.

    write_footer: end the stream with a manifest, with which a file of it can be searched without reading it all.
    """

    def __init__(self, stream: BinaryIO | None = None, *, write_footer: bool = True) -> None:
        self._stream: BinaryIO | None = stream or sys.stdout.buffer
        self._ending = StreamEnding() if write_footer else None
        self._size = 0
        if stream is None and os.isatty(sys.stdout.fileno()):
            logger.warning("standard output is a terminal: nothing is written to it; pipe it to `rerun -` or a file")
            self._stream = None

    def open(self, store: Store) -> None:
        self._write([rrd.STREAM_HEADER, store.store_info])

    def send(self, messages: Sequence[EncodedMessage]) -> None:
        for message in messages:
            if self._ending is not None:
                self._ending.add(self._size, message)
            self._write(message.data)
        self.flush(0)

    def _write(self, parts: Sequence[bytes | memoryview]) -> None:
        if self._stream is None:
            return
        try:
            self._stream.writelines(parts)
        except (BrokenPipeError, ValueError):  # the viewer was closed, or standard output; the program goes on
            self._stream = None
        self._size += sum(map(len, parts))

    def flush(self, deadline: float) -> bool:  # noqa: ARG002 - nothing to wait for
        try:
            if self._stream is not None:
                self._stream.flush()
        except BrokenPipeError:
            self._stream = None
        return self._stream is not None

    def sync(self, deadline: float) -> bool:  # noqa: ARG002 - nobody here knows
        return False

    def close(self) -> None:
        if self._ending is not None:
            ending, self._ending = self._ending, None
            self._write([ending.bytes(self._size)])
            self.flush(0)

    def after_fork(self) -> None:
        self._stream = None  # two processes' messages would mix
