"""Frame times of MP4 videos, from boxes made by hand."""

from __future__ import annotations

import struct

import pytest

import rerund_sdk as rr
from rerund_sdk.errors import BadData
from rerund_sdk.mp4 import frame_timestamps_nanos

TIMESCALE = 1000
TRACK_ID = 7


def box(kind: str, *content: bytes) -> bytes:
    inner = b"".join(content)
    return struct.pack(">I4s", 8 + len(inner), kind.encode()) + inner


def full_box(kind: str, *numbers: int, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", flags), struct.pack(f">{len(numbers)}i", *numbers))


def video(*tables: bytes, handler: bytes = b"vide", extends: bytes = b"") -> bytes:
    track_header = full_box("tkhd", 0, 0, TRACK_ID)
    media_header = full_box("mdhd", 0, 0, TIMESCALE, 0)
    handler_box = box("hdlr", bytes(8), handler)
    media = box("mdia", media_header, handler_box, box("minf", box("stbl", *tables)))
    return box("ftyp", b"isom") + box("moov", box("trak", track_header, media), extends)


def test_frames_lie_where_their_durations_put_them() -> None:
    found = frame_timestamps_nanos(video(full_box("stts", 2, 2, 40, 1, 20)))
    assert found.tolist() == [0, 40_000_000, 80_000_000]


def test_frames_come_in_the_order_in_which_they_are_shown() -> None:
    tables = full_box("stts", 1, 3, 40), full_box("ctts", 3, 1, 40, 1, 80, 1, 0)
    assert frame_timestamps_nanos(video(*tables)).tolist() == [0, 40_000_000, 80_000_000]


def test_frames_of_fragments_are_found() -> None:
    extends = box("mvex", full_box("trex", TRACK_ID, 1, 40, 0, 0))
    fragments = b""
    for start in (0, 120):
        header = full_box("tfhd", TRACK_ID)
        run = full_box("trun", 3, 0, 0, 40, flags=0x100)  # durations 0, 0, 40
        fragments += box("moof", box("traf", header, full_box("tfdt", start), run))
    other = box("moof", box("traf", full_box("tfhd", TRACK_ID + 1), full_box("trun", 5)))
    content = video(full_box("stts", 0), extends=extends) + other + fragments
    assert frame_timestamps_nanos(content).tolist() == [0, 0, 0, 120_000_000, 120_000_000, 120_000_000]
    by_default = box("moof", box("traf", full_box("tfhd", TRACK_ID), full_box("trun", 2)))
    content = video(full_box("stts", 0), extends=extends) + by_default
    assert frame_timestamps_nanos(content).tolist() == [0, 40_000_000]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no 'moov' box"),
        (b"GIF89a, surely no video", "not an MP4 video"),
        (video(handler=b"soun"), "no video track"),
        (video(), "no 'stts' box"),
        (video(full_box("stts", 0)), "no frames"),
        (video(full_box("stts", 1000, 1, 40)), "damaged"),
        (video(full_box("stts", 1, 3, 40))[:-9], "damaged"),
    ],
)
def test_what_is_no_video_is_said_in_a_sentence(content: bytes, reason: str) -> None:
    with pytest.raises(BadData, match=reason):
        frame_timestamps_nanos(content)


def test_a_video_asset_knows_its_frames() -> None:
    asset = rr.AssetVideo(contents=video(full_box("stts", 1, 2, 40)), media_type="video/mp4")
    assert asset.read_frame_timestamps_nanos().tolist() == [0, 40_000_000]
