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
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.time import SEQUENCE, Timelines, TimePoint
from rerund_sdk.tuid import TuidClock, tuid_parts
from rerund_sdk.wire import IndexEntry

if TYPE_CHECKING:
    from rerund_sdk.blueprint.parts import BlueprintRow

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
    return [_message(rrd.Kind.STORE_INFO, info), *chunks, _message(rrd.Kind.BLUEPRINT_ACTIVATION, activation)]


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


def _message(kind: rrd.Kind, data: bytes) -> EncodedMessage:
    return EncodedMessage(IndexEntry(kind, len(data), b"", "", 0, False, ()), (data,))


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
