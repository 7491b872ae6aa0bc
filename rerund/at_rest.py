"""What the files of a recording tell that is not open: sizes and dates, no content."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rerund.describe import origin_of
from rerund.log import segment_files


class AtRest(NamedTuple):
    """What the files of a recording tell that is not open."""

    bytes: int
    segments: int
    started: float
    last_write: float


def at_rest(directory: Path) -> AtRest:
    """Looked up now; zeros if the files cannot be read."""
    try:
        files = [path for _, path in segment_files(directory)]
        sizes = [path.stat() for path in files]
        origin = origin_of(files[0]) if files else None
    except OSError:  # it is being removed, or the disk fails: who opens it is told
        return AtRest(0, 0, 0.0, 0.0)
    return AtRest(
        sum(size.st_size for size in sizes),
        len(files),
        origin.started if origin else 0.0,
        max((size.st_mtime for size in sizes), default=0.0),
    )
