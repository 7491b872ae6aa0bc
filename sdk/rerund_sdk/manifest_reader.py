"""What the footer of an .rrd file says of its chunks, so that they need not be opened to be found.

Rule: a manifest only saves time. What it does not name is opened; where it cannot be read, or its checksum is wrong,
everything is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from rerund_sdk import messages
from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.errors import BadRrd
from rerund_sdk.footer import CRC_SEED, STREAM_FOOTER, STREAM_FOOTER_SIZE
from rerund_sdk.rrd import MAGIC
from rerund_sdk.stream_reader import Bytes
from rerund_sdk.wire import TimeRange

logger = logging.getLogger("rerund_sdk")

_STATIC: Final = b"rerun:static"
_TYPE_NAMES: Final = {pa.int64(): "sequence", pa.duration("ns"): "duration", pa.timestamp("ns"): "timestamp"}


class Listed(NamedTuple):
    """A chunk as a manifest has it."""

    store_id: bytes  # an encoded StoreId
    chunk_id: bytes
    entity_path: str
    rows: int
    ranges: tuple[TimeRange, ...]
    components: tuple[ComponentDescriptor, ...]


def listed_chunks(data: Bytes) -> dict[int, Listed]:
    """The chunks that the manifests at the end of `data` list, by the offset of their message's body."""
    try:
        return read_manifests(data)
    except BadRrd as error:
        logger.warning("a manifest cannot be read, so the file is read whole: %s", error)
        return {}


def read_manifests(data: Bytes) -> dict[int, Listed]:
    """Like `listed_chunks`. Raises BadRrd if the footer is damaged."""
    try:
        return dict(_listed(data))
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise BadRrd(f"its manifest is damaged: {error}") from error


def _listed(data: Bytes) -> Iterator[tuple[int, Listed]]:
    size = data.size()
    end = data.read(max(0, size - STREAM_FOOTER_SIZE), STREAM_FOOTER_SIZE)
    if len(end) < STREAM_FOOTER_SIZE:
        return
    start, length, crc, magic, mark, count = STREAM_FOOTER.unpack(end)
    if (magic, mark, count) != (MAGIC, b"FOOT", 1) or start + length + STREAM_FOOTER_SIZE != size:
        return  # not sealed, or several streams
    body = data.read(start, length)
    if xxhash.xxh32_intdigest(body, CRC_SEED) != crc:
        raise BadRrd("its checksum is wrong")
    for manifest in messages.parse("RrdFooter", body).manifests:
        yield from _chunks(manifest.store_id.SerializeToString(), _table(manifest.data))


def _table(part: Any) -> pa.RecordBatch:
    payload = pa.py_buffer(part.payload)
    if part.compression == messages.COMPRESSION_LZ4:
        payload = pa.decompress(payload, part.uncompressed_size, "lz4_raw")
    return pa.ipc.open_stream(payload).read_next_batch()


def _chunks(store_id: bytes, table: pa.RecordBatch) -> Iterator[tuple[int, Listed]]:
    ranges: list[list[TimeRange]] = [[] for _ in range(table.num_rows)]
    present: dict[ComponentDescriptor, npt.NDArray[np.bool_]] = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        metadata = field.metadata or {}
        index = metadata.get(b"rerun:index")
        if b"rerun:component" in metadata:
            if index == _STATIC or field.name.endswith(":num_rows"):
                has = column.cast(pa.bool_()).fill_null(False).to_numpy(zero_copy_only=False)
                descriptor = _descriptor(metadata)
                present[descriptor] = present[descriptor] | has if descriptor in present else has
        elif index is not None and field.name.endswith(":start"):
            ends = table[field.name.removesuffix(":start") + ":end"]
            _add_ranges(ranges, index.decode(), column, ends)
    components = _combinations(present, table.num_rows)
    columns = [table[f"chunk_{name}"].to_pylist() for name in ("byte_offset", "id", "entity_path", "num_rows")]
    for number, (offset, chunk_id, path, rows) in enumerate(zip(*columns, strict=True)):
        if components[number]:
            yield offset, Listed(store_id, chunk_id, path, rows, tuple(ranges[number]), components[number])


def _add_ranges(ranges: list[list[TimeRange]], timeline: str, starts: pa.Array[Any], ends: pa.Array[Any]) -> None:
    kind = _TYPE_NAMES[pa.timestamp("ns") if pa.types.is_timestamp(starts.type) else starts.type]
    valid = np.flatnonzero(starts.is_valid().to_numpy(zero_copy_only=False))
    lows, highs = (column.cast(pa.int64()).fill_null(0).to_numpy() for column in (starts, ends))
    for number in valid:
        ranges[number].append(TimeRange(timeline, kind, int(lows[number]), int(highs[number])))


def _descriptor(metadata: dict[bytes, bytes]) -> ComponentDescriptor:
    archetype, component_type = (metadata.get(key) for key in (b"rerun:archetype", b"rerun:component_type"))
    return ComponentDescriptor(
        metadata[b"rerun:component"].decode(),
        archetype.decode() if archetype else None,
        component_type.decode() if component_type else None,
    )


def _combinations(
    present: dict[ComponentDescriptor, npt.NDArray[np.bool_]], rows: int
) -> list[tuple[ComponentDescriptor, ...]]:
    """Which components each chunk has; the same tuple for all that have the same."""
    descriptors = list(present)
    matrix = np.stack(list(present.values()), axis=1) if present else np.zeros((rows, 0), bool)
    made: dict[bytes, tuple[ComponentDescriptor, ...]] = {}
    found = []
    for row in matrix:
        key = row.tobytes()
        if key not in made:
            made[key] = tuple(descriptors[number] for number in np.flatnonzero(row))
        found.append(made[key])
    return found
