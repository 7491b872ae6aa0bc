"""What other programs' SDKs send, taken as it is: which store a message belongs to, and its index entry.

Rule: not a byte of a body changes; it only gets the header of an .rrd message instead of what gRPC put around it.
Rule: BadRrd, in one sentence, for all that a stock reader would refuse, since it would stay in the log for good.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from rerund.describe import chunk_entry, is_of_blueprint
from rerund_sdk import messages, rrd, wire
from rerund_sdk.chunk_reader import MAX_CHUNK_BYTES, parse_arrow_msg, read_chunk
from rerund_sdk.errors import BadRrd
from rerund_sdk.names import application_id
from rerund_sdk.protobuf import BYTES, Field, fields
from rerund_sdk.tuid import TuidClock, tuid_parts

_LOG_MSG: Final = 1  # the field of WriteMessagesRequest


class StoreName(NamedTuple):
    """Which store a message is of."""

    kind: int  # messages.STORE_KIND_...
    application_id: str  # as readers map it; "" if the message does not say
    recording_id: str

    @property
    def is_blueprint(self) -> bool:
        return self.kind == messages.STORE_KIND_BLUEPRINT


class ForeignMessage(NamedTuple):
    """One message from another SDK."""

    store: StoreName
    store_id: Any  # the StoreId as it came
    entry: wire.IndexEntry
    data: tuple[bytes, memoryview]  # the whole .rrd message: header, body


def unwrap(request: bytes) -> tuple[rrd.Kind, memoryview]:
    """(kind, body) of the one message in a WriteMessagesRequest. Raises BadRrd."""
    view = memoryview(request)
    log_msg = _only_message(view, 0, len(view), "WriteMessagesRequest.log_msg", (_LOG_MSG,))
    body = _only_message(view, log_msg.start, log_msg.end, "LogMsg.msg", (1, 2, 3))
    return rrd.Kind(body.number), view[body.start : body.end]


def _only_message(view: memoryview, start: int, end: int, name: str, numbers: tuple[int, ...]) -> Field:
    found = [each for each in fields(view, start, end) if each.wire_type == BYTES and each.number in numbers]
    if len(found) != 1:
        raise BadRrd(f"{name} is given {len(found)} times, must be given once")
    return found[0]


def wrap_head(kind: int, size: int) -> bytes:
    """What comes before a body of `size` bytes in a ReadMessagesResponse."""
    log_msg = messages.varint(kind << 3 | BYTES) + messages.varint(size)
    return messages.varint(_LOG_MSG << 3 | BYTES) + messages.varint(len(log_msg) + size) + log_msg


def read_message(kind: rrd.Kind, body: memoryview, limit: int = MAX_CHUNK_BYTES) -> ForeignMessage:
    """All that the daemon must know of a message; a chunk may take `limit` bytes when decompressed. Raises BadRrd."""
    size = rrd.MESSAGE_HEADER_SIZE + len(body)
    if kind == rrd.Kind.ARROW:
        message = parse_arrow_msg(body)
        store_id = _decoded("StoreId", message.store_id)
        entry = chunk_entry(read_chunk(message, limit), size, is_of_blueprint(message.store_id))
    else:
        store_id = _store_id(kind, body)
        entry = wire.IndexEntry(kind, size, b"", "", 0, False, ())
    return ForeignMessage(_name(store_id), store_id, entry, (rrd.message_header(kind, len(body)), body))


def made_up_store_info(store_id: Any) -> bytes:
    """A whole SetStoreInfo message for a store whose own has not come: of a source unknown."""
    nanos, counter = tuid_parts(TuidClock().next())
    body: bytes = messages.message_class("SetStoreInfo")(
        row_id={"time_ns": nanos, "inc": counter}, info={"store_id": store_id, "store_source": {}}
    ).SerializeToString()
    return rrd.message_header(rrd.Kind.STORE_INFO, len(body)) + body


def _store_id(kind: rrd.Kind, body: memoryview) -> Any:
    if kind == rrd.Kind.BLUEPRINT_ACTIVATION:
        command = _decoded("BlueprintActivationCommand", body)
        if not command.HasField("blueprint_id"):
            raise BadRrd("a BlueprintActivationCommand has no blueprint_id")
        return command.blueprint_id
    info = _decoded("SetStoreInfo", body)
    missing = [
        name
        for name, message, field in (
            ("row_id", info, "row_id"),
            ("info.store_id", info.info, "store_id"),
            ("info.store_source", info.info, "store_source"),
        )
        if not message.HasField(field)
    ]
    if missing:
        raise BadRrd(f"a SetStoreInfo has no {' and no '.join(missing)}")
    store_id = info.info.store_id
    if not store_id.application_id.id:
        store_id.application_id.CopyFrom(info.info.application_id)
    return store_id


def _decoded(name: str, data: bytes | memoryview) -> Any:
    try:
        return messages.message_class(name).FromString(bytes(data))
    except DecodeError as error:
        raise BadRrd(f"undecodable {name}: {error}") from None


def _name(store_id: Any) -> StoreName:
    kind = store_id.kind if store_id.kind == messages.STORE_KIND_BLUEPRINT else messages.STORE_KIND_RECORDING
    return StoreName(kind, _mapped(store_id.application_id.id), store_id.recording_id)


@functools.lru_cache(1024)
def _mapped(application: str) -> str:
    with warnings.catch_warnings():  # the sender's SDK has told its user already
        warnings.simplefilter("ignore")
        return application_id(application) if application else ""
