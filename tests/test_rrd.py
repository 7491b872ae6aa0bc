"""Framing and protobuf of .rrd messages."""

from __future__ import annotations

import pytest

from rerund_sdk import messages, rrd
from rerund_sdk.errors import BadRrd
from rerund_sdk.tuid import TuidClock, tuid_parts


def arrow_message(payload: bytes, chunk_id: bytes, is_static: bool) -> bytes:
    writer = messages.ArrowMsgWriter(messages.store_id("app", "rec"))
    return writer.head(chunk_id, is_static, len(payload), len(payload), messages.COMPRESSION_NONE) + payload


@pytest.mark.parametrize("size", [0, 1, 127, 128, 20_000, 3_000_000])
def test_an_arrow_message_is_valid_protobuf_with_its_payload_last(size: int) -> None:
    chunk_id = TuidClock().next()
    payload = bytes(size)
    message = arrow_message(payload, chunk_id, is_static=True)
    (frame,) = rrd.frames(message)
    decoded = messages.message_class("ArrowMsg").FromString(message[frame.body])
    assert (decoded.payload, decoded.uncompressed_size, decoded.is_static) == (payload, size, True)
    assert (decoded.chunk_id.time_ns, decoded.chunk_id.inc) == tuid_parts(chunk_id)
    assert decoded.store_id == messages.store_id("app", "rec")
    assert message.endswith(payload)


def test_frames_stop_before_a_torn_message_wherever_it_is_cut() -> None:
    whole = arrow_message(b"x" * 50, TuidClock().next(), False)
    for cut in range(len(whole)):
        assert [frame.end for frame in rrd.frames(whole + whole[:cut])] == [len(whole)]


def test_an_unknown_message_kind_is_an_error_that_names_its_place() -> None:
    with pytest.raises(BadRrd, match="unknown message kind 9 at offset 0"):
        list(rrd.frames(rrd.message_header(9, 0)))


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (rrd.STREAM_HEADER, None),
        (b"RRF0" + bytes(8), "old format"),
        (b"PNG\r\n" + bytes(8), "not an .rrd file"),
        (rrd.STREAM_HEADER[:11], "not an .rrd file"),
        (rrd.STREAM_HEADER[:9] + b"\1\0\0", "unknown stream options"),
    ],
)
def test_a_stream_header_is_checked(head: bytes, says: str | None) -> None:
    if says is None:
        rrd.check_stream_header(head)
        return
    with pytest.raises(BadRrd, match=says):
        rrd.check_stream_header(head)


def test_ids_of_one_clock_rise() -> None:
    clock = TuidClock()
    ids = [clock.next() for _ in range(1000)]
    assert ids == sorted(set(ids))
