"""From an ArrowMsg, made by anybody, back to its chunk: the one place that opens payloads.

Rule: the bytes are not trusted. Every size is checked before memory is taken for it, and what Arrow itself does not
check is checked here, so that who holds a `Chunk` may look at its columns. BadRrd says what is wrong in one sentence.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rerund_sdk import messages
from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.errors import BadRrd
from rerund_sdk.protobuf import BYTES, VARINT, fields

MAX_CHUNK_BYTES: Final = 4 << 30  # decompressed; what Rerun's own server takes at most
_LZ4_MOST: Final = 255  # times smaller: LZ4 can do no better, so a size beyond that is a lie
_TYPE_NAMES: Final = {pa.int64(): "sequence", pa.duration("ns"): "duration", pa.timestamp("ns"): "timestamp"}
_NO_METADATA: Final[dict[bytes, bytes]] = {}


class ArrowMsg(NamedTuple):
    """The body of an ArrowMsg message; its payload is a view of it."""

    store_id: bytes  # an encoded StoreId
    compression: int
    uncompressed_size: int
    payload: memoryview


class Index(NamedTuple):
    """An index column of a chunk."""

    timeline: str
    type: str  # "sequence" | "duration" (ns) | "timestamp" (ns since the epoch)
    values: npt.NDArray[np.int64]


class Component(NamedTuple):
    """A component column of a chunk."""

    descriptor: ComponentDescriptor
    field: pa.Field[Any]
    column: pa.Array[Any]


class Chunk(NamedTuple):
    """One record batch of one entity. Its columns are views of the payload."""

    id: bytes
    entity_path: str
    rows: int
    row_ids: pa.Field[Any]
    indexes: tuple[Index, ...]  # none: static
    components: tuple[Component, ...]
    batch: pa.RecordBatch  # all of it, as it was written

    @property
    def row_id_column(self) -> pa.Array[Any]:
        return self.batch.column(self.row_ids.name)


def parse_arrow_msg(body: bytes | memoryview) -> ArrowMsg:
    """Find what matters in the body of an ArrowMsg. Raises BadRrd."""
    view = memoryview(body)
    store_id: bytes | None = None
    compression = uncompressed_size = encoding = 0
    payload = view[:0]
    for number, wire_type, value, start, end in fields(view, 0, len(view)):
        if wire_type == BYTES and number == 1:
            store_id = bytes(view[start:end])
        elif wire_type == BYTES and number == 5:
            payload = view[start:end]
        elif wire_type == VARINT and number == 2:
            compression = value
        elif wire_type == VARINT and number == 3:
            uncompressed_size = value
        elif wire_type == VARINT and number == 4:
            encoding = value
    if store_id is None:
        raise BadRrd("an ArrowMsg has no store id")
    if encoding != messages.ENCODING_ARROW_IPC:
        raise BadRrd(f"an ArrowMsg has encoding {encoding}, must be {messages.ENCODING_ARROW_IPC} (Arrow IPC)")
    return ArrowMsg(store_id, compression, uncompressed_size, payload)


def read_chunk(message: ArrowMsg, limit: int = MAX_CHUNK_BYTES) -> Chunk:
    """The chunk in `message`, which may take at most `limit` bytes when decompressed. Raises BadRrd."""
    payload = _decompressed(message, limit)
    try:
        _check_compressed_buffers(payload, limit)
        batch = pa.ipc.open_stream(payload).read_next_batch()
        batch.validate(full=True)  # else offsets may lead out of the buffers, and texts be none
        return chunk_of(batch)
    except StopIteration:
        raise BadRrd("the payload of an ArrowMsg has no record batch") from None
    except (pa.ArrowException, OSError, ValueError, struct.error, IndexError) as error:
        raise BadRrd(f"the payload of an ArrowMsg is no Arrow IPC stream: {_first_line(error)}") from error


def _decompressed(message: ArrowMsg, limit: int) -> pa.Buffer:
    if message.compression in (0, messages.COMPRESSION_NONE):
        return pa.py_buffer(message.payload)
    if message.compression != messages.COMPRESSION_LZ4:
        raise BadRrd(f"an ArrowMsg has compression {message.compression}, must be 0, 1 (none) or 2 (LZ4)")
    size = message.uncompressed_size
    most = min(limit, len(message.payload) * _LZ4_MOST)
    if size > most:
        raise BadRrd(f"the payload of an ArrowMsg claims {size} bytes when decompressed, can have at most {most}")
    try:
        return pa.decompress(pa.py_buffer(message.payload), size, codec="lz4_raw")
    except (pa.ArrowException, OSError) as error:
        raise BadRrd(f"the payload of an ArrowMsg is no LZ4 block of {size} bytes: {_first_line(error)}") from error


def _check_compressed_buffers(payload: pa.Buffer, limit: int) -> None:
    """Raise BadRrd if the batch's buffers are compressed one by one and claim more than `limit` bytes in all."""
    reader = pa.ipc.MessageReader.open_stream(payload)
    try:
        while (message := reader.read_next_message()).type != "record batch":
            if message.type == "dictionary":
                raise BadRrd("the payload of an ArrowMsg has a dictionary: Rerun knows none")
    except StopIteration:
        return
    buffers = _compressed_buffers(message.metadata)
    body = memoryview(message.body)
    claimed = sum(max(0, struct.unpack_from("<q", body, at)[0]) for at, length in buffers if length)
    if claimed > limit:
        raise BadRrd(f"the buffers of a record batch claim {claimed} bytes when decompressed, over {limit}")


def _compressed_buffers(metadata: pa.Buffer) -> list[tuple[int, int]]:
    """(offset, length) of a record batch's buffers, none if they are not compressed: a walk through its flatbuffer."""
    table = memoryview(metadata)

    def u32(at: int) -> int:
        value: int = struct.unpack_from("<I", table, at)[0]
        return value

    def slot(at: int, number: int) -> int:
        """Where field `number` of the table at `at` lies; 0 if it is absent."""
        vtable = at - struct.unpack_from("<i", table, at)[0]
        size, place = struct.unpack_from("<H", table, vtable)[0], 4 + 2 * number
        offset = struct.unpack_from("<H", table, vtable + place)[0] if place < size else 0
        return at + offset if offset else 0

    message = u32(0)
    header = slot(message, 2)
    batch = header + u32(header)
    buffers = slot(batch, 2)
    if not slot(batch, 3) or not buffers:
        return []
    vector = buffers + u32(buffers)
    return [struct.unpack_from("<qq", table, vector + 4 + 16 * i) for i in range(u32(vector))]


def chunk_of(batch: pa.RecordBatch) -> Chunk:
    """The chunk that a record batch is. Raises BadRrd if it is none."""
    metadata = batch.schema.metadata or _NO_METADATA
    row_ids: pa.Field[Any] | None = None
    indexes: list[Index] = []
    components: list[Component] = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        kind = (field.metadata or _NO_METADATA).get(b"rerun:kind", b"data")
        if kind == b"control":
            row_ids = field
        elif kind in (b"index", b"time"):
            indexes.append(_index(field, column))
        else:
            components.append(_component(field, column))
    if row_ids is None or row_ids.type != pa.binary(16):
        raise BadRrd("a chunk has no column of row ids (rerun:kind=control, fixed_size_binary(16))")
    if len({index.timeline for index in indexes}) < len(indexes):
        raise BadRrd("a chunk has two index columns of one timeline")
    if len({component.descriptor.component for component in components}) < len(components):
        raise BadRrd("a chunk has two columns of one component")
    path = metadata.get(b"rerun:entity_path")
    if path is None:
        raise BadRrd("a chunk has no rerun:entity_path")
    chunk_id, rows = _chunk_id(metadata), batch.num_rows
    return Chunk(chunk_id, _text(path), rows, row_ids, tuple(indexes), tuple(components), batch)


def _chunk_id(metadata: dict[bytes, bytes]) -> bytes:
    text = _text(metadata.get(b"rerun:id", b""))
    digits = text.removeprefix("chunk_")
    try:
        if len(digits) == 32:
            return bytes.fromhex(digits)
    except ValueError:
        pass
    raise BadRrd(f"a chunk has rerun:id {text!r:.60}, must be 'chunk_' and 32 hexadecimal digits")


def _index(field: pa.Field[Any], column: pa.Array[Any]) -> Index:
    name = (field.metadata or _NO_METADATA).get(b"rerun:index_name")
    timeline = field.name if name is None else _text(name)
    kind = pa.timestamp("ns") if pa.types.is_timestamp(field.type) and field.type.unit == "ns" else field.type
    if kind not in _TYPE_NAMES:
        raise BadRrd(f"timeline {timeline!r} has type {field.type}, must be int64, duration[ns] or timestamp[ns]")
    if not timeline or column.null_count:
        raise BadRrd(f"timeline {timeline!r} has no name, or has {column.null_count} nulls: neither is allowed")
    buffer = column.buffers()[1]
    values = np.frombuffer(buffer, np.int64) if buffer is not None else np.empty(0, np.int64)
    return Index(timeline, _TYPE_NAMES[kind], values[column.offset : column.offset + len(column)])


def _component(field: pa.Field[Any], column: pa.Array[Any]) -> Component:
    metadata = field.metadata or _NO_METADATA
    descriptor = ComponentDescriptor(
        _optional_text(metadata, b"rerun:component") or field.name,
        _optional_text(metadata, b"rerun:archetype"),
        _optional_text(metadata, b"rerun:component_type"),
    )
    return Component(descriptor, field, column)


def _optional_text(metadata: dict[bytes, bytes], key: bytes) -> str | None:
    value = metadata.get(key)
    return _text(value) if value else None


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRrd(f"the metadata of a chunk has a text that is no UTF-8: {value!r:.60}") from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
