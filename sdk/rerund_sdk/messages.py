"""The protobuf messages of Rerun's log format, from one table of field numbers, and the fast way to write an ArrowMsg.

The classes are protobuf's own; they are made at first use, since a program that only logs never needs most of them.
Field numbers: docs/RRD.md.
"""

from __future__ import annotations

import functools
import platform
import struct
import sys
from typing import Any, Final

from rerund_sdk.errors import BadRrd
from rerund_sdk.rrd import Kind, message_header

_COMMON: Final = "rerun.common.v1alpha1"
_LOG: Final = "rerun.log_msg.v1alpha1"
_COMMS: Final = "rerun.sdk_comms.v1alpha1"

# package -> message -> field -> (number, type); a type is a protobuf scalar, or the name of a message of this table
_TABLE: Final[dict[str, dict[str, dict[str, tuple[int, str]]]]] = {
    _COMMON: {
        "Tuid": {"time_ns": (1, "fixed64"), "inc": (2, "fixed64")},
        "ApplicationId": {"id": (1, "string")},
        "StoreId": {"kind": (1, "int32"), "recording_id": (2, "string"), "application_id": (3, "ApplicationId")},
        "Schema": {"arrow_schema": (1, "bytes")},
        "DataframePart": {
            "encoder_version": (1, "int32"),
            "payload": (2, "bytes"),
            "compression": (3, "int32"),
            "uncompressed_size": (4, "uint64"),
        },
        "TableId": {"id": (1, "string")},
    },
    _LOG: {
        "StoreSourceExtra": {"payload": (1, "bytes")},
        "StoreSource": {"kind": (1, "int32"), "extra": (2, "StoreSourceExtra")},
        "PythonVersion": {"major": (1, "int32"), "minor": (2, "int32"), "patch": (3, "int32"), "suffix": (4, "string")},
        "StoreVersion": {"crate_version_bits": (1, "int32")},
        "StoreInfo": {
            "application_id": (1, "ApplicationId"),
            "store_id": (2, "StoreId"),
            "store_source": (5, "StoreSource"),
            "store_version": (6, "StoreVersion"),
        },
        "SetStoreInfo": {"row_id": (1, "Tuid"), "info": (2, "StoreInfo")},
        "ArrowMsg": {
            "store_id": (1, "StoreId"),
            "compression": (2, "int32"),
            "uncompressed_size": (3, "uint64"),
            "encoding": (4, "int32"),
            "payload": (5, "bytes"),
            "chunk_id": (6, "Tuid"),
            "is_static": (7, "bool"),
        },
        "BlueprintActivationCommand": {
            "blueprint_id": (1, "StoreId"),
            "make_active": (2, "bool"),
            "make_default": (3, "bool"),
        },
        "LogMsg": {
            "set_store_info": (1, "SetStoreInfo"),
            "arrow_msg": (2, "ArrowMsg"),
            "blueprint_activation_command": (3, "BlueprintActivationCommand"),
        },
        "RrdManifest": {
            "store_id": (1, "StoreId"),
            "sorbet_schema": (2, "Schema"),
            "sorbet_schema_sha256": (3, "bytes"),
            "data": (4, "DataframePart"),
        },
        "RrdFooter": {"manifests": (1, "repeated RrdManifest")},
    },
    _COMMS: {
        "WriteMessagesRequest": {"log_msg": (1, "LogMsg")},
        "WriteMessagesResponse": {},
        "ReadMessagesRequest": {},
        "ReadMessagesResponse": {"log_msg": (1, "LogMsg")},
        "WriteTableRequest": {"id": (1, "TableId"), "data": (2, "DataframePart")},
        "WriteTableResponse": {},
        "ReadTablesRequest": {},
        "ReadTablesResponse": {"id": (1, "TableId"), "data": (2, "DataframePart")},
    },
}

STORE_KIND_RECORDING: Final = 1
STORE_KIND_BLUEPRINT: Final = 2
COMPRESSION_NONE: Final = 1
COMPRESSION_LZ4: Final = 2
ENCODING_ARROW_IPC: Final = 1
_STORE_SOURCE_PYTHON: Final = 2


@functools.cache
def message_class(name: str) -> Any:
    """The protobuf class of a message of the table, by its short name."""
    return _message_classes()[name]


@functools.cache
def _message_classes() -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field_type = descriptor_pb2.FieldDescriptorProto
    package_of = {message: package for package, messages in _TABLE.items() for message in messages}
    pool = descriptor_pool.DescriptorPool()  # our own: the official packages may live in the same process
    classes: dict[str, Any] = {}
    for package, messages in _TABLE.items():
        file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
        file.dependency.extend(f"{earlier}.proto" for earlier in _TABLE if earlier < package)
        for message, fields in messages.items():
            proto = file.message_type.add(name=message)
            for field, (number, type_name) in fields.items():
                scalar = type_name.removeprefix("repeated ")
                label = field_type.LABEL_REPEATED if scalar != type_name else field_type.LABEL_OPTIONAL
                added = proto.field.add(name=field, number=number, label=label)
                if scalar in package_of:
                    added.type = field_type.TYPE_MESSAGE
                    added.type_name = f".{package_of[scalar]}.{scalar}"
                else:
                    added.type = field_type.Type.Value(f"TYPE_{scalar.upper()}")
        pool.Add(file)
        for message in messages:
            descriptor = pool.FindMessageTypeByName(f"{package}.{message}")
            classes[message] = message_factory.GetMessageClass(descriptor)
    return classes


def parse(name: str, body: bytes) -> Any:
    """The message of that class whose bytes are `body`. Raises BadRrd."""
    from google.protobuf.message import DecodeError

    try:
        return message_class(name).FromString(body)
    except DecodeError as error:
        raise BadRrd(f"undecodable {name}: {error}") from error


def store_id(application_id: str, recording_id: str, kind: int = STORE_KIND_RECORDING) -> Any:
    """A `StoreId` message."""
    make = message_class("StoreId")
    return make(kind=kind, recording_id=recording_id, application_id={"id": application_id})


def store_info_message(store: Any, row_id: tuple[int, int]) -> bytes:
    """A whole `SetStoreInfo` message, header included, for a store that this Python process writes."""
    version = message_class("PythonVersion")(
        major=sys.version_info.major,
        minor=sys.version_info.minor,
        patch=sys.version_info.micro,
        suffix="" if sys.version_info.releaselevel == "final" else platform.python_version().lstrip("0123456789."),
    )
    source = {"kind": _STORE_SOURCE_PYTHON, "extra": {"payload": version.SerializeToString()}}
    info = message_class("SetStoreInfo")(
        row_id={"time_ns": row_id[0], "inc": row_id[1]},
        info={"store_id": store, "store_source": source},
    )
    body: bytes = info.SerializeToString()
    return message_header(Kind.STORE_INFO, len(body)) + body


def varint(value: int) -> bytes:
    """`value` as a protobuf varint."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class ArrowMsgWriter:
    """Frames chunk payloads of one store as ArrowMsg messages, without copying the payload.

    The payload field is written last, so a message is a short head followed by the payload as it is. Readers take
    protobuf fields in any order.
    """

    _CHUNK_ID = struct.Struct("<BBBQBQ")  # field 6, length 18, then Tuid: field 1 fixed64, field 2 fixed64

    def __init__(self, store: Any) -> None:
        encoded: bytes = store.SerializeToString()
        self._store_field = b"\x0a" + varint(len(encoded)) + encoded

    def head(
        self, chunk_id: bytes, is_static: bool, payload_size: int, uncompressed_size: int, compression: int
    ) -> bytes:
        """All of a message before its payload: the 16-byte header and the other fields."""
        nanos = int.from_bytes(chunk_id[:8], "big")
        counter = int.from_bytes(chunk_id[8:], "big")
        fields = b"".join(
            (
                self._store_field,
                b"\x10" + bytes((compression,)),
                b"\x18" + varint(uncompressed_size),
                b"\x20" + bytes((ENCODING_ARROW_IPC,)),
                self._CHUNK_ID.pack(0x32, 18, 0x09, nanos, 0x11, counter),
                b"\x38\x01" if is_static else b"\x38\x00",
                b"\x2a" + varint(payload_size),
            )
        )
        return message_header(Kind.ARROW, len(fields) + payload_size) + fields
