"""What the index must know of a message that came without it: found by opening the message. Off the hot path."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from rerund_sdk import rrd
from rerund_sdk.chunk_reader import Chunk, parse_arrow_msg, read_chunk
from rerund_sdk.entity_path import normalise
from rerund_sdk.errors import BadRrd
from rerund_sdk.messages import STORE_KIND_BLUEPRINT, message_class
from rerund_sdk.wire import IndexEntry, TimeRange

_MAX_STORE_INFO_BYTES: Final = 1 << 20


def describe(message: bytes | memoryview) -> IndexEntry:
    """The index entry of one whole message, header included. Raises BadRrd if a chunk cannot be decoded."""
    kind, _ = rrd.frame_header(message, 0)
    if kind != rrd.Kind.ARROW:
        return IndexEntry(kind, len(message), b"", "", 0, False, ())
    arrow_msg = parse_arrow_msg(memoryview(message)[rrd.MESSAGE_HEADER_SIZE :])
    return chunk_entry(read_chunk(arrow_msg), len(message), is_of_blueprint(arrow_msg.store_id))


def chunk_entry(chunk: Chunk, size: int, of_blueprint: bool) -> IndexEntry:
    """The index entry of a chunk whose whole message has `size` bytes.

    A blueprint lies in the log of a recording. Its chunks have the entity path "": they are not among the recording's
    entities, and whoever reads a part of a recording by its entities takes them along.
    """
    if of_blueprint:
        return IndexEntry(rrd.Kind.ARROW, size, chunk.id, "", 0, False, ())
    ranges = tuple(
        TimeRange(index.timeline, index.type, int(index.values.min()), int(index.values.max()))
        for index in chunk.indexes
        if len(index.values)
    )
    path = normalise(chunk.entity_path)
    return IndexEntry(rrd.Kind.ARROW, size, chunk.id, path, chunk.rows, not chunk.indexes, ranges)


def is_of_blueprint(store_id: bytes) -> bool:
    """Whether an encoded StoreId is a blueprint's."""
    try:
        return bool(message_class("StoreId").FromString(store_id).kind == STORE_KIND_BLUEPRINT)
    except DecodeError as error:
        raise BadRrd(f"undecodable StoreId: {error}") from None


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


class Origin(NamedTuple):
    """What the store info says that an .rrd file begins with."""

    application_id: str
    recording_id: str
    started: float  # seconds since the epoch; 0.0: unknown


def origin_of(path: Path) -> Origin | None:
    """Of an .rrd file; None if it begins with anything else. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(rrd.STREAM_HEADER_SIZE + rrd.MESSAGE_HEADER_SIZE)
        if len(head) < rrd.STREAM_HEADER_SIZE + rrd.MESSAGE_HEADER_SIZE:
            return None
        kind, length = rrd.frame_header(head, rrd.STREAM_HEADER_SIZE)
        body = file.read(min(length, _MAX_STORE_INFO_BYTES))
    if kind != rrd.Kind.STORE_INFO:
        return None
    try:
        said = message_class("SetStoreInfo").FromString(body)
    except DecodeError:
        return None
    store_id = said.info.store_id
    return Origin(store_id.application_id.id, store_id.recording_id, said.row_id.time_ns / 1e9)
