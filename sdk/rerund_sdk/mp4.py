"""When the frames of an MP4 video are shown: from its boxes, without decoding a frame.

Form: boxes of size (u32, big-endian), type and content, some of which hold boxes. Frames stand in decoding order in
tables of the video track (`stbl`), in fragments (`moof`), or both; each has a duration, and an offset from when it is
decoded to when it is shown.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from rerund_sdk.errors import BadData

Int64s = npt.NDArray[np.int64]

_DURATION_IN_TFHD: Final = ((0x1, 8), (0x2, 4))  # flags of optional fields before it, and their sizes
_DURATION, _SIZE, _FLAGS, _OFFSET = 0x100, 0x200, 0x400, 0x800  # which fields the samples of a `trun` have


def frame_timestamps_nanos(contents: bytes) -> Int64s:
    """When each frame is shown, in nanoseconds since the film begins, rising. Raises BadData if that cannot be told."""
    try:
        return _timestamps(memoryview(contents))
    except (struct.error, ValueError, IndexError) as error:
        if isinstance(error, BadData):
            raise
        raise BadData(f"not an MP4 video, or a damaged one: {error}") from error


def _timestamps(file: memoryview) -> Int64s:
    movie = _first(file, "moov")
    if movie is None:
        raise BadData("not an MP4 video: it has no 'moov' box")
    track = next((track for track in _all(movie, "trak") if _handler(track) == b"vide"), None)
    if track is None:
        raise BadData("the MP4 file has no video track")
    header = _required(track, "mdia", "mdhd")
    timescale = struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)[0]
    tables = _required(track, "mdia", "minf", "stbl")
    parts = [_of_tables(tables), *_of_fragments(file, movie, _track_id(track))]
    shown = np.sort(np.concatenate(parts))
    if not len(shown) or not timescale:
        raise BadData("the MP4 video has no frames")
    start = parts[0].min() if len(parts[0]) else 0  # as Rerun: frames of fragments alone keep their offset
    nanos: Int64s = np.round((shown - start) * (1e9 / timescale)).astype(np.int64)
    return nanos


def _of_tables(tables: memoryview) -> Int64s:
    durations = _run_lengths(_required(tables, "stts"))
    offsets_table = _first(tables, "ctts")
    offsets = _run_lengths(offsets_table) if offsets_table is not None else np.zeros(len(durations), np.int64)
    count = min(len(durations), len(offsets))
    return (np.cumsum(durations) - durations)[:count] + offsets[:count]


def _run_lengths(table: memoryview) -> Int64s:
    """A table of (count, value), spelled out; values are signed, as writers of version 0 use them too."""
    entries = struct.unpack_from(">I", table, 4)[0]
    pairs = np.frombuffer(table, ">i4", 2 * entries, 8).reshape(-1, 2)
    return np.repeat(pairs[:, 1].astype(np.int64), pairs[:, 0])


def _of_fragments(file: memoryview, movie: memoryview, track_id: int) -> Iterator[Int64s]:
    default = 0
    extends = _first(movie, "mvex")
    if extends is None:
        return
    for trex in _all(extends, "trex"):
        if struct.unpack_from(">I", trex, 4)[0] == track_id:
            default = struct.unpack_from(">I", trex, 12)[0]
    decoded_at = 0
    for moof in _all(file, "moof"):
        for fragment in _all(moof, "traf"):
            header = _required(fragment, "tfhd")
            if struct.unpack_from(">I", header, 4)[0] != track_id:
                continue
            duration = _fragment_duration(header, default)
            start = _first(fragment, "tfdt")
            if start is not None:
                decoded_at = struct.unpack_from(">Q" if start[0] == 1 else ">I", start, 4)[0]
            for run in _all(fragment, "trun"):
                durations, offsets = _run(run, duration)
                yield decoded_at + np.cumsum(durations) - durations + offsets
                decoded_at += int(durations.sum())


def _fragment_duration(header: memoryview, default: int) -> int:
    flags = int.from_bytes(header[1:4], "big")
    if not flags & 0x8:
        return default
    place = 8 + sum(size for flag, size in _DURATION_IN_TFHD if flags & flag)
    duration: int = struct.unpack_from(">I", header, place)[0]
    return duration


def _run(run: memoryview, default_duration: int) -> tuple[Int64s, Int64s]:
    """Durations and offsets of the samples of a `trun`."""
    flags = int.from_bytes(run[1:4], "big")
    count = struct.unpack_from(">I", run, 4)[0]
    fields = [flag for flag in (_DURATION, _SIZE, _FLAGS, _OFFSET) if flags & flag]
    start = 8 + 4 * bool(flags & 0x1) + 4 * bool(flags & 0x4)
    samples = np.frombuffer(run, ">i4", count * len(fields), start).reshape(count, len(fields)).astype(np.int64)
    durations = samples[:, fields.index(_DURATION)] if flags & _DURATION else np.full(count, default_duration)
    offsets = samples[:, fields.index(_OFFSET)] if flags & _OFFSET else np.zeros(count, np.int64)
    return durations, offsets


def _track_id(track: memoryview) -> int:
    header = _required(track, "tkhd")
    track_id: int = struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)[0]
    return track_id


def _handler(track: memoryview) -> bytes:
    return bytes(_required(track, "mdia", "hdlr")[8:12])


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        end = len(data) if size == 0 else at + size
        if (size and size < head) or end > len(data):
            raise BadData(f"not an MP4 video, or a damaged one: its box {kind!r} has {size} bytes")
        yield kind, data[at + head : end]
        at = end


def _all(data: memoryview, kind: str) -> Iterator[memoryview]:
    return (content for name, content in _boxes(data) if name == kind.encode())


def _first(data: memoryview, kind: str) -> memoryview | None:
    return next(_all(data, kind), None)


def _required(data: memoryview, *path: str) -> memoryview:
    for kind in path:
        content = _first(data, kind)
        if content is None:
            raise BadData(f"not an MP4 video, or a damaged one: it has no {kind!r} box")
        data = content
    return data
