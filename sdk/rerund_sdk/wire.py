"""The messages between producers and daemon over ZeroMQ, declared once: values in, frames out, and back.

Form: a multipart message; its first frame is a msgpack map, `t` naming the message; what follows are raw frames.
Rule: no socket, clock or log here. `decode` takes frames from anybody and raises BadWireMessage, in one sentence that
is sent back to them; it never trusts a size. A map key that is not known is ignored: within one protocol version
messages may grow. The version itself is checked in `hello` and `welcome`, first of all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

import msgpack

from rerund_sdk import rrd
from rerund_sdk.errors import BadWireMessage, WrongVersion
from rerund_sdk.tuid import TUID_SIZE

PROTOCOL: Final = 1
PRODUCER_ID_SIZE: Final = 16
MAX_HEADER_BYTES: Final = 4 * 1024 * 1024  # of the msgpack frame; an append of many small chunks stays far below
UNLIMITED: Final = 2**63 - 1  # bytes
MAX_NAME_LENGTH: Final = 4096  # characters of an id, an entity path, a timeline name

Frames: TypeAlias = Sequence[bytes | memoryview]


class TimeRange(NamedTuple):
    """Where a chunk lies on one timeline."""

    timeline: str
    type: str  # "sequence" (no unit) | "duration" (ns) | "timestamp" (ns since the epoch)
    min: int
    max: int


class IndexEntry(NamedTuple):
    """What the daemon knows of one .rrd message without decoding it."""

    kind: int  # rrd.Kind
    size: int  # bytes, 16-byte header included
    chunk_id: bytes  # 16 bytes; empty for a message that is no chunk
    entity_path: str
    rows: int
    static: bool
    ranges: tuple[TimeRange, ...]


class Memory(NamedTuple):
    """A memory file that a producer shares with the daemon of its machine: a memfd, sealed against shrinking."""

    fd: int  # in the producer's process
    size: int  # bytes
    inode: int  # so that another file of that number is not taken for it


class Lent(NamedTuple):
    """A frame of an append that lies in the producer's memory file and is not sent."""

    frame: int  # its number among the frames of the append, once all of them are there
    offset: int  # bytes
    size: int  # bytes


class Hello(NamedTuple):
    """First message of a producer, and again after every reconnect."""

    proto: int
    producer_id: bytes  # 16 random bytes: one process's part in one recording
    pid: int
    host: str
    name: str  # of the program, for people
    application_id: str
    recording_id: str
    sdk_version: str
    store_info: bytes  # a whole SetStoreInfo message
    memory: Memory | None = None  # from which the daemon may take frames; None: all are sent


class Welcome(NamedTuple):
    """The daemon's answer to hello: from here on it takes appends."""

    proto: int
    daemon_version: str
    written_seq: int  # the last append of this producer that is in the log; 0 if none is known
    max_message_bytes: int  # larger .rrd messages are rejected
    control: str  # endpoint for requests
    http: str  # base URL of the web pages
    grpc: str  # URL for Rerun viewers
    window: int = UNLIMITED  # bytes that the producer may have on its way to the daemon, not yet acked
    remote_control: str = ""  # endpoint for requests from other machines; "" if there is none
    shares_memory: bool = False  # the daemon sees the memory of hello: frames may be lent


class Append(NamedTuple):
    """One or more whole .rrd messages for the log, in order."""

    seq: int  # 1, 2, 3... for each producer
    entries: tuple[IndexEntry, ...]
    data: tuple[bytes | memoryview, ...]  # together exactly the messages that `entries` names
    waiting_bytes: int = 0  # that the producer keeps behind this append, about
    lent: tuple[Lent, ...] = ()  # frames that `data` lacks, by rising number; see `completed`


class Ack(NamedTuple):
    """Up to where the daemon has this producer's appends."""

    written_seq: int  # survives a crash of the daemon
    synced_seq: int  # survives a power cut
    losses_id: bytes = b""  # of the last declared losses that are in the log, too; empty: of none
    window: int = UNLIMITED  # bytes that the producer may have on its way from now on; 0: it waits


class Reject(NamedTuple):
    """The daemon did not take a message."""

    code: str  # "unknown-producer" (say hello first) | "version" | "bad-message" | "not-now" (keep it, send it later)
    reason: str  # one sentence
    seq: int  # of the append that was refused; 0 if it was none


class Loss(NamedTuple):
    """Rows that a producer had to give up."""

    cause: str
    entity_path: str
    rows: int
    first_nanos: int  # when the first and the last of them were logged, since the epoch
    last_nanos: int


class Ping(NamedTuple):
    """A producer that has nothing to send is still there; answered with an ack. It may declare losses.

    One with a message that its window has no room for asks for a turn: an ack with a larger window gives it.
    """

    losses: tuple[Loss, ...] = ()
    losses_id: bytes = b""  # 16 bytes: the id of their chunk in the log; the same until an ack names it
    wants: int = 0  # bytes of the message; 0: no turn is asked for


class Goodbye(NamedTuple):
    """A producer's last message. It may declare losses."""

    last_seq: int
    losses: tuple[Loss, ...]
    losses_id: bytes = b""


class Request(NamedTuple):
    """A control request; `id` comes back in its replies."""

    id: int
    verb: str
    args: dict[str, Any]


class Reply(NamedTuple):
    """Answer to a request. `more`: others follow (a subscription). `data`: whole .rrd messages, where asked for."""

    id: int
    error: str  # one sentence; empty when all went well
    result: Any
    more: bool
    data: tuple[bytes | memoryview, ...]


Message: TypeAlias = Hello | Welcome | Append | Ack | Reject | Ping | Goodbye | Request | Reply

_NAMES: Final[dict[type[Any], str]] = {
    Hello: "hello",
    Welcome: "welcome",
    Append: "append",
    Ack: "ack",
    Reject: "reject",
    Ping: "ping",
    Goodbye: "goodbye",
    Request: "request",
    Reply: "reply",
}


def encode(message: Message) -> list[bytes | memoryview]:
    """The frames of `message`."""
    header: dict[str, Any] = {"t": _NAMES[type(message)], **message._asdict()}
    data: Frames = ()
    if isinstance(message, Hello):
        data = (header.pop("store_info"),)
    elif isinstance(message, (Append, Reply)):
        data = header.pop("data")
        if not header.get("lent", True):
            del header["lent"]
    return [cast(bytes, msgpack.packb(header)), *data]


def decode(frames: Frames) -> Message:
    """The message that `frames` are. Raises BadWireMessage."""
    header = _header(frames)
    kind = header.get("t")
    data = tuple(frames[1:])
    try:
        if kind == "append":
            return _append(header, data)
        if kind == "hello":
            return _hello(header, data)
        if kind == "ack":
            window = _count({"window": UNLIMITED, **header}, "window")
            return Ack(_count(header, "written_seq"), _count(header, "synced_seq"), _losses_id(header), window)
        if kind == "ping":
            return Ping(_losses(header), _losses_id(header), _count({"wants": 0, **header}, "wants"))
        if kind == "welcome":
            _check_version(header, "daemon")
            return Welcome(
                PROTOCOL,
                _text(header, "daemon_version"),
                _count(header, "written_seq"),
                _count(header, "max_message_bytes"),
                _text(header, "control"),
                _text(header, "http"),
                _text(header, "grpc"),
                _count({"window": UNLIMITED, **header}, "window"),
                _text({"remote_control": "", **header}, "remote_control"),
                _value({"shares_memory": False, **header}, "shares_memory", bool),
            )
        if kind == "reject":
            return Reject(_text(header, "code"), _text(header, "reason"), _count(header, "seq"))
        if kind == "goodbye":
            return Goodbye(_count(header, "last_seq"), _losses(header), _losses_id(header))
        if kind == "request":
            return Request(_count(header, "id"), _text(header, "verb"), _value(header, "args", dict))
        if kind == "reply":
            return Reply(
                _count(header, "id"), _text(header, "error"), header.get("result"), _value(header, "more", bool), data
            )
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise BadWireMessage(f"malformed {kind} message: {error}") from error
    raise BadWireMessage(f"unknown message type {kind!r}: protocol {PROTOCOL} has {', '.join(_NAMES.values())}")


def _header(frames: Frames) -> dict[str, Any]:
    if not frames or len(frames[0]) > MAX_HEADER_BYTES:
        size = len(frames[0]) if frames else 0
        raise BadWireMessage(f"message header has {size} bytes, must have 1 to {MAX_HEADER_BYTES}")
    try:
        header = msgpack.unpackb(frames[0], strict_map_key=True)
    except Exception as error:  # msgpack raises many kinds; to the sender they are all one
        raise BadWireMessage(f"message header is not msgpack: {type(error).__name__} {error}".rstrip()) from error
    if not isinstance(header, dict):
        raise BadWireMessage(f"message header is a {type(header).__name__}, must be a map")
    return header


def _hello(header: dict[str, Any], data: tuple[bytes | memoryview, ...]) -> Hello:
    _check_version(header, "SDK")
    producer_id = _value(header, "producer_id", bytes)
    if len(producer_id) != PRODUCER_ID_SIZE:
        raise BadWireMessage(f"producer_id has {len(producer_id)} bytes, must have {PRODUCER_ID_SIZE}")
    if len(data) != 1:
        raise BadWireMessage(f"hello has {len(data)} frames after its header, must have 1: the SetStoreInfo message")
    if len(data[0]) > MAX_HEADER_BYTES:
        raise BadWireMessage(f"hello has a SetStoreInfo message of {len(data[0])} bytes, over {MAX_HEADER_BYTES}")
    store_info = bytes(data[0])
    if len(store_info) < rrd.MESSAGE_HEADER_SIZE or rrd.frame_header(store_info, 0) != (
        rrd.Kind.STORE_INFO,
        len(store_info) - rrd.MESSAGE_HEADER_SIZE,
    ):
        raise BadWireMessage("hello's second frame is not one whole SetStoreInfo message")
    return Hello(
        PROTOCOL,
        producer_id,
        _count(header, "pid"),
        _text(header, "host"),
        _text(header, "name"),
        _text(header, "application_id"),
        _text(header, "recording_id"),
        _text(header, "sdk_version"),
        store_info,
        _memory(header),
    )


def _append(header: dict[str, Any], data: tuple[bytes | memoryview, ...]) -> Append:
    entries = tuple(_entry(*fields) for fields in _value(header, "entries", list))
    seq = _count(header, "seq")
    if seq < 1 or not entries:
        raise BadWireMessage(f"append has seq {seq} and {len(entries)} entries, must have at least 1 of each")
    lent = tuple(_lent(*fields) for fields in _value(header, "lent", list)) if "lent" in header else ()
    if not lent:
        check_framing(entries, data)
    return Append(seq, entries, data, _count({"waiting_bytes": 0, **header}, "waiting_bytes"), lent)


def completed(append: Append, borrow: Callable[[int, int], memoryview]) -> Append:
    """The append with the frames that were lent: `borrow` gives them by offset and size. Raises BadWireMessage.

    Nothing that the log's form hangs on may lie in memory that the producer can still write to: a message's header, and
    the byte behind it, come in a frame that was sent.
    """
    data = list(append.data)
    for lent in append.lent:
        if lent.frame > len(data):
            raise BadWireMessage(f"append lends frame {lent.frame}, and has {len(data)} before it")
        data.insert(lent.frame, borrow(lent.offset, lent.size))
    check_framing(append.entries, data, frozenset(lent.frame for lent in append.lent))
    return append._replace(data=tuple(data), lent=())


def check_framing(entries: Sequence[IndexEntry], data: Frames, lent: Collection[int] = ()) -> None:
    """Raise BadWireMessage unless `data`, joined, is exactly the whole .rrd messages that `entries` names.

    Reads only the 16-byte headers: a header never straddles two frames (producers cut behind the head of a message).
    lent: the numbers of frames that must not hold any.
    """
    frame, at = 0, 0  # the place in `data` that is checked
    for number, entry in enumerate(entries):
        while frame < len(data) and at == len(data[frame]):
            frame, at = frame + 1, 0
        if frame == len(data) or len(data[frame]) - at < rrd.MESSAGE_HEADER_SIZE:
            raise BadWireMessage(f"append ends before the header of its .rrd message {number} of {len(entries)}")
        if frame in lent or (at + rrd.MESSAGE_HEADER_SIZE == len(data[frame]) and frame + 1 in lent):
            raise BadWireMessage(f"the beginning of .rrd message {number} lies in shared memory: send that part")
        kind, length = rrd.frame_header(data[frame], at)
        if (kind, length + rrd.MESSAGE_HEADER_SIZE) != (entry.kind, entry.size):
            raise BadWireMessage(
                f".rrd message {number} has kind {kind} and {length} bytes of body, "
                f"its index entry says kind {entry.kind} and {entry.size - rrd.MESSAGE_HEADER_SIZE}"
            )
        if length and _first_of_body(data, frame, at + rrd.MESSAGE_HEADER_SIZE) == 0:
            raise BadWireMessage(f".rrd message {number} begins with a zero byte: that is no protobuf")
        left = entry.size
        while left:
            if frame == len(data):
                raise BadWireMessage(f".rrd message {number} of {len(entries)} lacks its last {left} bytes")
            step = min(left, len(data[frame]) - at)
            left, at = left - step, at + step
            if left:
                frame, at = frame + 1, 0
    if frame < len(data) and (at < len(data[frame]) or any(len(rest) for rest in data[frame + 1 :])):
        raise BadWireMessage("append has bytes after its last .rrd message")


def _first_of_body(data: Frames, frame: int, at: int) -> int | None:
    """The byte that follows a message header; None if nothing does."""
    if at < len(data[frame]):
        return data[frame][at]
    return next((part[0] for part in data[frame + 1 :] if len(part)), None)


def _entry(
    kind: Any, size: Any, chunk_id: Any, entity_path: Any, rows: Any, static: Any, ranges: Any, *_: Any
) -> IndexEntry:
    if kind not in (rrd.Kind.STORE_INFO, rrd.Kind.ARROW, rrd.Kind.BLUEPRINT_ACTIVATION):
        raise BadWireMessage(f"index entry has message kind {kind!r}, must be 1, 2 or 3")
    if type(size) is not int or size < rrd.MESSAGE_HEADER_SIZE:
        raise BadWireMessage(f"index entry has size {size!r}, must be at least {rrd.MESSAGE_HEADER_SIZE}")
    if type(chunk_id) is not bytes or len(chunk_id) not in (0, 16):
        raise BadWireMessage(f"index entry has chunk id {chunk_id!r}, must be 16 bytes, or none")
    if type(entity_path) is not str or len(entity_path) > MAX_NAME_LENGTH:
        raise BadWireMessage(f"index entry has an entity path that is no text of at most {MAX_NAME_LENGTH} characters")
    if type(rows) is not int or not 0 <= rows < 2**32 or type(static) is not bool:
        raise BadWireMessage(f"index entry has rows {rows!r} and static {static!r}, must be a u32 and a bool")
    return IndexEntry(kind, size, chunk_id, entity_path, rows, static, tuple(_range(*fields) for fields in ranges))


def _range(timeline: Any, type_name: Any, low: Any, high: Any, *_: Any) -> TimeRange:
    if type(timeline) is not str or len(timeline) > MAX_NAME_LENGTH:
        raise BadWireMessage(f"index entry has a timeline that is no text of at most {MAX_NAME_LENGTH} characters")
    if type_name not in ("sequence", "duration", "timestamp"):
        raise BadWireMessage(f"timeline {timeline!r} has type {type_name!r}, must be sequence, duration or timestamp")
    if type(low) is not int or type(high) is not int or not -(2**63) <= low <= high < 2**63:
        raise BadWireMessage(f"timeline {timeline!r} has range {low!r} to {high!r}, must be two rising i64")
    return TimeRange(timeline, type_name, low, high)


def _memory(header: dict[str, Any]) -> Memory | None:
    if header.get("memory") is None:
        return None
    fields = _value(header, "memory", list)
    if len(fields) < 3 or any(type(field) is not int or not 0 <= field < 2**63 for field in fields[:3]):
        raise BadWireMessage(f"hello.memory is {fields!r:.80}, must be three numbers: fd, size, inode")
    return Memory(*fields[:3])


def _lent(frame: Any, offset: Any, size: Any, *_: Any) -> Lent:
    for number in (frame, offset, size):
        if type(number) is not int or not 0 <= number < 2**63:
            raise BadWireMessage(f"a lent frame has {number!r:.80}, must be 0 to 2**63 - 1")
    return Lent(frame, offset, size)


def _losses(header: dict[str, Any]) -> tuple[Loss, ...]:
    return tuple(_loss(*fields) for fields in _value(header, "losses", list)) if "losses" in header else ()


def _loss(cause: Any, entity_path: Any, rows: Any, first_nanos: Any, last_nanos: Any, *_: Any) -> Loss:
    if type(cause) is not str or type(entity_path) is not str:
        raise BadWireMessage(f"a loss has cause {cause!r:.80} and entity path {entity_path!r:.80}, must be texts")
    for number in (rows, first_nanos, last_nanos):
        if type(number) is not int or not 0 <= number < 2**63:
            raise BadWireMessage(f"a loss of {entity_path!r:.80} has {number!r:.80}, must be 0 to 2**63 - 1")
    return Loss(cause, entity_path, rows, first_nanos, last_nanos)


def _losses_id(header: dict[str, Any]) -> bytes:
    losses_id = _value(header, "losses_id", bytes) if "losses_id" in header else b""
    if len(losses_id) not in (0, TUID_SIZE):
        raise BadWireMessage(f"losses_id has {len(losses_id)} bytes, must have {TUID_SIZE}, or none")
    return losses_id


def _check_version(header: dict[str, Any], whose: str) -> None:
    version = header.get("proto")
    if version != PROTOCOL:
        raise WrongVersion(
            f"the {whose} speaks rerund wire protocol {version!r}, this side speaks {PROTOCOL}: "
            "install the same rerund version on both sides"
        )


_T = TypeVar("_T")


def _value(header: dict[str, Any], name: str, kind: type[_T]) -> _T:
    value = header.get(name)
    if type(value) is not kind:
        raise BadWireMessage(f"{header['t']}.{name} is {value!r:.80}, must be a {kind.__name__}")
    return value


def _count(header: dict[str, Any], name: str) -> int:
    value = _value(header, name, int)
    if not 0 <= value < 2**63:
        raise BadWireMessage(f"{header['t']}.{name} is {value}, must be 0 to 2**63 - 1")
    return value


def _text(header: dict[str, Any], name: str) -> str:
    value = _value(header, name, str)
    if len(value) > MAX_NAME_LENGTH:
        raise BadWireMessage(f"{header['t']}.{name} has {len(value)} characters, over {MAX_NAME_LENGTH}")
    return value
