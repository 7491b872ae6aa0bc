"""Rows by a template are what they are in the usual way: value for value, whatever the cells, paths and times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import rerund_sdk as rr
from rerund_sdk import chunk_template
from rerund_sdk.chunk_reader import Chunk, Component
from rerund_sdk.sinks import EncodedMessage
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


PATHS = ("/camera/left", "/camera/rght", "/a")


def logged(
    what: str, *, log_time: bool = True, timelines: int = 2, at_once: int = 1, paths: Sequence[str] = PATHS[:1]
) -> list[Chunk]:
    """at_once: rows a message."""
    recording = rr.RecordingStream("app", recording_id="run", send_properties=False)
    recording.set_log_time_enabled(log_time)
    stream = recording.binary_stream()
    for n in range(12 * at_once):
        for timeline in range(timelines):
            recording.set_time(f"time {timeline}", sequence=n * 7 - timeline if n < 9 * at_once else -n)
        for path in paths:
            recording.log(path, LOGGED[what](n))
        if n % at_once == at_once - 1:
            assert recording.flush()
    return [chunk_of(message) for message in chunk_messages(stream.read() or b"")]


def without(chunks: list[Chunk], *ids: str) -> list[tuple[object, ...]]:
    """What does not differ from run to run."""
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    for path in PATHS:
        rows = [bytes(each.as_py()) for chunk in chunks if chunk.entity_path == path for each in chunk.batch.column(0)]
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
            [(each.descriptor, content(each.column)) for each in chunk.components],
        )
        for chunk in chunks
    ]


def content(array: pa.Array[Any]) -> tuple[object, ...]:
    """All that is in it, bit for bit; without making Python objects of millions of numbers."""
    kind = str(array.type)
    if isinstance(array, pa.ListArray | pa.FixedSizeListArray):
        return (kind, pc.list_value_length(array).to_pylist(), content(array.flatten()))
    if pa.types.is_primitive(array.type) and not array.null_count:
        return (kind, array.to_numpy(zero_copy_only=False).tobytes())
    return (kind, repr(array.to_pylist()))


@pytest.mark.parametrize("what", LOGGED)
@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize(("log_time", "timelines"), [(True, 2), (False, 1), (True, 0)])
def test_rows_by_template_are_rows_as_usual(
    what: str, at_once: int, log_time: bool, timelines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_logged() -> list[Chunk]:
        return logged(what, log_time=log_time, timelines=timelines, at_once=at_once, paths=PATHS)

    by_template = all_logged()
    monkeypatch.setattr("rerund_sdk.chunk.template_of", lambda *_: None)
    as_usual = all_logged()
    assert sum(chunk.rows for chunk in by_template) == 12 * at_once * len(PATHS)
    assert without(by_template, "log_time") == without(as_usual, "log_time")


def test_log_time_is_that_of_the_call() -> None:
    for chunk in logged("a number"):
        (log_time,) = [index.values for index in chunk.indexes if index.timeline == "log_time"]
        row_id = bytes(chunk.batch.column(0)[0].as_py())
        assert int(log_time[0]) == int.from_bytes(row_id[:8], "big")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[chunk_template.Template | None]:
    """Templates, in the order in which they were asked for."""
    made: list[chunk_template.Template | None] = []
    template_of = chunk_template.template_of

    def noting(*args: Any) -> chunk_template.Template | None:
        made.append(template_of(*args))
        return made[-1]

    monkeypatch.setattr("rerund_sdk.chunk.template_of", noting)
    return made


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_template_is_used_where_cells_have_fixed_sizes(
    at_once: int, made: list[chunk_template.Template | None]
) -> None:
    for what in ("a number", "a pose", "images", "a cloud", "several numbers"):
        logged(what, at_once=at_once)
    assert len(made) == 5
    assert all(template is not None and template.used >= 5 for template in made)
    made.clear()
    logged("a text", at_once=at_once)
    assert len(made) <= 2  # for any entity, then for this one


def test_entities_share_a_template(made: list[chunk_template.Template | None]) -> None:
    logged("a pose", paths=[f"/robot/part{n}" for n in range(10)])
    (template,) = made
    assert template is not None
    assert template.used > 100


def test_one_for_each_entity_whose_rows_have_something_of_their_own(
    made: list[chunk_template.Template | None],
) -> None:
    recording = rr.RecordingStream("app", send_properties=False)
    stream = recording.binary_stream()
    for _ in range(12):
        for path in ("/camera/left", "/camera/rght"):
            recording.log(path, rr.AnyValues(name=path, exposure=0.5))
        recording.flush()
    assert len(made) == 2
    names = [str(each.column[0][0]) for each in map(only_text, chunk_messages(stream.read() or b""))]
    assert names == ["/camera/left", "/camera/rght"] * 12


def test_rows_on_no_timeline_are_static() -> None:
    recording = rr.RecordingStream("app", send_properties=False)
    recording.set_log_time_enabled(False)
    recording.binary_stream()
    (sink,) = recording._batcher.sinks
    sent: list[EncodedMessage] = []
    sink.send = sent.extend  # type: ignore[method-assign]
    for n in range(6):
        recording.log("/robot/arm", rr.Scalars(n))
        recording.flush()
    assert [message.entry.static for message in sent] == [True] * 6


def test_a_constant_is_the_same_byte_for_byte() -> None:
    recording = rr.RecordingStream("app", send_properties=False)
    stream = recording.binary_stream()
    zeros = [0.0] * 6 + [-0.0]
    for zero in zeros:
        recording.log("/robot/arm", rr.AnyValues(x=pa.array([{"a": zero}])))
        recording.flush()
    found = [
        chunk_of(message).components[0].column[0][0]["a"].as_py() for message in chunk_messages(stream.read() or b"")
    ]
    assert list(map(str, found)) == list(map(str, zeros))


def test_templates_are_made_however_many_kinds_there_were_before(made: list[chunk_template.Template | None]) -> None:
    recording = rr.RecordingStream("app", send_properties=False)
    recording.binary_stream()
    for kind in range(1200):
        recording.log("/" + "x" * (10 + kind), rr.Scalars(kind))
        recording.flush()
    assert not made
    for n in range(12):
        recording.log("/hot/entity", rr.Points3D([[n, 1, 2]]))
        recording.flush()
    (template,) = made
    assert template is not None
    assert template.used > 5


def test_a_float_in_the_place_of_an_integer_counts_as_one() -> None:
    recording = rr.RecordingStream("app", send_properties=False)
    stream = recording.binary_stream()
    for _ in range(8):
        recording.log("/robot/arm", rr.Points3D([[1, 2, 3]], class_ids=2.7))
        recording.flush()
    for message in chunk_messages(stream.read() or b""):
        (ids,) = [each.column for each in chunk_of(message).components if "class_ids" in each.descriptor.component]
        assert ids.to_pylist() == [[2]]


def only_text(message: bytes) -> Component:
    (column,) = [each for each in chunk_of(message).components if each.descriptor.component == "name"]
    return column


def test_marks_that_are_found_twice_make_no_template() -> None:
    assert chunk_template._found(b"abcdabcd", [b"abcd"], may_lack=9) is None
    assert chunk_template._found(b"abcdef", [b"abcd", b"cdef"], may_lack=9) is None
    assert chunk_template._found(b"xxabcdyy", [b"abcd", b"none"], may_lack=1) == ([b"xx", b"yy"], [0])
