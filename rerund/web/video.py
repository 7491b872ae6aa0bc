"""The samples of a video stream that show it at a time: from the last keyframe on, or what came since the last look.

Whether a sample is a keyframe is told by the recording (`VideoStream:is_keyframe`), or seen in its first bytes.
Limit: so many samples and bytes an answer; if no keyframe is among them, the picture begins with the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from rerund.web.finder import Finder, plain
from rerund.web.latest import LOWEST
from rerund_sdk.chunk_reader import Chunk

MOST_SAMPLES: Final = 900
MOST_BYTES: Final = 24 << 20
_SAMPLE, _KEYFRAME = "VideoStream:sample", "VideoStream:is_keyframe"

# of rerun.components.VideoCodec: the four letters as a number
H264, H265, AV1, VP8, VP9 = 0x61766331, 0x68657631, 0x61763031, 0x76703038, 0x76703039
_H264_IDR: Final = 5
_H265_IRAP: Final = range(16, 22)
_AV1_SEQUENCE_HEADER: Final = 1


class Sample(NamedTuple):
    """One row."""

    time: int
    row_id: bytes
    data: bytes
    is_keyframe: bool


def samples(
    finder: Finder, entity: str, timeline: str, at: int, codec: int, after: tuple[int, bytes] | None
) -> list[Sample]:
    """What is to be decoded for the picture at `at`, in order. after: who has all up to there wants what follows.

    Raises BadRrd, OSError.
    """
    found: list[Sample] = []
    size = 0
    start = LOWEST  # what is before it is not needed
    for chunk in finder.temporal(entity, timeline, LOWEST if after is None else after[0], at):
        if chunk.high < start or len(found) >= MOST_SAMPLES or size >= MOST_BYTES:
            break
        rows = [row for row in _rows(finder.open(chunk), timeline, codec) if row.time <= at]
        found += rows
        size += sum(len(row.data) for row in rows)
        start = max([start, *(row.time for row in rows if row.is_keyframe)])
    found.sort(key=lambda row: row[:2])
    first = max((number for number, row in enumerate(found) if row.is_keyframe), default=None)
    if after is not None:
        new = [row for row in found if row[:2] > after]
        # a keyframe among them spares what is before it
        return new if first is None or found[first][:2] <= after else found[first:]
    return [] if first is None else found[first:]


def _rows(chunk: Chunk, timeline: str, codec: int) -> Iterator[Sample]:
    times = next((index.values for index in chunk.indexes if index.timeline == timeline), None)
    columns = {each.descriptor.component: each.column for each in chunk.components}
    if times is None or _SAMPLE not in columns:
        return
    told: list[Any] = columns[_KEYFRAME].to_pylist() if _KEYFRAME in columns else [None] * chunk.rows
    blobs, ids = columns[_SAMPLE], chunk.row_id_column
    for row in range(chunk.rows):
        data = _first_blob(blobs, row)
        if data is not None:
            is_keyframe = bool(told[row][0]) if told[row] else is_key(codec, data)
            yield Sample(int(times[row]), ids[row].as_py(), data, is_keyframe)


def _first_blob(column: Any, row: int) -> bytes | None:
    """The first instance: a list of bytes, or a binary."""
    cell = column[row]
    if not cell.is_valid or not len(cell.values):
        return None
    first = cell.values[0]
    return plain(first.values).tobytes() if hasattr(first, "values") else bytes(first.as_py())


def is_key(codec: int, data: bytes) -> bool:
    """Whether a decoder can begin with this sample."""
    if codec == H264:
        return any(head & 31 == _H264_IDR for head in _nal_heads(data))
    if codec == H265:
        return any(head >> 1 & 63 in _H265_IRAP for head in _nal_heads(data))
    if codec == AV1:
        return any(kind == _AV1_SEQUENCE_HEADER for kind in _obu_kinds(data))
    if codec == VP8:
        return bool(data) and not data[0] & 1
    if codec == VP9:
        return bool(data) and data[0] >> 6 == 2 and not data[0] & (0b1100 if data[0] & 0b110000 != 0b110000 else 0b110)
    return False


def _nal_heads(data: bytes) -> Iterator[int]:
    """The first byte of each unit behind a start code."""
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 3:
        yield data[at + 3]
        at = data.find(b"\0\0\1", at + 3)


def _obu_kinds(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        head = data[at]
        yield head >> 3 & 15
        at += 2 if head & 4 else 1
        if not head & 2:
            return  # it reaches to the end
        size = shift = 0
        while at < len(data):
            byte = data[at]
            at += 1
            size |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                break
        at += size
