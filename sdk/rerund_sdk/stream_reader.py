"""Finding the messages in .rrd bytes as they lie around: sealed or not, torn, or several streams one after the other.

Reads what Rerun's streaming readers read: a stream header may stand wherever a message header may, an End message is
followed by its stream footer, and what ends inside a message ends before it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from rerund_sdk import rrd
from rerund_sdk.rrd import Kind

_FOOTER_SIZE: Final = 32
_FOOTER_MARK: Final = rrd.MAGIC + b"FOOT"
_FOOTER_MARK_AT: Final = 20


class Bytes(Protocol):
    """Bytes that can be read from any place."""

    def read(self, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on."""

    def size(self) -> int: ...


class FileBytes:
    """A file, which may be growing. Read, not mapped: one that is cut short meanwhile must not end the program."""

    def __init__(self, file: int) -> None:
        self._file = file

    def read(self, start: int, size: int) -> bytes:
        return os.pread(self._file, size, start)

    def size(self) -> int:
        return os.fstat(self._file).st_size

    def __del__(self) -> None:
        os.close(self._file)


class MemoryBytes:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, start: int, size: int) -> bytes:
        return self._data[start : start + size]

    def size(self) -> int:
        return len(self._data)


class Place(NamedTuple):
    """Where the body of a message lies."""

    kind: Kind
    start: int
    size: int


class Ending(NamedTuple):
    """Where reading stopped, and why if that is before the end."""

    at: int
    reason: str  # part of a sentence; empty: everything was read


def messages(data: Bytes) -> Iterator[Place | Ending]:
    """The messages in `data` but for End, then one Ending. Raises BadRrd if it does not begin as a stream."""
    size = data.size()
    rrd.check_stream_header(data.read(0, rrd.STREAM_HEADER_SIZE))
    at = rrd.STREAM_HEADER_SIZE
    while at < size:
        header = data.read(at, rrd.MESSAGE_HEADER_SIZE)
        if header[:4] == rrd.MAGIC and len(header) >= rrd.STREAM_HEADER_SIZE:
            rrd.check_stream_header(header[: rrd.STREAM_HEADER_SIZE])
            at += rrd.STREAM_HEADER_SIZE
            continue
        if len(header) < rrd.MESSAGE_HEADER_SIZE:
            yield Ending(at, "it ends inside a message")
            return
        kind, length = rrd.frame_header(header, 0)
        end = at + rrd.MESSAGE_HEADER_SIZE + length
        if kind > Kind.BLUEPRINT_ACTIVATION:
            yield Ending(at, f"there is no message, but kind {kind}")
            return
        if end > size:
            yield Ending(at, "it ends inside a message")
            return
        if kind == Kind.END:
            footer = data.read(end, _FOOTER_SIZE)
            if footer[_FOOTER_MARK_AT:][: len(_FOOTER_MARK)] != _FOOTER_MARK:
                yield Ending(size, "")  # the end of a stream that is being sealed, or was left so
                return
            at = end + _FOOTER_SIZE
            if at < size and data.read(at, 4) != rrd.MAGIC:
                yield Ending(at, "what follows its footer is no stream")
                return
            continue
        yield Place(Kind(kind), at + rrd.MESSAGE_HEADER_SIZE, length)
        at = end
    yield Ending(at, "")
