"""Messages of other SDKs: the official one's taken as they are, and what a stock reader would refuse refused here."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import rerun
import rerun.blueprint
from hypothesis import given, settings
from hypothesis import strategies as st

from rerund import foreign
from rerund.foreign import read_message, unwrap, wrap_head
from rerund_sdk import messages, rrd
from rerund_sdk.errors import BadRrd

CHUNK_ID = "chunk_" + "0" * 31 + "1"
ROW_ID = pa.field("rerun.controls.RowId", pa.binary(16), nullable=False, metadata={"rerun:kind": "control"})
FRAME = pa.field("frame", pa.int64(), metadata={"rerun:kind": "index"})
VALUE = pa.field("value", pa.list_(pa.float64()))


def arrow_msg(
    fields: list[pa.Field] | None = None,
    arrays: list[Any] | None = None,
    *,
    metadata: dict[str, str] | None = None,
    options: pa.ipc.IpcWriteOptions | None = None,
    **changed: Any,
) -> memoryview:
    """The body of an ArrowMsg: a good one but for what is changed."""
    fields = [ROW_ID, FRAME, VALUE] if fields is None else fields
    arrays = [[b"r" * 16, b"s" * 16], [7, 3], [[1.5], None]] if arrays is None else arrays
    schema = pa.schema(fields, {"rerun:id": CHUNK_ID, "rerun:entity_path": "/a/b"} if metadata is None else metadata)
    batch = pa.record_batch([pa.array(a, f.type) for a, f in zip(arrays, fields, strict=True)], schema=schema)
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, schema, options=options) as writer:
        writer.write_batch(batch)
    payload = stream.getvalue().to_pybytes()
    return body_of(payload, **changed)


def body_of(payload: bytes, **changed: Any) -> memoryview:
    good = {
        "store_id": messages.store_id("app", "run"),
        "compression": messages.COMPRESSION_NONE,
        "uncompressed_size": len(payload),
        "encoding": messages.ENCODING_ARROW_IPC,
        "payload": payload,
    }
    return memoryview(messages.message_class("ArrowMsg")(**{**good, **changed}).SerializeToString())


def refused(body: memoryview) -> str:
    with pytest.raises(BadRrd) as error:
        read_message(rrd.Kind.ARROW, body)
    return str(error.value)


def test_every_message_of_the_official_sdk_passes_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "official.rrd"
    recording = rerun.RecordingStream("my_app", recording_id="run")
    recording.save(path)
    for frame in range(5):
        recording.set_time("frame", sequence=frame)
        recording.set_time("t", duration=0.5 * frame)
        recording.log("world/point", rerun.Points3D([[1, 2, 3]]))
    recording.log("note", rerun.TextLog("hi"), static=True)
    recording.send_blueprint(rerun.blueprint.Blueprint(rerun.blueprint.Spatial3DView()))
    recording.disconnect()
    data = path.read_bytes()
    seen = []
    for frame in rrd.frames(data, rrd.STREAM_HEADER_SIZE):
        if frame.kind == rrd.Kind.END:
            break
        body = data[frame.body]
        kind, unwrapped = unwrap(wrap_head(frame.kind, len(body)) + body)
        message = read_message(kind, unwrapped)
        assert b"".join(message.data) == data[frame.start : frame.end]
        assert message.entry.size == frame.end - frame.start
        seen.append(message)
    points = [each.entry for each in seen if each.entry.entity_path == "/world/point"]
    assert sum(entry.rows for entry in points) == 5
    ranges = {found.timeline: found for entry in points for found in entry.ranges}
    assert ranges["frame"][1:] == ("sequence", 0, 4)
    assert ranges["t"][1:] == ("duration", 0, 2_000_000_000)
    assert ranges["log_time"].type == "timestamp"
    note = next(each for each in seen if each.entry.entity_path == "/note")
    assert (note.entry.static, note.entry.rows, note.entry.ranges) == (True, 1, ())
    assert note.store == foreign.StoreName(messages.STORE_KIND_RECORDING, "my_app", "run")
    of_blueprint = [each for each in seen if each.store.is_blueprint]
    assert {each.entry.kind for each in of_blueprint} == {1, 2, 3}
    assert {each.entry.entity_path for each in of_blueprint} == {""}
    assert all(each.store.application_id == "my_app" for each in of_blueprint)


def test_the_entry_of_a_chunk_says_what_is_in_it() -> None:
    entry = read_message(rrd.Kind.ARROW, arrow_msg()).entry
    assert (entry.kind, entry.entity_path, entry.rows, entry.static) == (rrd.Kind.ARROW, "/a/b", 2, False)
    assert entry.chunk_id == bytes(15) + b"\x01"
    assert [tuple(found) for found in entry.ranges] == [("frame", "sequence", 3, 7)]


def test_what_a_reader_forgives_is_taken() -> None:
    bare = pa.field("value", pa.float64())
    assert read_message(rrd.Kind.ARROW, arrow_msg([ROW_ID, bare], [[b"r" * 16], [1.0]])).entry.static
    assert read_message(rrd.Kind.ARROW, arrow_msg([ROW_ID, FRAME, VALUE], [[], [], []])).entry.ranges == ()
    for compression in ("lz4", "zstd"):
        options = pa.ipc.IpcWriteOptions(compression=compression)
        assert read_message(rrd.Kind.ARROW, arrow_msg(options=options)).entry.rows == 2
    zoned = pa.field("t", pa.timestamp("ns", "UTC"), metadata={"rerun:kind": "index"})
    entry = read_message(rrd.Kind.ARROW, arrow_msg([ROW_ID, zoned, VALUE], [[b"r" * 16], [5], [[1.0]]])).entry
    assert entry.ranges[0].type == "timestamp"


def test_an_application_id_is_known_by_the_name_that_readers_give_it() -> None:
    message = read_message(rrd.Kind.ARROW, arrow_msg(store_id=messages.store_id("a/b", "run")))
    assert message.store.application_id == "a-b5aae"


UNIX_SECONDS = pa.field("t", pa.timestamp("s"), metadata={"rerun:kind": "index"})
UNSIGNED = pa.field("frame", pa.uint64(), metadata={"rerun:kind": "index"})
TWO_ROWS = [b"r" * 16, b"s" * 16]

REFUSED: dict[str, tuple[Callable[[], memoryview], str]] = {
    "no store": (lambda: arrow_msg(store_id=None), "no store id"),
    "other encoding": (lambda: arrow_msg(encoding=2), "has encoding 2, must be 1"),
    "other compression": (lambda: arrow_msg(compression=3), "has compression 3, must be 0, 1 (none) or 2 (LZ4)"),
    "no lz4": (lambda: arrow_msg(compression=2), "is no LZ4 block"),
    "lz4 bomb": (lambda: arrow_msg(compression=2, uncompressed_size=1 << 40), "claims 1099511627776 bytes"),
    "empty payload": (lambda: body_of(b""), "no Arrow IPC stream"),
    "nonsense payload": (lambda: body_of(b"nonsense" * 100), "no Arrow IPC stream"),
    "no row ids": (lambda: arrow_msg([FRAME, VALUE], [[1], [[1.0]]]), "no column of row ids"),
    "wide row ids": (
        lambda: arrow_msg([ROW_ID.with_type(pa.binary(17)), VALUE], [[b"r" * 17], [[1.0]]]),
        "no column of row ids",
    ),
    "no id": (lambda: arrow_msg(metadata={"rerun:entity_path": "/a"}), "rerun:id ''"),
    "bad id": (lambda: arrow_msg(metadata={"rerun:id": "row_12", "rerun:entity_path": "/a"}), "rerun:id 'row_12'"),
    "no entity": (lambda: arrow_msg(metadata={"rerun:id": CHUNK_ID}), "no rerun:entity_path"),
    "seconds": (
        lambda: arrow_msg([ROW_ID, UNIX_SECONDS, VALUE], [TWO_ROWS, [1, 2], [[1.0], None]]),
        "timeline 't' has type timestamp[s], must be",
    ),
    "unsigned": (
        lambda: arrow_msg([ROW_ID, UNSIGNED, VALUE], [TWO_ROWS, [1, 2], [[1.0], None]]),
        "timeline 'frame' has type uint64, must be",
    ),
    "null time": (
        lambda: arrow_msg([ROW_ID, FRAME, VALUE], [TWO_ROWS, [1, None], [[1.0], None]]),
        "has 1 nulls",
    ),
    "same timeline": (
        lambda: arrow_msg([ROW_ID, FRAME, FRAME, VALUE], [TWO_ROWS, [1, 2], [1, 2], [[1.0], None]]),
        "two index columns of one timeline",
    ),
    "same component": (
        lambda: arrow_msg([ROW_ID, VALUE, VALUE], [TWO_ROWS, [[1.0], None], [[1.0], None]]),
        "two columns of one component",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_stock_reader_would_refuse_is_refused_in_a_sentence(case: str) -> None:
    make, sentence = REFUSED[case]
    said = refused(make())
    assert sentence in said
    assert "\n" not in said


def test_buffers_that_claim_more_than_the_limit_are_not_decompressed() -> None:
    many = [[float(i) for i in range(100_000)]]
    body = arrow_msg([ROW_ID, VALUE], [[b"r" * 16], many], options=pa.ipc.IpcWriteOptions(compression="zstd"))
    assert read_message(rrd.Kind.ARROW, body, limit=900_000).entry.rows == 1
    with pytest.raises(BadRrd, match=r"claim \d+ bytes when decompressed, over 700000"):
        read_message(rrd.Kind.ARROW, body, limit=700_000)


def test_a_request_without_exactly_one_message_is_refused() -> None:
    with pytest.raises(BadRrd, match=r"WriteMessagesRequest\.log_msg is given 0 times"):
        unwrap(b"")
    with pytest.raises(BadRrd, match=r"LogMsg\.msg is given 0 times"):
        unwrap(b"\x0a\x00")
    with pytest.raises(BadRrd, match="given 2 times"):
        unwrap(wrap_head(1, 0) * 2)
    with pytest.raises(BadRrd, match="undecodable protobuf"):
        unwrap(b"\x0a\xff")


def test_a_made_up_store_info_is_one_that_we_would_take() -> None:
    data = foreign.made_up_store_info(messages.store_id("app", "run"))
    kind, length = rrd.frame_header(data, 0)
    assert length == len(data) - rrd.MESSAGE_HEADER_SIZE
    body = memoryview(data)[rrd.MESSAGE_HEADER_SIZE :]
    assert read_message(rrd.Kind(kind), body).store == foreign.StoreName(1, "app", "run")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_at_any_place_is_taken_or_refused_but_never_worse(data: st.DataObject) -> None:
    body = bytearray(arrow_msg())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    for damaged in (bytes(body), bytes(body[:cut])):
        with contextlib.suppress(BadRrd):
            kind, unwrapped = unwrap(wrap_head(rrd.Kind.ARROW, len(damaged)) + damaged)
            read_message(kind, unwrapped, limit=1 << 20)


def test_a_walk_through_a_damaged_flatbuffer_ends() -> None:
    """Every u32 of the payload set to large values in turn: no crash, and no error but BadRrd."""
    payload = bytes(messages.message_class("ArrowMsg").FromString(bytes(arrow_msg())).payload)
    for at in range(0, len(payload) - 4, 4):
        for value in (0xFFFFFFFF, 0x7FFFFFFF, len(payload), 0x10000):
            damaged = payload[:at] + struct.pack("<I", value) + payload[at + 4 :]
            with contextlib.suppress(BadRrd):
                read_message(rrd.Kind.ARROW, body_of(damaged), limit=1 << 20)
