"""Which samples of a video stream a page is sent, held against the definition."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rerund_sdk as rr
from rerund.bell import Bells
from rerund.describe import describe
from rerund.store import Store
from rerund.web.finder import Finder
from rerund.web.latest import HIGHEST
from rerund.web.video import AV1, H264, H265, VP8, VP9, is_key, samples
from tests.homes import chunk_messages

KEY, DELTA = 0, 1  # the first byte of a VP8 frame, as far as it matters


def messages(keys: list[bool], rows_per_chunk: int) -> Iterator[bytes]:
    """A stream with a sample each frame; the second byte is its number."""
    recording = rr.RecordingStream("app", recording_id="run", send_properties=False)
    recording.set_log_time_enabled(False)
    stream = recording.binary_stream()
    for number, is_keyframe in enumerate(keys):
        recording.set_time("frame", sequence=number)
        sample = bytes([KEY if is_keyframe else DELTA, number])
        recording.log("video", rr.VideoStream(codec=rr.VideoCodec.VP8, sample=sample))
        if (number + 1) % rows_per_chunk == 0 or number + 1 == len(keys):
            yield from chunk_messages(stream.read() or b"")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 7), st.integers(-1, 45), st.integers(0, 40))
def test_a_picture_comes_with_all_from_its_keyframe_on_and_then_with_what_follows(
    keys: list[bool], rows_per_chunk: int, at: int, had: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        recording = Store(Path(folder), 16 * 1024, Bells()).obtain("app", "run")
        recording.open()
        for message in messages(keys, rows_per_chunk):
            recording.append([message], [describe(message)], len(message))
        recording.write_index()
        finder = Finder(recording)
        found = samples(finder, "/video", "frame", at, VP8, None)
        begin = max((n for n, is_keyframe in enumerate(keys) if is_keyframe and n <= at), default=None)
        wanted = [] if begin is None else list(range(begin, min(at + 1, len(keys))))
        assert [row.data[1] for row in found] == [row.time for row in found] == wanted
        everything = samples(finder, "/video", "frame", HIGHEST, VP8, None)
        if had < len(everything):
            place = everything[had]
            rest = samples(finder, "/video", "frame", HIGHEST, VP8, place[:2])
            assert [row.time for row in rest] == [row.time for row in everything[had + 1 :]]


@pytest.mark.parametrize(
    ("codec", "data", "is_keyframe"),
    [
        (H264, b"\0\0\0\1\x67abc\0\0\1\x65xyz", True),  # parameters, then an IDR slice
        (H264, b"\0\0\0\1\x41abc", False),
        (H264, b"\0\0\1", False),
        (H265, b"\0\0\0\1\x40\1abc\0\0\1\x26\1xyz", True),
        (H265, b"\0\0\0\1\x02\1xyz", False),
        (AV1, b"\x12\0\x0a\2ab\x32\1x", True),  # temporal delimiter, sequence header, frame
        (AV1, b"\x12\0\x32\1x", False),
        (VP8, b"\x10abc", True),
        (VP8, b"\x11abc", False),
        (VP9, b"\x82abc", True),
        (VP9, b"\x86abc", False),
        *((codec, b"", False) for codec in (H264, H265, AV1, VP8, VP9, 7)),
    ],
)
def test_a_keyframe_is_known_by_its_first_bytes(codec: int, data: bytes, is_keyframe: bool) -> None:
    assert is_key(codec, data) is is_keyframe
