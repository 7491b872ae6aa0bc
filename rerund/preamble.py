"""What a new segment repeats of the one before, so that it stands alone: store infos and static chunks.

All of them while they are few; past `MAX_PREAMBLE_BYTES` only the latest static chunks of each entity and component.
"""

from __future__ import annotations

import logging
import os
from typing import Any, Final

import numpy as np

from rerund.describe import open_chunk
from rerund.index import FIRST, RECORD_DTYPE, STATIC, Place, Records, SegmentIndex
from rerund.index_names import Names
from rerund.log import Segment
from rerund_sdk import rrd
from rerund_sdk.errors import BadRrd
from rerund_sdk.wire import IndexEntry

log = logging.getLogger(__name__)

MAX_PREAMBLE_BYTES: Final = 32 << 20


def preamble(segment: Segment, index: SegmentIndex, names: Names, limit: int) -> tuple[list[bytes], list[Place]]:
    """The messages to repeat after `segment`, and what the index will say of them. Raises OSError."""
    records = np.concatenate([np.empty(0, RECORD_DTYPE), *(_to_repeat(block) for block in index.blocks())])
    fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if int(records["size"].sum()) > limit:
            records = _latest(fd, records, limit, segment)
        messages = [os.pread(fd, int(record["size"]), int(record["offset"])) for record in records]
    finally:
        os.close(fd)
    places, offset = [], rrd.STREAM_HEADER_SIZE
    for record in records:
        places.append(Place(offset, _entry(record, names), repeated=True))
        offset += int(record["size"])
    return messages, places


def _to_repeat(records: Records) -> Records:
    wanted = ((records["flags"] & STATIC) != 0) | (records["kind"] == rrd.Kind.STORE_INFO)
    found: Records = records[wanted & ((records["flags"] & FIRST) != 0)]
    return found


def _latest(fd: int, records: Records, limit: int, segment: Segment) -> Records:
    """Those that later ones do not overrule, newest first while `limit` bytes last; in log order."""
    seen: set[tuple[str, str]] = set()
    kept: list[int] = []
    left, dropped = limit, 0
    for number in range(len(records) - 1, -1, -1):
        record = records[number]
        if record["kind"] == rrd.Kind.ARROW:
            columns = _columns(os.pread(fd, int(record["size"]), int(record["offset"])))
            if columns <= seen:
                continue
            seen |= columns
            if record["size"] > left:
                dropped += 1
                continue
            left -= int(record["size"])
        kept.append(number)
    if dropped:
        log.warning(
            "%d static chunks are not repeated in the next segment: they are over %d bytes in all: %s",
            dropped,
            limit,
            segment.path,
        )
    latest: Records = records[kept[::-1]]
    return latest


def _columns(message: bytes) -> set[tuple[str, str]]:
    try:
        chunk = open_chunk(message)
    except BadRrd:
        return set()
    return {(chunk.entity_path, component.descriptor.component) for component in chunk.components}


def _entry(record: Any, names: Names) -> IndexEntry:
    is_chunk = record["kind"] == rrd.Kind.ARROW
    return IndexEntry(
        int(record["kind"]),
        int(record["size"]),
        bytes(record["chunk_id"]) if is_chunk else b"",
        names.names[int(record["entity"])][0],
        int(record["rows"]),
        bool(record["flags"] & STATIC),
        (),
    )
