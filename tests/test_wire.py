"""The messages between producers and daemon."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerund_sdk import messages, rrd, wire
from rerund_sdk.errors import BadWireMessage

CHUNK_ID = bytes(range(16))
STORE_INFO = messages.store_info_message(messages.store_id("app", "rec"), (1, 2))
BODY = rrd.message_header(rrd.Kind.ARROW, 100) + b"\x0a" * 100
ENTRY = wire.IndexEntry(rrd.Kind.ARROW, 116, CHUNK_ID, "/a", 3, False, (wire.TimeRange("frame", "sequence", -1, 5),))

EVERY_MESSAGE = [
    wire.Hello(wire.PROTOCOL, bytes(16), 1, "host", "name", "app", "rec", "0.1", STORE_INFO, wire.Memory(5, 4096, 77)),
    wire.Welcome(wire.PROTOCOL, "0.1", 7, 1 << 30, "ipc://control", "http://x", "rerun+http://y"),
    wire.Append(1, (ENTRY, ENTRY), (BODY[:40], BODY[40:], BODY)),
    wire.Ack(5, 4),
    wire.Reject("not-now", "the disk is full", 3),
    wire.Ping(),
    wire.Goodbye(9, (wire.Loss("drop-oldest", "/a", 3, 1, 2),)),
    wire.Request(1, "status", {"a": 1}),
    wire.Reply(1, "", {"x": [1]}, False, (BODY,)),
]


MAY_LACK = {
    "t",
    "result",
    "losses",
    "losses_id",
    "remote_control",
    "waiting_bytes",
    "window",
    "wants",
    "memory",
    "shares_memory",
    "lent",
}


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was(message: wire.Message) -> None:
    assert wire.decode(wire.encode(message)) == message


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=lambda message: type(message).__name__)
def test_a_message_that_lacks_a_part_is_refused(message: wire.Message) -> None:
    header, *data = wire.encode(message)
    fields = msgpack.unpackb(header)
    for name in set(fields) - MAY_LACK:
        broken = {key: value for key, value in fields.items() if key != name}
        with pytest.raises(BadWireMessage):
            wire.decode([msgpack.packb(broken), *data])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ((BODY,), "ends before the header of its .rrd message 1"),
        ((BODY, BODY[:-1]), "lacks its last 1 bytes"),
        ((BODY, BODY, b"x"), "bytes after its last"),
        ((BODY, rrd.message_header(rrd.Kind.ARROW, 99) + bytes(99)), "99 bytes of body"),
        ((BODY, b"\x04" + BODY[1:]), "kind 4"),
        ((BODY[:8], BODY[8:], BODY), "ends before the header"),
        ((), "ends before the header"),
    ],
)
def test_an_append_whose_frames_are_not_its_messages_is_refused(data: tuple[bytes, ...], says: str) -> None:
    with pytest.raises(BadWireMessage, match=says):
        wire.decode(wire.encode(wire.Append(1, (ENTRY, ENTRY), data)))


LENDING = wire.Append(1, (ENTRY,), (BODY[:40],), 0, (wire.Lent(1, 4096, len(BODY) - 40),))


def test_a_lent_frame_is_put_where_it_belongs() -> None:
    asked: list[tuple[int, int]] = []

    def borrow(offset: int, size: int) -> memoryview:
        asked.append((offset, size))
        return memoryview(BODY)[40:]

    append = wire.decode(wire.encode(LENDING))
    assert append == LENDING
    assert isinstance(append, wire.Append)
    assert b"".join(wire.completed(append, borrow).data) == BODY
    assert asked == [(4096, len(BODY) - 40)]


@pytest.mark.parametrize("lent", [["x", 0, 1], [1, -1, 5], [1, 2**63, 5], [1, 0, None], [1, 2], 7])
def test_what_is_no_lent_frame_is_refused(lent: object) -> None:
    header, *data = wire.encode(LENDING)
    with pytest.raises(BadWireMessage):
        wire.decode([msgpack.packb(msgpack.unpackb(header) | {"lent": [lent]}), *data])


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_another_protocol_version_is_refused_in_a_sentence(version: object) -> None:
    header, *data = wire.encode(EVERY_MESSAGE[0])
    fields = msgpack.unpackb(header) | {"proto": version}
    with pytest.raises(BadWireMessage, match="install the same rerund version on both sides"):
        wire.decode([msgpack.packb(fields), *data])


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_garbage_is_refused_and_nothing_else_happens(frames: list[bytes]) -> None:
    with pytest.raises(BadWireMessage):
        wire.decode(frames)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8) | st.binary(max_size=16),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.sampled_from(EVERY_MESSAGE).map(lambda message: msgpack.unpackb(wire.encode(message)[0])),
    st.data(),
)
def test_a_header_with_any_value_in_any_field_decodes_or_is_refused(
    header: dict[str, object], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(header)))
    frames = [msgpack.packb(header | {name: data.draw(values)}), STORE_INFO]
    try:
        wire.decode(frames)
    except BadWireMessage as error:
        assert str(error)
