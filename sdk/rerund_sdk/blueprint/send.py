"""A blueprint as the messages of a store of its own: SetStoreInfo, chunks, activation (docs/RRD.md).

Its rows lie at 0 on the timeline `blueprint`, where the viewer goes on when a user changes the layout.
"""

from __future__ import annotations

import os
import time as clock
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from rerund_sdk import footer, messages, names, rrd
from rerund_sdk.archetype import as_row
from rerund_sdk.batch import Row
from rerund_sdk.chunk import ChunkEncoder
from rerund_sdk.entity_path import normalise
from rerund_sdk.errors import ModeError
from rerund_sdk.sinks import EncodedMessage, Store
from rerund_sdk.time import SEQUENCE, Timelines, TimePoint
from rerund_sdk.tuid import TuidClock, tuid_parts
from rerund_sdk.wire import IndexEntry

if TYPE_CHECKING:
    from rerund_sdk.blueprint.parts import BlueprintRow

_ANSWER_SECS: Final = 10.0
_START: Final[TimePoint] = (Timelines.of({"blueprint": SEQUENCE}), (0,))


def blueprint_messages(
    blueprint: Any, application_id: str, make_active: bool, make_default: bool
) -> list[EncodedMessage]:
    """All messages of `blueprint`, which is anything with `to_blueprint()`, in the order in which viewers need them."""
    return store_messages(blueprint.to_blueprint().blueprint_rows(), application_id, make_active, make_default)


def store_messages(
    blueprint_rows: Iterator[BlueprintRow], application_id: str, make_active: bool, make_default: bool
) -> list[EncodedMessage]:
    """All messages of a new blueprint store with these rows."""
    application_id = names.application_id(application_id)
    store = messages.store_id(application_id, f"rec_{uuid4().hex}", messages.STORE_KIND_BLUEPRINT)
    info = messages.store_info_message(store, tuid_parts(TuidClock().next()))
    encoder = ChunkEncoder(messages.ArrowMsgWriter(store))
    chunks = encoder.encode_rows(list(_rows(blueprint_rows)), log_time=True)
    activation = _activation(store, make_active, make_default)
    return [
        EncodedMessage(blueprint_entry(rrd.Kind.STORE_INFO, len(info)), (info,)),
        *(chunk._replace(entry=blueprint_entry(*chunk.entry[:3])) for chunk in chunks),
        EncodedMessage(blueprint_entry(rrd.Kind.BLUEPRINT_ACTIVATION, len(activation)), (activation,)),
    ]


def blueprint_entry(kind: int, size: int, chunk_id: bytes = b"") -> IndexEntry:
    """A blueprint's message in the index of a recording's log: without entity, as the recording has none of it."""
    return IndexEntry(kind, size, chunk_id, "", 0, False, ())


def _rows(blueprint_rows: Iterator[BlueprintRow]) -> Iterator[Row]:
    for path, data, static in blueprint_rows:
        fields, cells, _ = as_row(data)  # encoded before anybody could change a borrowed cell
        if fields:
            yield normalise(path), clock.time_ns(), None if static else _START, fields, cells


def _activation(store: Any, make_active: bool, make_default: bool) -> bytes:
    command = messages.message_class("BlueprintActivationCommand")(
        blueprint_id=store, make_active=make_active, make_default=make_default
    )
    body: bytes = command.SerializeToString()
    return rrd.message_header(rrd.Kind.BLUEPRINT_ACTIVATION, len(body)) + body


def save(blueprint: Any, application_id: str, path: Path) -> None:
    """Write `blueprint` to a .rbl file."""
    save_rows(blueprint.to_blueprint().blueprint_rows(), application_id, path)


def save_rows(blueprint_rows: Iterator[BlueprintRow], application_id: str, path: Path) -> None:
    """Write a blueprint store with these rows to a .rbl file, in one step, so that a reader never sees half of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(rrd.STREAM_HEADER)
            for message in store_messages(blueprint_rows, application_id, True, True):
                file.writelines(message.data)
        footer.seal(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def connect_grpc(
    blueprint: Any, application_id: str, url: str | None, *, make_active: bool = True, make_default: bool = True
) -> None:
    """Send `blueprint` to the viewer or server at `url`. Raises ModeError if none answers."""
    from rerund_sdk.grpc_sink import GrpcSink

    store_info, *others = blueprint_messages(blueprint, application_id, make_active, make_default)
    sink = GrpcSink(url)
    sink.open(Store(names.application_id(application_id), "blueprint", bytes(store_info.data[0])))
    try:
        sink.send(others)
        if not sink.flush(clock.monotonic() + _ANSWER_SECS):
            raise ModeError(f"no viewer or server took the blueprint within {_ANSWER_SECS:.0f} s: {sink.endpoint}")
    finally:
        sink.close()


def spawn(blueprint: Any, application_id: str, *, port: int, memory_limit: str, detach_process: bool) -> None:
    """Start the daemon and a viewer, unless they run, and send `blueprint` there. Raises ModeError."""
    from rerund_sdk import launch, viewer

    daemon = launch.ensure_daemon((f"--grpc-port={port}",))
    options = () if memory_limit == "75%" else (f"--memory-limit={memory_limit}",)
    program = viewer.Program(options=options, detached=detach_process)
    viewer.show(daemon, Store(names.application_id(application_id), "", b""), program)
    connect_grpc(blueprint, application_id, daemon.grpc)
