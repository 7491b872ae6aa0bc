"""A producer made of nothing but a DEALER and wire.py, to say what an SDK would never say."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
import zmq

from rerund_sdk import messages, rrd, wire
from rerund_sdk.tuid import TuidClock, tuid_parts

WAIT_MS = 20_000

M = TypeVar("M")

_clock = TuidClock()


class Message:
    """One .rrd message and its index entry."""

    def __init__(self, entry: wire.IndexEntry, data: bytes) -> None:
        self.entry = entry
        self.data = data


def chunk(
    recording_id: str,
    entity: str,
    values: Sequence[float],
    frames: Sequence[int] | None,
    *,
    application_id: str = "app",
    timelines: Sequence[str] = ("frame",),
    padding: int = 0,
) -> Message:
    """Scalars at `frames` of all `timelines`; static if None. padding: bytes of text to make it large."""
    chunk_id = _clock.next()
    row_ids = pa.array([_clock.next() for _ in values], pa.binary(16))
    columns: list[pa.Array] = [row_ids]
    fields = [
        pa.field(
            "rerun.controls.RowId",
            pa.binary(16),
            nullable=False,
            metadata={"rerun:kind": "control", "ARROW:extension:name": "rerun.datatypes.TUID"},
        )
    ]
    ranges: tuple[wire.TimeRange, ...] = ()
    for timeline in () if frames is None else timelines:
        assert frames is not None
        columns.append(pa.array(frames, pa.int64()))
        index = {"rerun:kind": "index", "rerun:index_name": timeline}
        fields.append(pa.field(timeline, pa.int64(), metadata=index))
        ranges += (wire.TimeRange(timeline, "sequence", min(frames), max(frames)),)
    columns.append(pa.array([[value] for value in values], pa.list_(pa.float64())))
    names = {"rerun:kind": "data", "rerun:component": "Scalars:scalars", "rerun:archetype": "rerun.archetypes.Scalars"}
    fields.append(
        pa.field(
            "Scalars:scalars",
            pa.list_(pa.float64()),
            metadata={**names, "rerun:component_type": "rerun.components.Scalar"},
        )
    )
    if padding:
        columns.append(pa.array([["x" * padding] for _ in values], pa.list_(pa.string())))
        fields.append(
            pa.field("padding", pa.list_(pa.string()), metadata={"rerun:kind": "data", "rerun:component": "padding"})
        )
    metadata = {
        "rerun:id": f"chunk_{chunk_id[:8].hex().upper()}{chunk_id[8:].hex()}",
        "rerun:entity_path": entity,
        "sorbet:version": "0.1.4",
    }
    batch = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, metadata))
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch)
    payload = stream.getvalue().to_pybytes()
    store = messages.store_id(application_id, recording_id)
    head = messages.ArrowMsgWriter(store).head(chunk_id, frames is None, len(payload), len(payload), 1)
    data = head + payload
    return Message(
        wire.IndexEntry(rrd.Kind.ARROW, len(data), chunk_id, entity, len(values), frames is None, ranges), data
    )


def blob(size: int, *, entity: str = "/blob", chunk_id: bytes | None = None) -> Message:
    """A message with right framing and a body of nonsense, which begins as protobuf may."""
    body_size = size - rrd.MESSAGE_HEADER_SIZE
    data = rrd.message_header(rrd.Kind.ARROW, body_size) + b"\x0a" + os.urandom(body_size - 1)
    ranges = (wire.TimeRange("frame", "sequence", 1, 1),)
    return Message(wire.IndexEntry(rrd.Kind.ARROW, size, chunk_id or _clock.next(), entity, 1, False, ranges), data)


class RawProducer:
    """Says hello when it is made, unless told not to."""

    def __init__(
        self,
        endpoint: str,
        recording_id: str = "run",
        *,
        application_id: str = "app",
        producer_id: bytes | None = None,
        greet: bool = True,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        self.producer_id = producer_id or os.urandom(wire.PRODUCER_ID_SIZE)
        self.application_id = application_id
        self.recording_id = recording_id
        self.seq = 0
        self.socket = (context or zmq.Context.instance()).socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.sndhwm = 0
        self.socket.connect(endpoint)
        self.welcome = self.greet() if greet else None

    def __enter__(self) -> RawProducer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def hello(self) -> wire.Hello:
        store = messages.store_id(self.application_id, self.recording_id)
        info = messages.store_info_message(store, tuid_parts(_clock.next()))
        return wire.Hello(
            wire.PROTOCOL,
            self.producer_id,
            os.getpid(),
            socket.gethostname(),
            "raw",
            self.application_id,
            self.recording_id,
            "0",
            info,
        )

    def greet(self) -> wire.Welcome:
        self.send(self.hello())
        return self.receive(wire.Welcome)

    def send(self, message: wire.Message) -> None:
        self.socket.send_multipart(wire.encode(message))

    def append(self, *batch: Message, seq: int | None = None) -> int:
        """Send an append; its number."""
        self.seq = self.seq + 1 if seq is None else seq
        entries = tuple(message.entry for message in batch)
        self.send(wire.Append(self.seq, entries, tuple(message.data for message in batch)))
        return self.seq

    def append_and_wait(self, *batch: Message) -> wire.Ack:
        return self.wait_written(self.append(*batch))

    def wait_written(self, seq: int) -> wire.Ack:
        while True:
            ack = self.receive(wire.Ack)
            if ack.written_seq >= seq:
                return ack

    def wait_synced(self, seq: int) -> wire.Ack:
        while True:
            ack = self.receive(wire.Ack)
            if ack.synced_seq >= seq:
                return ack

    def receive(self, kind: type[M]) -> M:
        """The next message, which must be of this kind."""
        if not self.socket.poll(WAIT_MS):
            raise AssertionError(f"no {kind.__name__} came")
        message = wire.decode(self.socket.recv_multipart())
        assert isinstance(message, kind), message
        return message


def frames_of(data: bytes | memoryview) -> list[bytes]:
    """Each whole message in a file's or a cursor's bytes; a stream header is skipped."""
    start = rrd.STREAM_HEADER_SIZE if bytes(data[: len(rrd.MAGIC)]) == rrd.MAGIC else 0
    return [bytes(data[frame.start : frame.end]) for frame in rrd.frames(data, start)]


def values_of(message: bytes) -> list[float]:
    """The scalars in a chunk made by `chunk`."""
    from rerund.describe import open_chunk

    column = next(c for c in open_chunk(message).components if c.descriptor.component == "Scalars:scalars")
    return [float(value) for value in np.asarray(column.column.flatten())]
