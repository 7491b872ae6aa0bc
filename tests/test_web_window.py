"""What pages see of a recording: the latest values, thinned series, text rows, steps; held against brute force."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rerund_sdk as rr
from rerund.bell import Bells
from rerund.describe import describe
from rerund.recording import Recording
from rerund.store import Store
from rerund.web.finder import Finder
from rerund.web.latest import HIGHEST, LOWEST, latest_at, next_row
from rerund.web.series import Numbers, _spread, thinned
from rerund.web.text_rows import Filter, Place, behind, text_rows
from rerund_sdk import rrd
from tests.homes import chunk_messages

SEGMENT_BYTES = 16 * 1024  # small, so that a few chunks make several segments


class Said(NamedTuple):
    """One `log` call."""

    entity: str
    frame: int | None  # None: static
    values: dict[str, int]

    @property
    def what(self) -> rr.AnyValues:
        return rr.AnyValues(**self.values)


class Line(NamedTuple):
    """One `log` call of a text."""

    entity: str
    frame: int
    text: str
    level: str

    @property
    def what(self) -> rr.TextLog:
        return rr.TextLog(self.text, level=self.level)


def chunks_of(said: Sequence[Said | Line], rows_per_chunk: int = 1) -> Iterator[bytes]:
    """.rrd messages of what is logged, as our SDK makes them."""
    recording = rr.RecordingStream("app", recording_id="run", send_properties=False)
    recording.set_log_time_enabled(False)
    stream = recording.binary_stream()
    for number, each in enumerate(said, 1):
        if each.frame is not None:
            recording.set_time("frame", sequence=each.frame)
        recording.log(each.entity, each.what, static=each.frame is None)
        if number % rows_per_chunk == 0 or number == len(said):
            yield from chunk_messages(stream.read() or b"")


def finder_of(folder: str | Path, said: Sequence[Said | Line], rows_per_chunk: int = 1) -> tuple[Recording, Finder]:
    """A recording of what is logged, in as many segments as that takes."""
    recording = Store(Path(folder), SEGMENT_BYTES, Bells()).obtain("app", "run")
    recording.open()
    for message in chunks_of(said, rows_per_chunk):
        recording.append([message], [describe(message)], len(message))
    recording.write_index()
    return recording, Finder(recording)


def expected_latest(said: Sequence[Said], entity: str, at: int) -> dict[str, int]:
    """Latest-at as it is defined: static first, else the greatest time up to `at`, else what was logged last."""
    found: dict[str, tuple[float, int, int]] = {}
    for number, each in enumerate(said):
        if each.entity == entity and (each.frame is None or each.frame <= at):
            for name, value in each.values.items():
                place = (np.inf if each.frame is None else each.frame, number, value)
                found[name] = max(found.get(name, place), place)
    return {name: value for name, (_, _, value) in found.items()}


calls = st.builds(
    Said,
    st.sampled_from(["/a", "/a/b", "/c"]),
    st.one_of(st.integers(-20, 20), st.integers(-20, 20), st.integers(-20, 20), st.none()),
    st.dictionaries(st.sampled_from(["x", "y", "z"]), st.integers(0, 1000), min_size=1),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(calls, min_size=1, max_size=30), st.integers(1, 4), st.integers(-22, 22))
def test_the_latest_values_are_those_of_the_definition(said: list[Said], rows_per_chunk: int, at: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _, finder = finder_of(folder, said, rows_per_chunk)
        for entity in ("/a", "/a/b", "/c"):
            values = latest_at(finder, entity, "frame", at)
            shown = {name: value.column[0].as_py()[0] for name, value in values.items()}
            assert shown == expected_latest(said, entity, at)


@settings(max_examples=30, deadline=None)
@given(st.lists(calls, min_size=1, max_size=30), st.integers(1, 4))
def test_stepping_goes_through_every_row_both_ways(said: list[Said], rows_per_chunk: int) -> None:
    times = sorted({each.frame for each in said if each.frame is not None})
    entities = ["/a", "/a/b", "/c"]
    with tempfile.TemporaryDirectory() as folder:
        _, finder = finder_of(folder, said, rows_per_chunk)
        for start, forward, wanted in ((-100, True, times), (100, False, times[::-1])):
            stepped: list[int] = []
            at: int | None = start
            while at is not None and (at := next_row(finder, entities, "frame", at, forward=forward)) is not None:
                stepped.append(at)
            assert stepped == wanted


def test_what_comes_while_a_page_looks_is_found_at_once(tmp_path: Path) -> None:
    said = [Said("/a", n, {"x": n}) for n in range(200)]
    recording, finder = finder_of(tmp_path, said[:1])
    for number, message in enumerate(chunks_of(said[1:]), 1):
        recording.append([message], [describe(message)], len(message))
        recording.write_index()
        assert latest_at(finder, "/a", "frame", HIGHEST)["x"].time == number
        assert latest_at(finder, "/a", "frame", number // 2)["x"].time == number // 2
    assert len(recording.log.segments) > 10


def test_a_component_said_only_at_the_beginning_of_a_long_recording_is_still_known(tmp_path: Path) -> None:
    said = [Said("/a", 0, {"x": 1, "y": 7}), *(Said("/a", n, {"x": n}) for n in range(1, 150))]
    _, finder = finder_of(tmp_path, said)
    values = latest_at(finder, "/a", "frame", HIGHEST)
    assert {name: value.column[0].as_py() for name, value in values.items()} == {"x": [149], "y": [7]}


def whole(numbers: Numbers, component: str, low: int, high: int, bins: int) -> tuple[Any, Any]:
    """A series, asked for until nothing is missing."""
    while True:
        found = numbers.series("/a", component, "frame", low, high, bins)
        if not found.missing:
            return found.times, found.values


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 1000)), min_size=1, max_size=80),
    st.integers(0, 500),
    st.integers(0, 500),
    st.integers(1, 9),
)
def test_a_series_with_room_for_all_points_has_them_all(
    points: list[tuple[int, int]], low: int, width: int, rows_per_chunk: int
) -> None:
    said = [Said("/a", frame, {"x": value}) for frame, value in points]
    with tempfile.TemporaryDirectory() as folder:
        _, finder = finder_of(folder, said, rows_per_chunk)
        times, values = whole(Numbers(finder), "x", low, low + width, 1000)
    inside = [(t, v) for t, v in zip(times.tolist(), values[:, 0].tolist(), strict=True) if low <= t <= low + width]
    assert sorted(inside) == sorted((t, v) for t, v in points if low <= t <= low + width)
    assert times.tolist() == sorted(times.tolist())


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3), st.integers(1, 50), st.integers(1, 2000), st.integers(0, 2**32))
def test_thinning_keeps_the_ends_and_every_extreme_of_a_bin(lines: int, bins: int, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    times = np.sort(random.integers(0, 10_000, count))
    values = random.normal(size=(count, lines))
    values[random.random(values.shape) < 0.1] = np.nan
    kept = thinned(times, values, bins)
    assert kept[0] == 0 and kept[-1] == count - 1
    assert len(kept) <= max(4 * bins, (bins + 1) * (2 + 2 * lines))
    number = ((times - times[0]) * (bins / (times[-1] - times[0] or 1))).astype(int)
    for line in values.T if len(kept) < count else ():
        for n in np.unique(number):
            here = line[number == n]
            if not np.isnan(here).all():
                shown = line[kept][number[kept] == n]
                assert (np.nanmin(shown), np.nanmax(shown)) == (np.nanmin(here), np.nanmax(here))


def test_several_instances_are_several_lines(tmp_path: Path) -> None:
    recording = rr.RecordingStream("app", recording_id="run", send_properties=False)
    stream = recording.binary_stream()
    for frame in range(3):
        recording.set_time("frame", sequence=frame)
        recording.log("a", rr.Scalars([frame, 10 + frame][: 1 + frame % 2]))
    data = stream.read() or b""
    stored = Store(tmp_path, SEGMENT_BYTES, Bells()).obtain("app", "run")
    stored.open()
    for part in rrd.frames(data, rrd.STREAM_HEADER_SIZE):
        if part.kind == rrd.Kind.END:
            break
        message = data[part.start : part.end]
        stored.append([message], [describe(message)], len(message))
    stored.write_index()
    times, values = whole(Numbers(Finder(stored)), "Scalars:scalars", LOWEST, HIGHEST, 100)
    assert times.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(values, [[0, np.nan], [1, 11], [2, np.nan]])


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=60),
    st.integers(1, 7),
    st.integers(1, 5),
    st.sampled_from([1, 3, 400]),
)
@example([0] * 8, 1, 1, 400)  # more rows of one time than a page, in chunks of their own
@example([0] * 8, 1, 1, 2)  # more such chunks than one answer looks into
def test_pages_of_a_text_log_have_every_row_once_the_latest_first(
    frames: list[int], page_rows: int, rows_per_chunk: int, most_chunks: int
) -> None:
    lines = [Line(f"/log{n % 2}", frame, f"line {n}", "INFO") for n, frame in enumerate(frames)]
    with tempfile.TemporaryDirectory() as folder, mock.patch("rerund.web.text_rows.MOST_CHUNKS", most_chunks):
        _, finder = finder_of(folder, lines, rows_per_chunk)
        seen: list[tuple[int, str]] = []
        before: Place | None = behind(HIGHEST)
        while before is not None:
            page = text_rows(finder, ["/log0", "/log1"], "frame", before, page_rows)
            seen += [(row.time, row.text) for row in page.rows]
            before = page.looked_back_to
    assert [time for time, _ in seen] == sorted(frames, reverse=True)
    assert sorted(seen) == sorted((line.frame, line.text) for line in lines)


def test_a_text_log_can_be_searched_and_filtered_by_level(tmp_path: Path) -> None:
    lines = [Line("/log", n, f"Line {n}", "ERROR" if n % 10 == 0 else "INFO") for n in range(100)]
    _, finder = finder_of(tmp_path, lines)
    page = text_rows(finder, ["/log"], "frame", behind(HIGHEST), 100, Filter(frozenset(["ERROR"]), "line 5"))
    assert [(row.text, row.level) for row in page.rows] == [("Line 50", "ERROR")]


@given(st.integers(0, 300))
def test_chunks_are_opened_the_newest_first_and_each_once(count: int) -> None:
    order = list(_spread(list(range(count))))
    assert sorted(order) == list(range(count))
    assert order[:16] == list(range(min(count, 16)))
