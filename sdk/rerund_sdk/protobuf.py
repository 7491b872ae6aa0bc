"""Reading protobuf where it lies: the fields of a message as places in a buffer, nothing copied or built.

For messages whose bulk is one payload that is only handed on. All else is read by the classes of messages.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from rerund_sdk.errors import BadRrd

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
_FIXED32: Final = 5


class Field(NamedTuple):
    """One field as it stands in a buffer."""

    number: int
    wire_type: int
    value: int  # of a varint; else 0
    start: int  # of the content: after tag and length
    end: int


def fields(buffer: bytes | memoryview, start: int, end: int) -> Iterator[Field]:
    """The fields of the message at `buffer[start:end]`, in order. Raises BadRrd if it is none."""
    while start < end:
        tag, start = _varint(buffer, start, end)
        number, wire_type, value, stop = tag >> 3, tag & 7, 0, start
        if wire_type == VARINT:
            value, stop = _varint(buffer, start, end)
        elif wire_type == BYTES:
            length, start = _varint(buffer, start, end)
            stop = start + length
        elif wire_type == FIXED64:
            stop = start + 8
        elif wire_type == _FIXED32:
            stop = start + 4
        else:
            raise BadRrd(f"undecodable protobuf: field {number} has wire type {wire_type}")
        if stop > end or not number:
            raise BadRrd(f"undecodable protobuf: field {number} ends {stop - end} bytes behind its message")
        yield Field(number, wire_type, value, start, stop)
        start = stop


def _varint(buffer: bytes | memoryview, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = buffer[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise BadRrd("undecodable protobuf: a number does not end")
