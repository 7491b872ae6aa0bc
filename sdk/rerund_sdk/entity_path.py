"""Entity paths: `/`-separated parts, stored with a leading slash and escaped as Rerun does (docs/RRD.md)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any, Final

_SAFE: Final = re.compile(r"^(/[\w.\-]+)+$")  # \w: Unicode letters, digits, _
_NAMED_ESCAPES: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_TOKENS: Final = re.compile(r"\\u\{([0-9a-fA-F]{1,6})\}|\\(.)|(/)|([^\\/]+)|(\\)", re.DOTALL)
_SLASHES: Final = re.compile(r"(\\.)|/+", re.DOTALL)  # or an escaped character, which may be a slash

logger = logging.getLogger("rerund_sdk")


def escape_part(part: str) -> str:
    """One part of an entity path with everything escaped that needs to be. Mirrors `rerun.escape_entity_path_part`."""
    return "".join(map(_escape_character, part))


escape_entity_path_part = escape_part  # its public name, which is Rerun's


def new_entity_path(parts: Iterable[Any]) -> str:
    """The path of unescaped `parts`; anything that is no text is made one. Mirrors `rerun.new_entity_path`."""
    return "/" + "/".join(escape_part(str(part)) for part in parts)


def normalise(path: str | Iterable[Any]) -> str:
    """The stored form of a path given as text (already escaped) or as a list of unescaped parts."""
    if not isinstance(path, str):
        return new_entity_path(path)
    rooted = path if path.startswith("/") else "/" + path
    if _SAFE.match(rooted):
        return rooted
    normal = new_entity_path(_parts(path))
    if normal.strip("/") != _SLASHES.sub(lambda match: match[1] or "/", path).strip("/"):
        logger.warning("entity path %r is not properly escaped: it is recorded as %r", path, normal)
    return normal


def _parts(path: str) -> list[str]:
    """Unescape and split; forgiving, since a robot must not stop for a typing error."""
    parts = [""]
    for code, escaped, slash, plain, lone in _TOKENS.findall(path):
        if slash:
            parts.append("")
        elif code:
            parts[-1] += chr(min(int(code, 16), 0x10FFFF))
        else:
            parts[-1] += {"n": "\n", "r": "\r", "t": "\t"}.get(escaped, escaped) + plain + lone
    return [part for part in parts if part]


def _escape_character(character: str) -> str:
    if character.isalnum() or character in "_-.":
        return character
    if character in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[character]
    if character.isascii() and character.isprintable():
        return "\\" + character
    return f"\\u{{{ord(character):04X}}}"
