"""Writing at a place in a file until all is written."""

from __future__ import annotations

import os


def write_at(fd: int, data: bytes | memoryview, offset: int) -> int:
    """All of it, whatever the system takes at a time; the offset behind it. Raises OSError."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest = rest[written:]
        offset += written
    return offset
