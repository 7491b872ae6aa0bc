"""Files that a person would drop into a viewer, as rows of the recording.

Images, 3D models, sounds, videos, texts and point clouds become their archetype at the entity path that is the file's
own path, static, as the viewer does it. An .rrd or .rbl file keeps its own recordings, unless that is the one it is
logged into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from os import PathLike
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from rerund_sdk import current, messages, rrd, stream_reader, tables
from rerund_sdk.blueprint.send import blueprint_entry
from rerund_sdk.chunk_reader import parse_arrow_msg, read_chunk
from rerund_sdk.column_chunk import TimeColumn
from rerund_sdk.entity_path import new_entity_path, normalise
from rerund_sdk.errors import BadData
from rerund_sdk.point_cloud import point_cloud
from rerund_sdk.rrd import Kind
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.stream_reader import MemoryBytes, Place
from rerund_sdk.strictness import catch_and_log_exceptions, complain
from rerund_sdk.wire import IndexEntry

if TYPE_CHECKING:
    from rerund_sdk.archetype import Archetype
    from rerund_sdk.columns import ComponentColumn
    from rerund_sdk.recording import RecordingStream

_IMAGES: Final = {
    "avif": "image/avif",
    "bmp": "image/bmp",
    "dds": "image/vnd-ms.dds",
    "exr": "image/x-exr",
    "gif": "image/gif",
    "hdr": "image/vnd.radiance",
    "ico": "image/x-icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "pam": "image/x-portable-anymap",
    "pbm": "image/x-portable-anymap",
    "pgm": "image/x-portable-anymap",
    "png": "image/png",
    "ppm": "image/x-portable-anymap",
    "tga": "image/x-targa",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "webp": "image/webp",
}
_MODELS: Final = {
    "dae": "model/vnd.collada+xml",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "obj": "model/obj",
    "stl": "model/stl",
}
_TEXTS: Final = {"md": "text/markdown", "txt": "text/plain"}
_SOUNDS: Final = {"mp3": "audio/mpeg", "ogg": "audio/ogg", "wav": "audio/wav"}
_RECORDINGS: Final = ("rrd", "rbl")
_KNOWN: Final = (*_IMAGES, *_MODELS, *_TEXTS, *_SOUNDS, "mp4", "ply", *_RECORDINGS)


def log_file_from_path(
    file_path: str | PathLike[str],
    *,
    entity_path_prefix: str | None = None,
    static: bool = False,
    recording: RecordingStream | None = None,
) -> None:
    """Log a file, or all files in a directory that can be.

    entity_path_prefix: an entity path before the file's own. static: has no effect, as files are static anyhow.
    """
    del static
    if found := current.required(recording, "log_file_from_path"):
        with catch_and_log_exceptions("log_file_from_path"):
            _log_path(found, Path(file_path), entity_path_prefix)


def log_file_from_contents(
    file_path: str | PathLike[str],
    file_contents: bytes,
    *,
    entity_path_prefix: str | None = None,
    static: bool = False,
    recording: RecordingStream | None = None,
) -> None:
    """Log the contents of a file; its name says how they are understood, and is the entity path. See above."""
    del static
    if found := current.required(recording, "log_file_from_contents"):
        with catch_and_log_exceptions("log_file_from_contents"):
            _log_contents(found, Path(file_path), file_contents, entity_path_prefix)


def _log_path(recording: RecordingStream, path: Path, entity_path_prefix: str | None) -> None:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and _suffix(file) in _KNOWN:
                _log_path(recording, file, entity_path_prefix)
        return
    _check_known(path)
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise BadData(f"cannot read {path}: {error.strerror}") from error
    _log_contents(recording, path, contents, entity_path_prefix)


def _log_contents(recording: RecordingStream, path: Path, contents: bytes, entity_path_prefix: str | None) -> None:
    _check_known(path)
    if _suffix(path) in _RECORDINGS:
        _forward(recording, contents)
        return
    entity_path = new_entity_path(part for part in path.parts if part not in ("/", ".", ".."))
    if entity_path_prefix:
        entity_path = normalise(entity_path_prefix).rstrip("/") + entity_path
    for times, columns in _columns(_suffix(path), contents):
        recording.send_columns(entity_path, times, columns, strict=True)


def _columns(suffix: str, contents: bytes) -> Iterator[tuple[list[TimeColumn], Iterable[ComponentColumn]]]:
    """What to send for a file: times (none: static) and components."""
    from rerund_sdk import archetypes

    if suffix in _IMAGES:
        yield [], _one_row(archetypes.EncodedImage(contents=contents, media_type=_IMAGES[suffix]))
    elif suffix in _MODELS:
        yield [], _one_row(archetypes.Asset3D(contents=contents, media_type=_MODELS[suffix]))
    elif suffix in _TEXTS:
        text = contents.decode(errors="replace")
        yield [], _one_row(archetypes.TextDocument(text, media_type=_TEXTS[suffix]))
    elif suffix in _SOUNDS:
        sound = archetypes.AssetAudio(contents=contents, media_type=_SOUNDS[suffix])
        yield [TimeColumn("audio", duration=[0])], _one_row(sound)
    elif suffix == "ply":
        yield [], _one_row(archetypes.Points3D(**point_cloud(contents)))
    else:
        video = archetypes.AssetVideo(contents=contents)
        yield [TimeColumn("video", duration=[0])], _one_row(video)
        try:
            frames = video.read_frame_timestamps_nanos()
        except BadData as error:
            complain(f"the frames of the video cannot be told apart, so it does not play: {error}")
            return
        times = TimeColumn("video", duration=frames.astype("timedelta64[ns]"))
        yield [times], archetypes.VideoFrameReference.columns_nanos(frames)


def _one_row(archetype: Archetype) -> list[ComponentColumn]:
    return [batch.partition([len(batch.as_arrow_array())]) for batch in archetype.as_component_batches()]


def _forward(recording: RecordingStream, contents: bytes) -> None:
    """Send the messages of an .rrd stream on: recordings under their own names, blueprints for this application."""
    data = MemoryBytes(contents)
    places = [place for place in stream_reader.messages(data) if isinstance(place, Place)]
    bodies = ((place.kind, data.read(place.start, place.size)) for place in places)
    recording.send_messages(lambda _: (_own(kind, body, recording.application_id) for kind, body in bodies))


_PLACE_OF_STORE_ID: Final[dict[Kind, tuple[str, Callable[[Any], Any]]]] = {
    Kind.STORE_INFO: ("SetStoreInfo", attrgetter("info.store_id")),
    Kind.ARROW: ("ArrowMsg", attrgetter("store_id")),
    Kind.BLUEPRINT_ACTIVATION: ("BlueprintActivationCommand", attrgetter("blueprint_id")),
}


def _own(kind: Kind, body: bytes, application_id: str) -> EncodedMessage:
    name, store_id_of = _PLACE_OF_STORE_ID[kind]
    message = messages.message_class(name).FromString(body)
    is_blueprint = store_id_of(message).kind == messages.STORE_KIND_BLUEPRINT
    if is_blueprint:
        store_id_of(message).application_id.id = application_id
        body = message.SerializeToString()
    size = rrd.MESSAGE_HEADER_SIZE + len(body)
    entry = blueprint_entry(kind, size)
    if kind == Kind.ARROW and is_blueprint:
        entry = blueprint_entry(kind, size, read_chunk(parse_arrow_msg(body)).id)
    elif kind == Kind.ARROW:
        chunk = read_chunk(parse_arrow_msg(body))
        ranges = tuple(tables.ranges(chunk)) if chunk.rows else ()
        entry = IndexEntry(kind, size, chunk.id, chunk.entity_path, chunk.rows, not chunk.indexes, ranges)
    return EncodedMessage(entry, (rrd.message_header(kind, len(body)), body))


def _suffix(path: PurePath) -> str:
    return path.suffix[1:].lower()


def _check_known(path: PurePath) -> None:
    if _suffix(path) not in _KNOWN:
        raise BadData(f"{path}: no such file can be logged; those that can end in {', '.join(sorted(_KNOWN))}")
