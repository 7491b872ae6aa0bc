"""Bytes and texts of all kinds for everything that decodes what others send or leave lying about.

usage: fuzz.py TARGET EXAMPLES
Each target decodes damaged good input, or raises the one error that its callers expect. Memory is limited for the whole
process, and each example has a deadline; a crash ends the process.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import logging
import os
import resource
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgpack
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rerund import config, foreign
from rerund.bell import Bells
from rerund.describe import describe, origin_of
from rerund.errors import BadPosition
from rerund.log import Position
from rerund.recording import Recording
from rerund_sdk import entity_path, messages, names, places, protobuf, rrd, wire
from rerund_sdk.chunk_reader import parse_arrow_msg, read_chunk
from rerund_sdk.errors import BadRrd, BadWireMessage, PlaceError, RerundError
from rerund_sdk.stream_reader import MemoryBytes
from rerund_sdk.stream_reader import messages as messages_in
from tests.raw_producer import RawProducer, chunk

MEMORY_BYTES: Final = 512 << 20  # more than at the start
LIMIT_BYTES: Final = 64 << 20  # of a decompressed chunk
DEADLINE_MS: Final = 2000

Fuzz = Callable[[Any], None]


def damaged(good: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of `good` with bytes replaced, cut out, doubled, or numbers made huge; or anything at all."""
    change = st.tuples(
        st.sampled_from(("set", "cut", "double", "huge", "zero", "insert")),
        st.integers(0, max(map(len, good))),
        st.integers(1, 64),
        st.binary(min_size=1, max_size=8),
    )

    def apply(data: bytes, changes: list[tuple[str, int, int, bytes]]) -> bytes:
        for kind, at, size, other in changes:
            at = at % (len(data) + 1)
            middle = {
                "set": other + data[at + len(other) : at + size],
                "cut": b"",
                "double": data[at : at + size] * 2,
                "huge": b"\xff" * (size % 9) + data[at + size % 9 : at + size],
                "zero": bytes(size),
                "insert": other + data[at : at + size],
            }[kind]
            data = data[:at] + middle + data[at + size :]
        return data

    return st.one_of(
        st.builds(apply, st.sampled_from(good), st.lists(change, min_size=1, max_size=4)), st.binary(max_size=200)
    )


CHUNKS: Final = [chunk("run", "/a", [1.0, 2.0], [1, 2]), chunk("run", "/b", [1.0], None, padding=500)]
STORE_INFO: Final = messages.store_info_message(messages.store_id("app", "run"), (1, 2))


def lz4_body(payload: bytes, claimed: int | None = None) -> bytes:
    """An ArrowMsg body whose payload is compressed, and may claim any size."""
    packed = pa.compress(payload, codec="lz4_raw", asbytes=True)
    size = len(payload) if claimed is None else claimed
    body: bytes = messages.message_class("ArrowMsg")(
        store_id={"kind": 1, "recording_id": "run", "application_id": {"id": "app"}},
        compression=messages.COMPRESSION_LZ4,
        uncompressed_size=size,
        encoding=messages.ENCODING_ARROW_IPC,
        payload=packed,
    ).SerializeToString()
    return body


def bodies() -> list[bytes]:
    plain = [message.data[rrd.MESSAGE_HEADER_SIZE :] for message in CHUNKS]
    payload = bytes(parse_arrow_msg(plain[0]).payload)
    bombs = [lz4_body(bytes(1 << 24)), lz4_body(payload, 1 << 40), lz4_body(payload, 0)]
    return [*plain, lz4_body(payload), *bombs]


def expects(*errors: type[Exception]) -> Callable[[Fuzz], Fuzz]:
    def wrap(decode: Fuzz) -> Fuzz:
        def run(data: Any) -> None:
            try:
                decode(data)
            except errors as error:
                assert str(error)
                assert "\n" not in str(error)

        return run

    return wrap


@expects(BadWireMessage)
def fuzz_wire(frames: list[bytes]) -> None:
    wire.decode(frames)


def wire_frames() -> st.SearchStrategy[list[bytes]]:
    hello = RawProducer.hello(_Nobody())  # type: ignore[arg-type]
    append = wire.Append(1, tuple(message.entry for message in CHUNKS), tuple(message.data for message in CHUNKS))
    loss = wire.Goodbye(7, (wire.Loss("no room", "/a", 3, 1, 2),))
    good = [
        [bytes(frame) for frame in wire.encode(each)] for each in (hello, append, loss, wire.Ack(1, 0), wire.Ping())
    ]
    header = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats()
        | st.text(max_size=9)
        | st.binary(max_size=17),
        lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=12,
    )
    keys = sorted({key for each in good for key in msgpack.unpackb(each[0])})
    made_up = st.builds(
        lambda kind, fields: [msgpack.packb({"t": kind, **fields})],
        st.sampled_from(("hello", "append", "goodbye", "ack", "welcome", "reject", "request", "reply", "ping", "?")),
        st.dictionaries(st.sampled_from(keys), header, max_size=6),
    )
    broken = st.lists(st.one_of(*(damaged(each) for each in good)), max_size=4)
    mixed = st.builds(lambda head, rest: [head[0], *rest], st.sampled_from(good), broken)
    return st.one_of(broken, mixed, made_up)


class _Nobody:
    """What a hello is made of."""

    producer_id = bytes(16)
    application_id = "app"
    recording_id = "run"


@expects(BadRrd)
def fuzz_protobuf(data: bytes) -> None:
    for field in protobuf.fields(data, 0, len(data)):
        assert 0 <= field.start <= field.end <= len(data)


@expects(BadRrd)
def fuzz_chunk(body: bytes) -> None:
    found = read_chunk(parse_arrow_msg(body), LIMIT_BYTES)
    for index in found.indexes:
        assert len(index.values) == found.rows
    for component in found.components:
        component.column.to_pylist()
        component.column.flatten()


@expects(BadRrd)
def fuzz_describe(message: bytes) -> None:
    if len(message) >= rrd.MESSAGE_HEADER_SIZE:
        describe(message)


@expects(BadRrd)
def fuzz_grpc(request: bytes) -> None:
    kind, body = foreign.unwrap(request)
    foreign.read_message(kind, body, LIMIT_BYTES)


def requests() -> list[bytes]:
    made = [foreign.wrap_head(rrd.Kind.ARROW, len(body)) + body for body in bodies()]
    info = STORE_INFO[rrd.MESSAGE_HEADER_SIZE :]
    return [*made, foreign.wrap_head(rrd.Kind.STORE_INFO, len(info)) + info]


STREAM: Final = rrd.STREAM_HEADER + STORE_INFO + b"".join(message.data for message in CHUNKS)


@expects(BadRrd)
def fuzz_stream(data: bytes) -> None:
    for place in messages_in(MemoryBytes(data)):
        assert place is not None


def fuzz_log(content: tuple[bytes, bytes, bytes]) -> None:
    """A segment, its index and the names, each damaged: it opens, is read, takes more, and opens again."""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "000001.rrd").write_bytes(content[0])
        (folder / "000001.index").write_bytes(content[1])
        (folder / "names").write_bytes(content[2])
        origin_of(folder / "000001.rrd")
        for _ in range(2):
            recording = Recording(folder, "app", "run", 1 << 20, Bells())
            recording.prepare()
            cursor = recording.cursor()
            with contextlib.suppress(RerundError):
                while cursor.read_now():
                    pass
            cursor.close()
            recording.stats()
            recording.entities()
            more = chunk("run", "/more", [1.0], [1])
            recording.append([more.data], [more.entry], more.entry.size)
            recording.release()
    finally:
        shutil.rmtree(folder)


def log_files() -> st.SearchStrategy[tuple[bytes, bytes, bytes]]:
    folder = Path(tempfile.mkdtemp())
    recording = Recording(folder, "app", "run", 1 << 20, Bells())
    recording.prepare()
    for message in CHUNKS:
        recording.append([message.data], [message.entry], message.entry.size)
    recording.release()
    content = [(folder / name).read_bytes() for name in ("000001.rrd", "000001.index", "names")]
    shutil.rmtree(folder)
    return st.tuples(*(st.one_of(st.just(each), damaged([each])) for each in content))


TEXT: Final = st.text(st.characters(), max_size=300) | st.text(st.sampled_from("./%~\\\0 a"), max_size=12)


def fuzz_places(ids: tuple[str, str]) -> None:
    """No two ids share a directory, and none leads out of it."""
    found = places.recording_dir(*ids)
    assert found.parts[0] == "recordings"
    assert len(found.parts) == 3
    assert not any(part in ("", ".", "..") or "/" in part or "\0" in part for part in found.parts)
    assert all(len(os.fsencode(part)) <= 255 for part in found.parts)
    assert os.path.normpath(found) == str(found)
    assert ids[0] == ids[1] or places.dir_name(ids[0]) != places.dir_name(ids[1])
    for text in ids:
        back = places.text_of_dir_name(places.dir_name(text))
        assert back in (None, text)
        places.text_of_dir_name(text)


@expects(PlaceError)
def fuzz_instance(text: str) -> None:
    assert "/" not in places.instance_name(text)


@expects(BadPosition)
def fuzz_position(text: str) -> None:
    position = Position.parse(text)
    assert Position.parse(str(position)) == position
    assert min(position) >= 0


def fuzz_names(text: str) -> None:
    once = names.application_id(text or "x")
    assert names.application_id(once) == once
    path = entity_path.normalise(text)
    assert entity_path.normalise(path) == path


def fuzz_config(values: dict[str, str]) -> None:
    """Variables that say anything: a config, or one sentence."""
    try:
        config.from_args(argparse.Namespace(), {f"RERUND_{name.upper()}": text for name, text in values.items()})
    except RerundError as error:
        assert "\n" not in str(error)


def fuzz_daemon_file(text: str) -> None:
    with contextlib.suppress(ValueError, TypeError):  # as read_daemon expects
        places.parse_daemon_info(text)


POSITIONS: Final = st.text(st.sampled_from("0123456789:-+ _e.\u0661"), max_size=30) | TEXT
VALUES: Final = TEXT | st.text(st.sampled_from("0123456789.eEinfaNKMGBb -+"), max_size=8)
OPTIONS: Final = [field.name for field in config.dataclasses.fields(config.Config)]
INFO: Final = places.DaemonInfo(1, 0.0, 0.0, "1", 1, "", "/h", "ipc://i", "ipc://c", (), "", "").to_json().encode()

TARGETS: Final[dict[str, tuple[Fuzz, Callable[[], st.SearchStrategy[Any]]]]] = {
    "wire": (fuzz_wire, wire_frames),
    "protobuf": (fuzz_protobuf, lambda: damaged([bodies()[0]])),
    "chunk": (fuzz_chunk, lambda: damaged(bodies())),
    "describe": (fuzz_describe, lambda: damaged([STORE_INFO, *(message.data for message in CHUNKS)])),
    "grpc": (fuzz_grpc, lambda: damaged(requests())),
    "stream": (fuzz_stream, lambda: damaged([STREAM])),
    "log": (fuzz_log, log_files),
    "places": (fuzz_places, lambda: st.tuples(TEXT, TEXT)),
    "instance": (fuzz_instance, lambda: TEXT),
    "position": (fuzz_position, lambda: POSITIONS),
    "names": (fuzz_names, lambda: TEXT),
    "config": (fuzz_config, lambda: st.dictionaries(st.sampled_from(OPTIONS), VALUES, max_size=3)),
    "daemon-file": (
        fuzz_daemon_file,
        lambda: damaged([INFO]).map(lambda data: data.decode(errors="surrogateescape")),
    ),
}


def limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))


def main() -> None:
    faulthandler.enable()
    logging.disable(logging.CRITICAL)
    decode, inputs = TARGETS[sys.argv[1]]
    wanted = inputs()
    limit_memory()
    warnings.simplefilter("ignore")  # of names that are rewritten

    @settings(
        max_examples=int(sys.argv[2]),
        derandomize=True,
        database=None,
        deadline=DEADLINE_MS,
        suppress_health_check=list(HealthCheck),
    )
    @given(wanted)
    def fuzz(data: Any) -> None:
        decode(data)

    fuzz()


if __name__ == "__main__":
    main()
