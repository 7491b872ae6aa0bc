"""What was logged is read back as it was, from wherever it went."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow as pa
import pytest
import rerun
import rerun.blueprint
from hypothesis import given, settings
from hypothesis import strategies as st

import rerund_sdk as rr
from rerund_sdk import loading, rrd
from rerund_sdk.errors import BadData, BadRrd, LoadError
from rerund_sdk.loading import load, load_all


def new_recording(name: str = "test_load", **options: Any) -> rr.RecordingStream:
    return rr.RecordingStream(name, send_properties=False, **options)


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    """Ten frames of an arm, a camera at every second one, and something static."""
    recording = new_recording(recording_id="run")
    recording.save(tmp_path / "arm.rrd")
    recording.log("arm", rr.TextDocument("an arm"), static=True)
    for frame in range(10):
        recording.set_time("frame", sequence=frame)
        recording.set_time("time", duration=frame * 0.5)
        recording.log("arm", rr.Scalars(float(frame)))
        if frame % 2 == 0:
            recording.log("arm/camera", rr.Points3D([[frame, 0, 0]] * frame, labels=[str(frame)] * frame))
    recording.disconnect()
    return tmp_path / "arm.rrd"


def test_a_recording_tells_its_entities_timelines_and_components(arm: Path) -> None:
    recording = load(arm)
    assert (recording.application_id, recording.recording_id) == ("test_load", "run")
    assert recording.entities == ("/arm", "/arm/camera")
    assert recording.timelines == {"frame": "sequence", "time": "duration", "log_time": "timestamp"}
    assert [str(component) for component in recording.components("/arm")] == ["Scalars:scalars", "TextDocument:text"]
    assert recording.row_count == 16


def test_a_table_has_a_row_for_each_logged_row(arm: Path) -> None:
    table = load(arm).table("/arm")
    assert table["Scalars:scalars"].to_pylist() == [None, *([float(frame)] for frame in range(10))]
    assert table["frame"].to_pylist() == [None, *range(10)]
    assert table["TextDocument:text"].to_pylist() == [["an arm"], *[None] * 10]
    assert table.schema.field("Scalars:scalars").metadata[b"rerun:archetype"] == b"rerun.archetypes.Scalars"


def test_a_range_of_a_timeline_includes_both_ends(arm: Path) -> None:
    recording = load(arm)
    assert recording.table("arm", timeline="frame", start=3, end=5)["frame"].to_pylist() == [3, 4, 5]
    in_seconds = recording.table("arm", timeline="time", start=1.0, end=timedelta(seconds=2))
    assert in_seconds["frame"].to_pylist() == [2, 3, 4]


def test_rows_of_several_entities_at_one_time_share_a_row(arm: Path) -> None:
    table = load(arm).table("/arm/**", timeline="frame", components=["scalars", "Points3D:labels"])
    assert table["frame"].to_pylist() == list(range(10))
    assert table["/arm:Scalars:scalars"].to_pylist() == [[float(frame)] for frame in range(10)]
    labels = [[str(frame)] * frame if frame % 2 == 0 else None for frame in range(10)]
    assert table["/arm/camera:Points3D:labels"].to_pylist() == labels


def test_rows_of_one_entity_at_one_time_stay_apart() -> None:
    recording = new_recording()
    recording.set_time("frame", sequence=1)
    for value in (1.0, 2.0):
        recording.log("a", rr.Scalars(value))
    recording.log("b", rr.Scalars(3.0))
    table = load(recording).table(["/a", "/b"], timeline="frame")
    assert table["/a:Scalars:scalars"].to_pylist() == [[1.0], [2.0]]
    assert table["/b:Scalars:scalars"].to_pylist() == [[3.0], None]


def test_fill_gives_what_held_at_each_time(arm: Path) -> None:
    table = load(arm).table(["/arm", "/arm/camera"], timeline="frame", start=3, fill=True)
    assert table["frame"].to_pylist() == list(range(3, 10))
    held = [[str(frame // 2 * 2)] * (frame // 2 * 2) for frame in range(3, 10)]
    assert table["/arm/camera:Points3D:labels"].to_pylist() == held
    assert table["/arm:TextDocument:text"].to_pylist() == [["an arm"]] * 7


def test_flatten_makes_plain_columns_of_single_instances(arm: Path) -> None:
    table = load(arm).table("/arm", timeline="frame", flatten=True)
    assert table["Scalars:scalars"].to_pylist() == [float(frame) for frame in range(10)]
    assert pa.types.is_list(load(arm).table("/arm/camera", flatten=True)["Points3D:labels"].type)


def test_data_frames_of_both_kinds_have_the_same_values(arm: Path) -> None:
    query: dict[str, Any] = {"timeline": "frame", "flatten": True, "components": "Scalars:scalars"}
    in_pandas = load(arm).pandas("/arm", **query)
    in_polars = load(arm).polars("/arm", **query)
    assert isinstance(in_pandas, pandas.DataFrame) and isinstance(in_polars, polars.DataFrame)
    assert in_pandas["Scalars:scalars"].tolist() == in_polars["Scalars:scalars"].to_list() == list(range(10))


def test_static_data_is_as_it_was_logged_last() -> None:
    recording = new_recording()
    for text in ("one", "two"):
        recording.log("a", rr.TextDocument(text), static=True)
    recording.log("a", rr.TextLog("log"), static=True)
    assert load(recording).static("a").to_pylist() == [{"TextDocument:text": ["two"], "TextLog:text": ["log"]}]


def test_batches_stream_the_rows_asked_for(arm: Path) -> None:
    batches = list(load(arm).batches("/arm", timeline="frame", end=4, components=["scalars"]))
    assert [value for batch in batches for (value,) in batch["Scalars:scalars"].to_pylist()] == [0, 1, 2, 3, 4]
    assert {batch.schema.metadata[b"rerun:entity_path"] for batch in batches} == {b"/arm"}


def test_a_component_of_several_types_has_a_column_for_each() -> None:
    recording = new_recording()
    recording.log("a", [rr.AnyBatchValue("x", pa.array([1]))])
    recording.log("a", [rr.AnyBatchValue("x", pa.array(["text"]))])
    table = load(recording).table("a")
    assert table["x"].to_pylist() == [[1], None]
    assert table["x[string]"].to_pylist() == [None, ["text"]]


def test_what_does_not_exist_is_named_with_what_does(arm: Path) -> None:
    recording = load(arm)
    with pytest.raises(BadData, match=r"no entity '/leg': it has /arm, /arm/camera"):
        recording.table("/leg")
    with pytest.raises(BadData, match=r"no timeline 'tick': it has .*frame"):
        recording.table("/arm", timeline="tick")
    with pytest.raises(BadData, match="fill=True needs a timeline"):
        recording.table("/arm", fill=True)
    with pytest.raises(LoadError, match=r"cannot read .*missing\.rrd: No such file"):
        load("missing.rrd")
    with pytest.raises(BadRrd, match=r"not an \.rrd file"):
        load(b"GIF89a, surely")


def official(path: Path, values: range, **options: Any) -> Path:
    """A file of the official SDK, LZ4 and all."""
    recording = rerun.RecordingStream("official", recording_id="theirs")
    recording.save(path, **options)
    for value in values:
        recording.set_time("frame", sequence=value)
        recording.log("a", rerun.Scalars(value), rerun.AnyValues(text=str(value)))
    recording.send_blueprint(rerun.blueprint.Blueprint(rerun.blueprint.TimeSeriesView()))
    recording.disconnect()
    return path


def test_files_of_the_official_sdk_are_read(tmp_path: Path) -> None:
    recording = load(official(tmp_path / "a.rrd", range(100)))
    assert recording.table("a", timeline="frame", flatten=True)["Scalars:scalars"].to_pylist() == list(range(100))
    stores = load_all(tmp_path / "a.rrd")
    assert [store.is_blueprint for store in stores] == [False, True]
    assert stores[1].activation == (True, True)
    assert "/viewport" in stores[1].entities


def test_concatenated_and_unsealed_files_are_read_whole(tmp_path: Path) -> None:
    sealed = official(tmp_path / "a.rrd", range(10)).read_bytes()
    unsealed = official(tmp_path / "b.rrd", range(10, 20), write_footer=False).read_bytes()
    both = load(sealed + unsealed)
    assert both.table("a", timeline="frame")["frame"].to_pylist() == list(range(20))
    assert load(unsealed + sealed).row_count == both.row_count


def test_a_repeated_chunk_counts_once(tmp_path: Path) -> None:
    content = official(tmp_path / "a.rrd", range(10)).read_bytes()
    assert load(content + content).row_count == load(content).row_count


def test_several_recordings_in_a_file_are_told_apart() -> None:
    contents = b""
    for name in ("one", "two"):
        recording = new_recording(recording_id=name)
        recording.log("a", rr.TextLog(name))
        contents += recording.memory_recording().drain_as_bytes()
    assert load(contents, recording_id="two").table("a")["TextLog:text"].to_pylist() == [["two"]]
    with pytest.raises(LoadError, match=r"2 recordings: choose .* from: test_load/one, test_load/two"):
        load(contents)


def test_a_torn_file_is_read_up_to_the_tear(caplog: pytest.LogCaptureFixture) -> None:
    recording = new_recording()
    for value in range(3):
        recording.log("a", rr.Scalars(float(value)))
        recording.flush()
    content = recording.memory_recording().drain_as_bytes()
    frames = list(rrd.frames(content, rrd.STREAM_HEADER_SIZE))
    ends = [frame.end for frame in frames if frame.kind == rrd.Kind.ARROW]
    boundaries = {frame.start for frame in frames}
    for cut in range(rrd.STREAM_HEADER_SIZE, ends[-1] + 1):
        caplog.clear()
        assert sum(store.row_count for store in load_all(content[:cut])) == sum(end <= cut for end in ends)
        assert ("it ends inside a message" in caplog.text) == (cut not in boundaries)


def test_a_damaged_chunk_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    recording = new_recording()
    for value in range(2):
        recording.log("a", rr.Scalars(float(value)))
        recording.flush()
    content = bytearray(recording.memory_recording().drain_as_bytes())
    first = next(frame for frame in rrd.frames(content, rrd.STREAM_HEADER_SIZE) if frame.kind == rrd.Kind.ARROW)
    content[first.start + 150 : first.end] = bytes(first.end - first.start - 150)
    assert load(bytes(content)).table("a")["Scalars:scalars"].to_pylist() == [[1.0]]
    assert "is left out" in caplog.text


def test_a_recording_of_this_process_is_read_while_it_is_logged(tmp_path: Path) -> None:
    recording = new_recording()
    recording.log("a", rr.Scalars(1.0))
    assert load(recording).row_count == 1
    recording.save(tmp_path / "a.rrd")
    recording.log("a", rr.Scalars(2.0))
    assert load(recording).table("a")["Scalars:scalars"].to_pylist() == [[1.0], [2.0]]
    assert load(tmp_path / "a.rrd").row_count == 2


@pytest.mark.usefixtures("daemon")
def test_a_recording_of_the_daemon_is_read_while_it_is_logged() -> None:
    recording = new_recording(recording_id="live")
    recording.connect()
    for value in range(100):
        recording.set_time("frame", sequence=value)
        recording.log("a", rr.Scalars(float(value)))
    assert recording.flush(timeout_sec=30)
    for source in ("live", "test_load/live", recording):
        table = load(source).table("a", timeline="frame", start=10, end=19)
        assert table["frame"].to_pylist() == list(range(10, 20))
    with pytest.raises(LoadError, match=r"'dead' is no file, and the daemon"):
        load("dead")
    recording.disconnect()


def test_reading_takes_the_memory_of_a_chunk_not_of_the_file(tmp_path: Path) -> None:
    recording = new_recording()
    recording.save(tmp_path / "big.rrd", write_footer=False)
    image = np.random.default_rng(0).integers(0, 256, (1000, 1000), np.uint8)
    for _ in range(60):
        recording.log("image", rr.Image(image))
        recording.flush()
    recording.disconnect()
    loaded = load(tmp_path / "big.rrd")
    before, most = pa.total_allocated_bytes(), 0
    for batch in loaded.batches("image"):
        most = max(most, pa.total_allocated_bytes() - before)
        assert batch.num_rows
    assert most < 10_000_000


def test_loading_is_safe_from_several_threads(arm: Path) -> None:
    recording, found = load(arm), []
    threads = [threading.Thread(target=lambda: found.append(recording.table("/arm").num_rows)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [11] * 8


# Whatever `log` accepts comes back as it was

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
FLOATS = st.floats(width=32)
INT64S = st.integers(-(2**63) + 1, 2**63 - 1)


def arrays(size: int | None = None) -> st.SearchStrategy[pa.Array[Any]]:
    """Instances of any Arrow type that a component of somebody's own might have."""
    scalars: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
        (pa.int64(), INT64S),
        (pa.uint8(), st.integers(0, 255)),
        (pa.float64(), st.floats()),
        (pa.float32(), FLOATS),
        (pa.bool_(), st.booleans()),
        (pa.utf8(), TEXTS),
        (pa.binary(), st.binary(max_size=8)),
        (pa.list_(pa.int32(), 2), st.lists(st.integers(-(2**31), 2**31 - 1), min_size=2, max_size=2)),
        (pa.list_(pa.utf8()), st.lists(TEXTS, max_size=3)),
        (pa.struct([("x", pa.int16()), ("name", pa.utf8())]), st.fixed_dictionaries({"x": st.none(), "name": TEXTS})),
    ]
    lengths: dict[str, int] = {"min_size": size, "max_size": size} if size is not None else {"max_size": 4}
    return st.one_of(
        st.lists(st.none() | values, **lengths).map(lambda items, kind=kind: pa.array(items, kind))
        for kind, values in scalars
    )


POINT = st.tuples(FLOATS, FLOATS, FLOATS)
POINTS = st.lists(POINT, max_size=4)
SHAPES = st.lists(st.integers(1, 3), min_size=1, max_size=4)
COLORS = st.lists(st.tuples(*[st.integers(0, 255)] * 4), max_size=4)
LOGGABLES: st.SearchStrategy[Any] = st.one_of(
    st.builds(rr.Points3D, POINTS, colors=COLORS, labels=st.lists(TEXTS)),
    st.builds(rr.Scalars, st.floats() | st.lists(st.floats(), max_size=4)),
    st.builds(rr.TextLog, TEXTS),
    st.builds(rr.LineStrips3D, st.lists(st.lists(POINT, min_size=1), max_size=3)),
    SHAPES.map(lambda shape: rr.Tensor(np.arange(math.prod(shape)).reshape(shape))),
    st.dictionaries(st.sampled_from("abc"), arrays().filter(len), min_size=1).map(lambda x: rr.AnyValues(**x)),
    st.builds(rr.AnyBatchValue, st.sampled_from("xyz"), arrays()).map(lambda batch: [batch]),
    st.just(rr.Clear(recursive=False)),
    st.just(rr.Points3D.cleared()),
)
TIMES = st.fixed_dictionaries(
    {},
    optional={
        "frame": st.fixed_dictionaries({"sequence": INT64S}),
        "elapsed": st.fixed_dictionaries({"duration": INT64S.map(lambda nanos: np.timedelta64(nanos, "ns"))}),
        "when": st.fixed_dictionaries({"timestamp": INT64S.map(lambda nanos: np.datetime64(nanos, "ns"))}),
    },
)
PATHS = st.lists(TEXTS.filter(bool), min_size=1, max_size=3) | st.just(["a"])
CALLS = st.lists(st.tuples(PATHS, LOGGABLES, TIMES, st.booleans()), max_size=12)


@settings(max_examples=150, deadline=None)
@given(CALLS)
def test_whatever_log_accepts_comes_back_from_load_as_it_was(calls: list[tuple[list[object], Any, Any, bool]]) -> None:
    recording = new_recording()
    recording.set_log_time_enabled(False)
    expected: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for path, loggable, times, static in calls:
        recording.reset_time()
        for timeline, value in times.items():
            recording.set_time(timeline, **value)
        recording.log(path, loggable, static=static, strict=True)
        components = {str(batch.component_descriptor()): batch.as_arrow_array() for batch in batches_of(loggable)}
        if components:
            now = {} if static else {timeline: next(iter(value.values())) for timeline, value in times.items()}
            expected.setdefault(rr.new_entity_path(path), []).append((now, components))
    loaded = load(recording)
    assert loaded.entities == tuple(sorted(expected))
    for entity, rows in expected.items():
        assert rows_of(loaded.table(entity)) == [(plain_times(now), plain(components)) for now, components in rows]


def batches_of(loggable: Any) -> list[Any]:
    found: Callable[[], list[Any]] | None = getattr(loggable, "as_component_batches", None)
    return found() if found is not None else list(loggable)


def plain_times(times: dict[str, Any]) -> dict[str, int]:
    return {name: int(value if isinstance(value, int) else value.astype(np.int64)) for name, value in times.items()}


def plain(components: dict[str, pa.Array[Any]]) -> dict[str, str]:
    """Values with their types as text, in which NaN equals NaN and -0.0 differs from 0.0."""
    return {name: f"{array.type}: {array.to_pylist()!r}" for name, array in components.items()}


def rows_of(table: pa.Table) -> list[tuple[dict[str, int], dict[str, str]]]:
    rows: list[tuple[dict[str, int], dict[str, str]]] = []
    for number in range(table.num_rows):
        times, components = {}, {}
        for field in table.schema:
            cell = table[field.name][number]
            if not cell.is_valid:
                continue
            if field.metadata[b"rerun:kind"] == b"index":
                times[field.name] = int(cell.cast(pa.int64()).as_py())
            else:
                components[field.metadata[b"rerun:component"].decode()] = cell.values
        rows.append((times, plain(components)))
    return rows


def test_a_manifest_says_the_same_as_the_chunks(tmp_path: Path) -> None:
    path = official(tmp_path / "a.rrd", range(50))
    sealed = load_all(path)
    whole = path.read_bytes()
    opened = load_all(whole[: rrd_end(whole)])
    for one, other in zip(sealed, opened, strict=True):
        for chunk, other_chunk in zip(one._chunks, other._chunks, strict=True):
            assert chunk[2:5] == other_chunk[2:5]
            assert set(chunk.components) == set(other_chunk.components)


def test_a_sealed_file_is_found_through_without_opening_its_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = official(tmp_path / "a.rrd", range(50))
    monkeypatch.setattr(loading, "read_chunk", lambda _: pytest.fail("a chunk was opened"))
    assert load(path).entities == ("/__properties", "/a")


def test_a_wrong_manifest_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = bytearray(official(tmp_path / "a.rrd", range(50)).read_bytes())
    content[rrd_end(content) + 40] ^= 1
    assert load(bytes(content)).table("a", timeline="frame")["frame"].to_pylist() == list(range(50))
    assert "checksum is wrong" in caplog.text


def rrd_end(content: bytes | bytearray) -> int:
    """Where the End message of a sealed stream begins."""
    return next(frame.start for frame in rrd.frames(content, rrd.STREAM_HEADER_SIZE) if frame.kind == rrd.Kind.END)
