"""Point clouds in PLY files: positions, and colours and radii where they have them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rerund_sdk.errors import BadData

_TYPES: Final = {
    name: code
    for code, names in {
        "i1": ("char", "int8"),
        "u1": ("uchar", "uint8"),
        "i2": ("short", "int16"),
        "u2": ("ushort", "uint16"),
        "i4": ("int", "int32"),
        "u4": ("uint", "uint32"),
        "f4": ("float", "float32"),
        "f8": ("double", "float64"),
    }.items()
    for name in names
}
_BYTE_ORDERS: Final = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}
_END: Final = b"end_header"


def point_cloud(contents: bytes) -> dict[str, Any]:
    """Arguments for Points3D. Raises BadData if `contents` is no PLY file whose first element is its vertices."""
    encoding, count, properties, start = _header(contents)
    dtype = np.dtype([(name, _BYTE_ORDERS[encoding] + kind) for name, kind in properties])
    if encoding == "ascii":
        vertices = _ascii_vertices(contents[start:], count, dtype)
    elif len(contents) - start < count * dtype.itemsize:
        raise BadData(f"a PLY file of {count} vertices ends in the middle of them")
    else:
        vertices = np.frombuffer(contents, dtype, count, start)
    found: dict[str, Any] = {"positions": _columns(vertices, ("x", "y", "z")).astype(np.float32)}
    names = vertices.dtype.names or ()
    if {"red", "green", "blue"} <= set(names):
        channels = ("red", "green", "blue", "alpha") if "alpha" in names else ("red", "green", "blue")
        found["colors"] = _columns(vertices, channels)
    if "radius" in names:
        found["radii"] = vertices["radius"].astype(np.float32)
    return found


def _header(contents: bytes) -> tuple[str, int, list[tuple[str, str]], int]:
    """Encoding, number of vertices, their properties and types, and where they begin."""
    end = contents.find(_END)
    start = contents.find(b"\n", end) + 1
    if not contents.startswith(b"ply") or end < 0 or not start:
        raise BadData("not a PLY file: it has no header from 'ply' to 'end_header'")
    lines = [line.split() for line in contents[:end].decode("ascii", "replace").splitlines()]
    encoding = next((words[1] for words in lines if words[:1] == ["format"] and len(words) > 1), "")
    elements = [number for number, words in enumerate(lines) if words[:1] == ["element"]]
    if encoding not in _BYTE_ORDERS or not elements or lines[elements[0]][1:2] != ["vertex"]:
        raise BadData(f"a PLY file of format {encoding!r} whose first element is no vertex is not understood")
    last = elements[1] if len(elements) > 1 else len(lines)
    properties = [words for words in lines[elements[0] + 1 : last] if words[:1] == ["property"]]
    if not all(len(words) == 3 and words[1] in _TYPES for words in properties):
        raise BadData("a PLY file whose vertices have lists as properties is not understood")
    if not {"x", "y", "z"} <= {words[2] for words in properties}:
        raise BadData("the vertices of the PLY file have no x, y and z")
    return encoding, int(lines[elements[0]][2]), [(words[2], _TYPES[words[1]]) for words in properties], start


def _ascii_vertices(text: bytes, count: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    rows = [line.split() for line in text.splitlines()[:count]]
    width = len(dtype.names or ())
    if len(rows) < count or any(len(row) != width for row in rows):
        raise BadData(f"a PLY file of {count} vertices with {width} properties has lines that are no such vertices")
    try:
        return np.array([tuple(map(float, row)) for row in rows], dtype)
    except ValueError as error:
        raise BadData(f"a vertex of the PLY file is no number: {error}") from error


def _columns(vertices: npt.NDArray[Any], names: tuple[str, ...]) -> npt.NDArray[Any]:
    return np.stack([vertices[name] for name in names], axis=1)
