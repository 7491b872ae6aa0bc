"""The footer of an .rrd file: one manifest a store, so that readers seek instead of scanning.

Form: an End message whose body is an RrdFooter, then the 32-byte stream footer. A manifest is a record batch of one row
a chunk: where it lies, and its range on every timeline, also for each component (docs/RRD.md).
Rule: a file is valid at every moment while it is sealed: body and stream footer are written first, behind a gap of 16
zero bytes, which already is an empty End message; the length is filled in last.
Memory: what is known of the chunks is spooled, and the columns of a large manifest lie in an unnamed file beside the
target; the compressed manifests are all that is held.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, Final

import pyarrow as pa
import xxhash

from rerund_sdk import messages, rrd
from rerund_sdk.chunk_reader import parse_arrow_msg, read_chunk
from rerund_sdk.errors import BadRrd
from rerund_sdk.manifest import ManifestBuilder
from rerund_sdk.messages import varint
from rerund_sdk.protobuf import BYTES

STREAM_FOOTER: Final = struct.Struct("<QQI4s4sI")
STREAM_FOOTER_SIZE: Final = STREAM_FOOTER.size
CRC_SEED: Final = 7850921
_LZ4_MOST_BYTES: Final = 1 << 30  # LZ4 blocks end at 2 GB: a larger payload is stored as it is
_COPY_BYTES: Final = 1 << 20


def seal(path: Path, *, durably: bool = False) -> None:
    """Append End, manifests and stream footer to the .rrd file `path`; nothing if it has them.

    durably: the End is written once the rest is on the disk; the caller forces that.

    Streams through the file once. The file must end with a whole message: BadRrd if it does not, or if a chunk in it
    cannot be decoded.
    """
    with path.open("r+b") as file:
        if is_sealed(file):
            return
        with FooterBuilder(path.parent) as footer:
            end = rrd.STREAM_HEADER_SIZE
            for kind, start, body in read_messages(file):
                if kind == rrd.Kind.ARROW:
                    footer.add(start + rrd.MESSAGE_HEADER_SIZE, body)
                end = start + rrd.MESSAGE_HEADER_SIZE + len(body)
            footer.write(file, end, durably=durably)


def is_sealed(file: BinaryIO) -> bool:
    """Whether `file` ends in a stream footer."""
    size = file.seek(0, 2)
    if size < rrd.STREAM_HEADER_SIZE + rrd.MESSAGE_HEADER_SIZE + STREAM_FOOTER_SIZE:
        return False
    file.seek(size - STREAM_FOOTER_SIZE)
    start, length, _, magic, mark, count = STREAM_FOOTER.unpack(file.read(STREAM_FOOTER_SIZE))
    if (magic, mark, count) != (rrd.MAGIC, b"FOOT", 1) or start + length + STREAM_FOOTER_SIZE != size:
        return False
    file.seek(start - rrd.MESSAGE_HEADER_SIZE)
    return rrd.frame_header(file.read(rrd.MESSAGE_HEADER_SIZE), 0) == (rrd.Kind.END, length)


def read_messages(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """(kind, offset of the header, body) of every message before an End. Raises BadRrd on anything else in between."""
    size = file.seek(0, 2)
    file.seek(0)
    rrd.check_stream_header(file.read(rrd.STREAM_HEADER_SIZE))
    at = rrd.STREAM_HEADER_SIZE
    while at < size:
        header = file.read(rrd.MESSAGE_HEADER_SIZE)
        if len(header) < rrd.MESSAGE_HEADER_SIZE:
            raise BadRrd(f"the file ends inside the message header at offset {at}: cut it back to there first")
        kind, length = rrd.frame_header(header, 0)
        if kind == rrd.Kind.END:
            _check_nothing_follows(file, at, length, size)
            return
        if kind > rrd.Kind.BLUEPRINT_ACTIVATION:
            raise BadRrd(f"unknown message kind {kind} at offset {at}")
        if at + rrd.MESSAGE_HEADER_SIZE + length > size:
            raise BadRrd(f"the file ends inside the message at offset {at}: cut it back to there first")
        yield kind, at, file.read(length)
        at += rrd.MESSAGE_HEADER_SIZE + length


def _check_nothing_follows(file: BinaryIO, at: int, length: int, size: int) -> None:
    """Raise BadRrd unless the End at `at` is the last thing, or what a broken off `seal` leaves: one of length 0."""
    file.seek(min(size, at + rrd.MESSAGE_HEADER_SIZE + length))
    footer = file.read(STREAM_FOOTER_SIZE)
    whole = len(footer) == STREAM_FOOTER_SIZE and STREAM_FOOTER.unpack(footer)[3:5] == (rrd.MAGIC, b"FOOT")
    if (length or whole) and file.read(1):
        raise BadRrd(f"the stream ends at offset {at}, another follows: a file of several streams can have no footer")


class FooterBuilder:
    """Takes note of every chunk of a file, then writes the file's end."""

    def __init__(self, scratch_dir: Path) -> None:
        self._scratch_dir = scratch_dir
        self._manifests: dict[bytes, ManifestBuilder] = {}  # by encoded store id

    def __enter__(self) -> FooterBuilder:
        return self

    def __exit__(self, *_: object) -> None:
        for manifest in self._manifests.values():
            manifest.close()

    def add(self, body_offset: int, body: bytes | memoryview) -> None:
        """Take note of the ArrowMsg whose body lies at `body_offset`. Raises BadRrd if it cannot be decoded."""
        message = parse_arrow_msg(body)
        manifest = self._manifests.get(message.store_id)
        if manifest is None:
            manifest = self._manifests[message.store_id] = ManifestBuilder(self._scratch_dir)
        manifest.add(read_chunk(message), body_offset, len(body), message.uncompressed_size)

    def write(self, file: BinaryIO, end: int, *, durably: bool = False) -> None:
        """Write End message and stream footer at offset `end` of `file`, and cut off whatever lies behind."""
        with tempfile.TemporaryFile(dir=self._scratch_dir) as body:
            for store_id, manifest in self._manifests.items():
                _write_manifest(body, store_id, manifest, self._scratch_dir)
            start, length = end + rrd.MESSAGE_HEADER_SIZE, body.tell()
            file.truncate(end)
            file.seek(start)
            crc = xxhash.xxh32(seed=CRC_SEED)
            body.seek(0)
            while part := body.read(_COPY_BYTES):
                crc.update(part)
                file.write(part)
        file.write(STREAM_FOOTER.pack(start, length, crc.intdigest(), rrd.MAGIC, b"FOOT", 1))
        file.flush()
        if durably:
            os.fsync(file.fileno())
        file.seek(end)
        file.write(rrd.message_header(rrd.Kind.END, length))
        file.flush()


def _write_manifest(body: IO[bytes], store_id: bytes, manifest: ManifestBuilder, scratch_dir: Path) -> None:
    """Append a manifest to the RrdFooter that is being written to `body`."""
    schema = manifest.schema().serialize().to_pybytes()
    with tempfile.TemporaryFile(dir=scratch_dir) as columns, tempfile.TemporaryFile(dir=scratch_dir) as stream:
        batch = manifest.batch(columns)
        with pa.ipc.new_stream(stream, batch.schema) as writer:
            writer.write_batch(batch)
        stream.flush()
        payload = pa.py_buffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    compression, data = _compressed(payload)
    part = b"".join(
        (
            b"\x08\x01",  # encoder_version 1
            b"\x18" + varint(compression),
            b"\x20" + varint(payload.size),
            _length_prefix(2, data.size),
        )
    )
    head = b"".join(
        (
            _length_prefix(1, len(store_id)) + store_id,
            _length_prefix(2, len(schema_field := _length_prefix(1, len(schema)) + schema)) + schema_field,
            _length_prefix(3, hashlib.sha256().digest_size) + hashlib.sha256(schema).digest(),
            _length_prefix(4, len(part) + data.size) + part,
        )
    )
    body.write(_length_prefix(1, len(head) + data.size) + head)
    body.write(data)


def _compressed(payload: pa.Buffer) -> tuple[int, pa.Buffer]:
    if payload.size > _LZ4_MOST_BYTES:
        return messages.COMPRESSION_NONE, payload
    return messages.COMPRESSION_LZ4, pa.compress(payload, codec="lz4_raw")


def _length_prefix(field: int, length: int) -> bytes:
    return varint(field << 3 | BYTES) + varint(length)
