"""Chunks that a program makes itself, looks into and sends. Mirrors `rerun.chunk.Chunk`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from rerund_sdk import messages
from rerund_sdk.chunk import ChunkEncoder
from rerund_sdk.chunk_reader import Chunk as Decoded
from rerund_sdk.chunk_reader import chunk_of, parse_arrow_msg, read_chunk
from rerund_sdk.column_chunk import encode
from rerund_sdk.dataframe import batches_of, encode_batch
from rerund_sdk.entity_path import escape_part, normalise
from rerund_sdk.rrd import MESSAGE_HEADER_SIZE
from rerund_sdk.sorbet import AUTO_INDEX, RECORDING_PROPERTIES_PATH
from rerund_sdk.tuid import TuidClock

if TYPE_CHECKING:
    from rerund_sdk.column_chunk import ComponentColumnLike, TimeColumnLike
    from rerund_sdk.sinks import EncodedMessage


class Chunk:
    """Rows of one entity: a record batch with the metadata that says what its columns are. `send_chunks` sends it."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        """Raises BadRrd if `batch` lacks that metadata; see `from_record_batch` for any other."""
        self._chunk: Decoded = chunk_of(batch)

    @classmethod
    def from_columns(
        cls, entity_path: str, indexes: Iterable[TimeColumnLike], columns: Iterable[ComponentColumnLike]
    ) -> Chunk:
        """The chunk that `send_columns` would send. Raises BadData."""
        return cls._decoded(encode(_encoder(), normalise(entity_path), indexes, columns))

    @classmethod
    def from_record_batch(
        cls, record_batch: pa.RecordBatch, *, index: Any = AUTO_INDEX, entity_path: str | None = None
    ) -> list[Chunk]:
        """The chunks, one for each entity, that `send_record_batch` would send. Raises BadData."""
        return [cls._decoded(message) for message in encode_batch(_encoder(), record_batch, index, entity_path)]

    @classmethod
    def from_dataframe(
        cls, dataframe: Any, *, index: Any = AUTO_INDEX, entity_path: str | None = None
    ) -> Iterator[Chunk]:
        """The chunks that `send_dataframe` would send, made one after the other. Raises BadData."""
        for batch in batches_of(dataframe):
            yield from cls.from_record_batch(batch, index=index, entity_path=entity_path)

    @classmethod
    def from_property(cls, name: str, values: Any) -> Chunk:
        """The static chunk that `send_property` would send."""
        batches = values.as_component_batches() if hasattr(values, "as_component_batches") else list(values)
        columns = [batch.partition([len(batch.as_arrow_array())]) for batch in batches]
        return cls.from_columns(f"{RECORDING_PROPERTIES_PATH}/{escape_part(name)}", [], columns)

    @classmethod
    def _decoded(cls, message: EncodedMessage) -> Chunk:
        body = b"".join(message.data)[MESSAGE_HEADER_SIZE:]
        return cls(read_chunk(parse_arrow_msg(body)).batch)

    @property
    def id(self) -> str:
        metadata: dict[bytes, bytes] = self._chunk.batch.schema.metadata
        return metadata[b"rerun:id"].decode()

    @property
    def entity_path(self) -> str:
        return self._chunk.entity_path

    @property
    def num_rows(self) -> int:
        return self._chunk.rows

    @property
    def num_columns(self) -> int:
        return len(self._chunk.batch.schema)

    @property
    def is_static(self) -> bool:
        return not self._chunk.indexes

    @property
    def is_empty(self) -> bool:
        return self._chunk.rows == 0

    @property
    def timeline_names(self) -> list[str]:
        return [index.timeline for index in self._chunk.indexes]

    def to_record_batch(self) -> pa.RecordBatch:
        return self._chunk.batch

    def with_entity_path(self, entity_path: str) -> Chunk:
        """The same rows at another entity, as a chunk with an id of its own."""
        text = TuidClock().next().hex()
        own = {"rerun:entity_path": normalise(entity_path), "rerun:id": f"chunk_{text[:16].upper()}{text[16:]}"}
        batch = self._chunk.batch
        metadata = {key.decode(): value.decode() for key, value in batch.schema.metadata.items()}
        return Chunk(batch.replace_schema_metadata({**metadata, **own}))

    def format(self) -> str:
        """Its id, entity and columns, for people."""
        batch = self._chunk.batch
        columns = [f"  {name}: {batch[name].to_pylist()!r:.200}" for name in batch.schema.names]
        return "\n".join([repr(self), *columns])

    __str__ = format

    def __repr__(self) -> str:
        what = f"id={self.id}, entity_path={self.entity_path}, num_rows={self.num_rows}, num_columns={self.num_columns}"
        return f"Chunk({what})"

    def __len__(self) -> int:
        return self.num_rows


def _encoder() -> ChunkEncoder:
    """Its messages are opened again at once: the store that they name plays no part."""
    return ChunkEncoder(messages.ArrowMsgWriter(messages.store_id("", "")))
