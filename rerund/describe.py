"""What the index must know of a message that came without it: found by opening the message. Off the hot path."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from rerund_sdk import rrd
from rerund_sdk.chunk_reader import Chunk, parse_arrow_msg, read_chunk
from rerund_sdk.messages import message_class
from rerund_sdk.wire import IndexEntry, TimeRange

_MAX_STORE_INFO_BYTES: Final = 1 << 20


def describe(message: bytes | memoryview) -> IndexEntry:
    """The index entry of one whole message, header included. Raises BadRrd if a chunk cannot be decoded."""
    kind, _ = rrd.frame_header(message, 0)
    if kind != rrd.Kind.ARROW:
        return IndexEntry(kind, len(message), b"", "", 0, False, ())
    chunk = open_chunk(message)
    ranges = tuple(
        TimeRange(index.timeline, index.type, int(index.values.min()), int(index.values.max()))
        for index in chunk.indexes
        if len(index.values)
    )
    return IndexEntry(kind, len(message), chunk.id, chunk.entity_path, chunk.rows, not chunk.indexes, ranges)


def open_chunk(message: bytes | memoryview) -> Chunk:
    """The chunk of a whole ArrowMsg message, header included. Raises BadRrd."""
    return read_chunk(parse_arrow_msg(memoryview(message)[rrd.MESSAGE_HEADER_SIZE :]))


def store_info_key(message: bytes | memoryview) -> bytes:
    """What a SetStoreInfo message says, its row id aside: equal for messages that say the same."""
    body = bytes(memoryview(message)[rrd.MESSAGE_HEADER_SIZE :])
    try:
        info = message_class("SetStoreInfo").FromString(body).info
    except DecodeError:
        return body
    key: bytes = info.SerializeToString(deterministic=True)
    return key


def store_ids(path: Path) -> tuple[str, str] | None:
    """(application id, recording id) of the store info that an .rrd file begins with; None if it does not."""
    with path.open("rb") as file:
        head = file.read(rrd.STREAM_HEADER_SIZE + rrd.MESSAGE_HEADER_SIZE)
        if len(head) < rrd.STREAM_HEADER_SIZE + rrd.MESSAGE_HEADER_SIZE:
            return None
        kind, length = rrd.frame_header(head, rrd.STREAM_HEADER_SIZE)
        body = file.read(min(length, _MAX_STORE_INFO_BYTES))
    if kind != rrd.Kind.STORE_INFO:
        return None
    try:
        store_id = message_class("SetStoreInfo").FromString(body).info.store_id
    except DecodeError:
        return None
    return store_id.application_id.id, store_id.recording_id
