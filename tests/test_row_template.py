"""A single row by its template is what it is in the usual way: value for value, whatever the cells."""

from __future__ import annotations

import numpy as np
import pytest

import rerund_sdk as rr
from rerund_sdk import row_template
from rerund_sdk.chunk_reader import Chunk
from tests.homes import chunk_messages, chunk_of

LOGGED = {
    "a number": lambda n: rr.Scalars(n * 0.1),
    "nan": lambda n: rr.Scalars(float("nan") if n % 2 else float("-inf")),
    "several numbers": lambda n: rr.Scalars([n, n + 1.5]),
    "now one, now several": lambda n: rr.Scalars([n] * (1 + n % 3)),
    "a pose": lambda n: rr.Transform3D(translation=[n, 0, 1], quaternion=[0, 0, 0, 1]),
    "a text": lambda n: rr.TextLog(f"line {n}" * n, level="INFO"),
    "integers": lambda n: rr.AnyValues(count=n, name=str(n), flag=n % 2 == 0),
    "truth": lambda n: rr.AnyValues(is_it=n % 2 == 0),
    "images": lambda n: rr.Image(np.full((200, 300, 3), n, np.uint8)),
    "images of two sizes": lambda n: rr.Image(np.full((20, 30 + 10 * (n > 5), 3), n, np.uint8)),
    "depth": lambda n: rr.DepthImage(np.full((100, 200), n, np.float32), meter=1000.0),
    "an encoded image": lambda n: rr.EncodedImage(contents=b"%08d" % n * 10_000, media_type="image/png"),
    "a cloud": lambda n: rr.Points3D(np.full((8000, 3), n, np.float32), colors=np.full((8000, 3), n, np.uint8)),
    "clouds that grow": lambda n: rr.Points3D(np.full((n, 3), n, np.float32)),
    "boxes": lambda n: rr.Boxes3D(centers=[[n, 0, 0]] * 2, half_sizes=[[1, 1, 1]] * 2, labels="box"),
    "points": lambda n: rr.Points3D([[n, 1, 2]], colors=[n, 2, 3], radii=0.5),
}


def logged(what: str, *, log_time: bool = True, timelines: int = 2) -> list[Chunk]:
    recording = rr.RecordingStream("app", recording_id="run", send_properties=False)
    recording.set_log_time_enabled(log_time)
    stream = recording.binary_stream()
    for n in range(12):
        for timeline in range(timelines):
            recording.set_time(f"time {timeline}", sequence=n * 7 - timeline)
        recording.log("/a/b", LOGGED[what](n))
        assert recording.flush()
    return [chunk_of(message) for message in chunk_messages(stream.read() or b"")]


def without(chunks: list[Chunk], *ids: str) -> list[tuple[object, ...]]:
    """What does not differ from run to run."""
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    rows = [bytes(each.as_py()) for chunk in chunks for each in chunk.batch.column(0)]
    assert rows == sorted(set(rows))
    return [
        (
            chunk.entity_path,
            chunk.rows,
            chunk.batch.schema.remove_metadata(),
            [field.metadata for field in chunk.batch.schema],
            [
                (index.timeline, index.type, index.values.tolist())
                for index in chunk.indexes
                if index.timeline not in ids
            ],
            [(each.descriptor, repr(each.column.to_pylist())) for each in chunk.components],
        )
        for chunk in chunks
    ]


@pytest.mark.parametrize("what", LOGGED)
@pytest.mark.parametrize(("log_time", "timelines"), [(True, 2), (False, 1), (True, 0)])
def test_rows_by_template_are_rows_as_usual(
    what: str, log_time: bool, timelines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_template = logged(what, log_time=log_time, timelines=timelines)
    monkeypatch.setattr("rerund_sdk.chunk.row_template", lambda *_: None)
    as_usual = logged(what, log_time=log_time, timelines=timelines)
    assert len(by_template) == 12
    assert without(by_template, "log_time") == without(as_usual, "log_time")


def test_log_time_is_that_of_the_call() -> None:
    for chunk in logged("a number"):
        (log_time,) = [index.values for index in chunk.indexes if index.timeline == "log_time"]
        row_id = bytes(chunk.batch.column(0)[0].as_py())
        assert int(log_time[0]) == int.from_bytes(row_id[:8], "big")


def test_a_template_is_used_where_cells_have_fixed_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    template = row_template.row_template

    def noting(*args: object) -> object:
        made.append(template(*args))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr("rerund_sdk.chunk.row_template", noting)
    for what in ("a number", "a pose", "images", "a cloud", "several numbers"):
        logged(what)
    assert len(made) == 5
    assert all(isinstance(each, row_template.RowTemplate) for each in made)
    made.clear()
    logged("a text")
    assert len(made) == 1


def test_marks_that_are_found_twice_make_no_template() -> None:
    assert row_template._found(b"abcdabcd", [b"abcd"], may_lack=9) is None
    assert row_template._found(b"abcdef", [b"abcd", b"cdef"], may_lack=9) is None
    assert row_template._found(b"xxabcdyy", [b"abcd", b"none"], may_lack=1) == ([b"xx", b"yy"], [0])
