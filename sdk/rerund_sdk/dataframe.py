"""Arrow tables and data frames as rows of a recording.

Each column is an index (a timeline), the row ids, or a component: its metadata says so, as chunks and Rerun's own
tables have it, else the caller. A component goes to the entity that its metadata names, else the batch's metadata, else
its own name (`/entity/path:Archetype:field`), else the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from rerund_sdk import current
from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.chunk import ChunkEncoder, ComponentColumn, TimeColumn
from rerund_sdk.chunk_reader import Chunk, chunk_of
from rerund_sdk.entity_path import normalise
from rerund_sdk.errors import BadData
from rerund_sdk.sorbet import (
    AUTO_INDEX,
    RERUN_KIND,
    RERUN_KIND_CONTROL,
    RERUN_KIND_INDEX,
    SORBET_ARCHETYPE_NAME,
    SORBET_COMPONENT,
    SORBET_COMPONENT_TYPE,
    SORBET_ENTITY_PATH,
    SORBET_INDEX_NAME,
    AutoIndex,
)
from rerund_sdk.strictness import catch_and_log_exceptions
from rerund_sdk.tables import lists_of_items
from rerund_sdk.time import DURATION, SEQUENCE, TIMESTAMP

if TYPE_CHECKING:
    from rerund_sdk.recording import RecordingStream
    from rerund_sdk.sinks import EncodedMessage

_TIME_TYPES: Final = {pa.int64(): SEQUENCE, pa.duration("ns"): DURATION, pa.timestamp("ns"): TIMESTAMP}
_CHUNK_ID: Final = b"rerun:id"


def send_dataframe(
    df: Any, recording: RecordingStream | None = None, *, index: Any = AUTO_INDEX, entity_path: str | None = None
) -> None:
    """Send all rows of an Arrow table or reader, or of a pandas, polars or other data frame.

    index: the name of the column, or names of the columns, that are timelines (int64: a sequence; timestamp[ns];
    duration[ns]); None: the data is static; by default the columns' metadata says it.
    entity_path: where components go that don't say it themselves.
    Raises BadData in strict mode; otherwise warns.
    """
    if found := current.required(recording, "send_dataframe"):
        with catch_and_log_exceptions("send_dataframe"):
            batches = batches_of(df)
            found.send_messages(lambda encoder: _encoded(encoder, batches, index, entity_path))


def send_record_batch(
    batch: pa.RecordBatch,
    recording: RecordingStream | None = None,
    *,
    index: Any = AUTO_INDEX,
    entity_path: str | None = None,
) -> None:
    """Send the rows of one Arrow record batch; see `send_dataframe`."""
    send_dataframe(batch, recording, index=index, entity_path=entity_path)


def send_chunks(chunks: Any, *, recording: RecordingStream | None = None) -> None:
    """Send chunks as they are, with their ids: one or several of `load(...).chunks()` or of Rerun's own."""
    if found := current.required(recording, "send_chunks"):
        with catch_and_log_exceptions("send_chunks"):
            found.send_messages(lambda encoder: map(encoder.encode_as_is, _chunks_of(chunks)))


def _encoded(
    encoder: ChunkEncoder, batches: Iterable[pa.RecordBatch], index: Any, entity_path: str | None
) -> Iterator[EncodedMessage]:
    for batch in batches:
        yield from encode_batch(encoder, batch, index, entity_path)


def batches_of(dataframe: Any) -> Iterator[pa.RecordBatch]:
    """The record batches of a table, batch, reader, or anything with `__arrow_c_stream__` (pandas, polars...)."""
    if isinstance(dataframe, pa.RecordBatch):
        yield dataframe
    elif isinstance(dataframe, pa.Table):
        yield from dataframe.to_batches()
    elif isinstance(dataframe, pa.RecordBatchReader):
        yield from dataframe
    elif hasattr(dataframe, "__arrow_c_stream__"):
        yield from pa.RecordBatchReader.from_stream(dataframe)
    else:
        raise TypeError(f"expected an Arrow table, batch or reader, or a data frame, got {type(dataframe).__name__}")


def encode_batch(
    encoder: ChunkEncoder, batch: pa.RecordBatch, index: Any, entity_path: str | None
) -> Iterator[EncodedMessage]:
    """The messages that hold the rows of `batch`, one for each entity in it. Raises BadData."""
    columns = [_Column(field, column) for field, column in zip(batch.schema, batch.columns, strict=True)]
    metadata = batch.schema.metadata or {}
    is_chunk = _CHUNK_ID in metadata and any(column.kind == RERUN_KIND_CONTROL for column in columns)
    if is_chunk and isinstance(index, AutoIndex) and entity_path is None:
        yield encoder.encode_as_is(chunk_of(batch))
        return
    indexes = _index_columns(columns, index, is_chunk)
    components = [column for column in columns if column not in indexes and column.kind != RERUN_KIND_CONTROL]
    if not components:
        raise BadData("the record batch has no component columns: there is nothing to log")
    default_path = _text(metadata.get(SORBET_ENTITY_PATH))
    by_entity: dict[str, list[ComponentColumn]] = {}
    for column in components:
        path, descriptor = column.described(default_path, entity_path)
        by_entity.setdefault(path, []).append(ComponentColumn(descriptor, lists_of_items(column.array)))
    times = sorted(column.times() for column in indexes)
    for path, entity_components in by_entity.items():
        yield encoder.encode_columns(path, times, entity_components)


class _Column(NamedTuple):
    field: pa.Field[Any]
    array: pa.Array[Any]

    def get(self, key: bytes) -> str | None:
        return _text((self.field.metadata or {}).get(key))

    @property
    def kind(self) -> bytes | None:
        return (self.field.metadata or {}).get(RERUN_KIND)

    def described(self, batch_path: str | None, argument: str | None) -> tuple[str, ComponentDescriptor]:
        """The entity that the component belongs to, and its descriptor."""
        path, component = self.get(SORBET_ENTITY_PATH), self.get(SORBET_COMPONENT)
        path_in_name = None
        if path is None and component is None and self.field.name.startswith("/") and ":" in self.field.name:
            path_in_name, _, component = self.field.name.partition(":")
        descriptor = ComponentDescriptor(
            component or self.field.name, self.get(SORBET_ARCHETYPE_NAME), self.get(SORBET_COMPONENT_TYPE)
        )
        return normalise(path or batch_path or path_in_name or argument or "/"), descriptor

    def times(self) -> TimeColumn:
        name = self.get(SORBET_INDEX_NAME) or self.field.name
        if self.array.null_count:
            raise BadData(f"index column {name!r} has {self.array.null_count} nulls: a row without time is static data")
        kind = self.field.type
        if pa.types.is_timestamp(kind) and kind.unit == "ns":
            kind = pa.timestamp("ns")
        if kind not in _TIME_TYPES:
            raise BadData(
                f"index column {name!r} has type {kind}, must be int64, timestamp[ns] or duration[ns]: cast it"
            )
        values = np.ascontiguousarray(self.array.cast(pa.int64()).to_numpy(zero_copy_only=False))
        return TimeColumn(name, _TIME_TYPES[kind], values)


def _index_columns(columns: Sequence[_Column], index: Any, is_chunk: bool) -> list[_Column]:
    marked = [column for column in columns if column.kind in (RERUN_KIND_INDEX, b"time")]
    if isinstance(index, AutoIndex):
        if not marked and not is_chunk:
            raise BadData(
                "no column of the record batch is marked as an index: "
                "say which ones are timelines by index=, or that the data is static by index=None"
            )
        return marked
    if index is None:
        if marked:
            raise BadData(f"index=None says that the data is static, but column {marked[0].field.name!r} is an index")
        return []
    by_name = {column.field.name: column for column in columns}
    names = [index] if isinstance(index, str) else list(index)
    for name in names:
        if name not in by_name:
            raise BadData(f"index={name!r} is no column of the record batch: it has {', '.join(by_name)}")
    return [by_name[name] for name in names]


def _text(value: bytes | None) -> str | None:
    return value.decode() if value else None


def _chunks_of(chunks: Any) -> Iterator[Chunk]:
    """The chunks in what `send_chunks` takes: ours of `load`, Rerun's own, a record batch, or several of these."""
    if isinstance(chunks, Chunk):
        yield chunks
    elif isinstance(chunks, pa.RecordBatch):
        yield chunk_of(chunks)
    elif hasattr(chunks, "to_record_batch"):
        yield chunk_of(chunks.to_record_batch())
    elif isinstance(chunks, Iterable) and not isinstance(chunks, str | bytes):
        for chunk in chunks:
            yield from _chunks_of(chunk)
    elif hasattr(chunks, "stream"):
        yield from _chunks_of(chunks.stream())
    else:
        raise TypeError(f"send_chunks takes chunks, not {type(chunks).__name__}")
