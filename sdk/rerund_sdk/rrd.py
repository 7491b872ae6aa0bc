"""The framing of an .rrd stream: bytes in, values out, no file and no socket.

Form: a 12-byte stream header, then messages: kind (u64 LE), length (u64 LE), body of that length (protobuf).
Rule: we write one stream header a file and whole messages only. A file that ends at a message boundary opens in every
stock reader; one cut inside a body is refused by the random-access ones, so a torn tail is cut before anyone sees it.
An End message without its stream footer would swallow what follows: only a sealed file ends in one.
Source of the format: docs/RRD.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from rerund_sdk.errors import BadRrd

MAGIC: Final = b"RRF2"
# The oldest Rerun that reads what we write without a warning; newer ones are silent, too, and show it as the version
WRITTEN_VERSION: Final = (0, 39, 0)
_OPTIONS: Final = bytes([1, 2, 0, 0])  # LZ4 (ignored by readers: every message says its own), protobuf
STREAM_HEADER: Final = MAGIC + bytes([*WRITTEN_VERSION, 0]) + _OPTIONS
STREAM_HEADER_SIZE: Final = 12

_MESSAGE_HEADER: Final = struct.Struct("<QQ")
MESSAGE_HEADER_SIZE: Final = _MESSAGE_HEADER.size
message_header = _MESSAGE_HEADER.pack  # message_header(kind, length_of_body) -> 16 bytes


class Kind(IntEnum):
    """What a message's body is; also the field number of Rerun's gRPC `LogMsg` oneof."""

    END = 0
    STORE_INFO = 1
    ARROW = 2
    BLUEPRINT_ACTIVATION = 3


class Frame(NamedTuple):
    """Where one message lies in a buffer."""

    kind: Kind
    start: int  # of its 16-byte header
    end: int  # past its body

    @property
    def body(self) -> slice:
        return slice(self.start + MESSAGE_HEADER_SIZE, self.end)


def check_stream_header(head: bytes) -> None:
    """Raise BadRrd unless `head`, the first 12 bytes of a stream, is of a format this version reads."""
    if head[:4] in (b"RRF0", b"RRF1"):
        raise BadRrd("the file is of an old format, from before Rerun 0.23: convert it with the Rerun that wrote it")
    if len(head) < STREAM_HEADER_SIZE or head[:4] != MAGIC:
        raise BadRrd(f"not an .rrd file: it begins with {head[:4]!r}, not {MAGIC!r}")
    if head[8] not in (0, 1) or head[9] != 2 or head[10:12] != b"\0\0":
        raise BadRrd(f"unknown stream options {head[8:12].hex()}: written by a newer Rerun than this rerund knows")


def frame_header(buffer: bytes | memoryview, at: int) -> tuple[int, int]:
    """(kind, length of the body) of the message header at `at`."""
    kind, length = _MESSAGE_HEADER.unpack_from(buffer, at)
    return kind, length


def frames(buffer: bytes | memoryview, start: int = 0) -> Iterator[Frame]:
    """The whole messages in `buffer` from `start` on; stops at a torn one, and after an End, which a footer follows.

    Raises BadRrd on an unknown kind.
    """
    size = len(buffer)
    while start + MESSAGE_HEADER_SIZE <= size:
        kind, length = _MESSAGE_HEADER.unpack_from(buffer, start)
        end = start + MESSAGE_HEADER_SIZE + length
        if kind > Kind.BLUEPRINT_ACTIVATION:
            raise BadRrd(f"unknown message kind {kind} at offset {start}")
        if end > size:
            return
        yield Frame(Kind(kind), start, end)
        if kind == Kind.END:
            return
        start = end
