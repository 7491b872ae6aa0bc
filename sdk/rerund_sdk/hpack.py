"""Header fields of HTTP/2 as a client of gRPC needs them (RFC 7541): written as plain literals, read in any form.

We tell the other side that our table has no room, so of what is indexed only the static table is left; of that, all
that an answer to a call can use is its status.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

_STATUSES: Final = {8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"}
_BY_LENGTH: Final = {  # of a code in bits: what has one so long, in order; the code is canonical (RFC 7541, appendix B)
    5: "012aceiost",
    6: " %-./3456789=A_bdfghlmnpru",
    7: ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: "&*,;XZ",
    10: '!"()?',
    11: "'+|",
    12: "#>",
    13: "\0$@[]~",
    14: "^}",
    15: "<`{",
}


def _codes() -> dict[tuple[int, int], str]:
    """What a code of so many bits stands for."""
    codes: dict[tuple[int, int], str] = {}
    code = length = 0
    for longer, characters in _BY_LENGTH.items():
        code <<= longer - length
        length = longer
        for character in characters:
            codes[length, code] = character
            code += 1
    return codes


_CODES: Final = _codes()
_LONGEST: Final = max(_BY_LENGTH)


def encode(fields: Iterable[tuple[str, str]]) -> bytes:
    """A header block."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)


def _text(text: str) -> bytes:
    data = text.encode()
    return _integer(len(data), 7) + data


def _integer(value: int, bits: int) -> bytes:
    most = (1 << bits) - 1
    if value < most:
        return bytes((value,))
    encoded = [most]
    value -= most
    while value >= 128:
        encoded.append(value % 128 + 128)
        value //= 128
    return bytes((*encoded, value))


def decode(block: bytes) -> Iterator[tuple[str, str]]:
    """The fields of a header block; what is indexed, but for the status, has no name. Raises ValueError."""
    reader = _Reader(block)
    while reader.left:
        first = reader.peek()
        if first & 0x80:
            index = reader.integer(7)
            yield (":status" if index in _STATUSES else "", _STATUSES.get(index, ""))
        elif first & 0xE0 == 0x20:  # the size of the table
            reader.integer(5)
        else:
            index = reader.integer(6 if first & 0x40 else 4)
            name = reader.text() if not index else ":status" if index in _STATUSES else ""
            yield name, reader.text()


class _Reader:
    def __init__(self, block: bytes) -> None:
        self._block = block
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._block) - self._at

    def peek(self) -> int:
        if not self.left:
            raise ValueError("a header block ends too soon")
        return self._block[self._at]

    def integer(self, bits: int) -> int:
        most = (1 << bits) - 1
        value = self.peek() & most
        self._at += 1
        if value < most:
            return value
        for shift in range(0, 35, 7):
            byte = self.peek()
            self._at += 1
            value += (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a header block has a number that is too large")

    def text(self) -> str:
        is_coded = self.peek() & 0x80
        size = self.integer(7)
        if size > self.left:
            raise ValueError("a header block ends too soon")
        data = self._block[self._at : self._at + size]
        self._at += size
        return _decoded(data) if is_coded else data.decode(errors="replace")


def _decoded(data: bytes) -> str:
    """By Huffman's code; from a character on that no answer has, nothing."""
    text: list[str] = []
    code = length = 0
    for byte in data:
        for place in range(7, -1, -1):
            code, length = code << 1 | (byte >> place) & 1, length + 1
            if (character := _CODES.get((length, code))) is not None:
                text.append(character)
                code = length = 0
            elif length > _LONGEST:
                return "".join(text)
    return "".join(text)
