"""What lies in a log: read back from its segments with no help from the daemon, or by a cursor in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rerund.recording import Recording
from rerund_sdk.chunk_reader import Chunk, parse_arrow_msg, read_chunk
from rerund_sdk.rrd import STREAM_HEADER_SIZE, Kind, frames
from tests.raw_producer import frames_of


def chunks_in(paths: Path | Sequence[Path]) -> Iterator[Chunk]:
    """All chunks of these segments, each once: later segments repeat static ones."""
    seen: set[bytes] = set()
    for path in [paths] if isinstance(paths, Path) else paths:
        content = path.read_bytes()
        for frame in frames(content, STREAM_HEADER_SIZE):
            if frame.kind == Kind.ARROW:
                chunk = read_chunk(parse_arrow_msg(content[frame.body]))
                if chunk.id not in seen or not path.stem.isdigit():
                    yield chunk
                seen.add(chunk.id)


def scalars_in(paths: Path | Sequence[Path], entity: str) -> list[float]:
    """The values logged as Scalars to `entity`, in the order in which they lie there."""
    return [
        value
        for chunk in chunks_in(paths)
        if chunk.entity_path == entity
        for (value,) in chunk.components[0].column.to_pylist()
    ]


def content(recording: Recording) -> list[bytes]:
    """Every message that a cursor reads from the start."""
    cursor = recording.cursor()
    data = b""
    while part := cursor.read_now():
        data += part
    cursor.close()
    return frames_of(data)
