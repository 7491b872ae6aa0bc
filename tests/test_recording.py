"""What a process logs into a recording, and where it goes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from rerun.chunk import RrdReader

import rerund_sdk as rr
from rerund_sdk.chunk_reader import Chunk, parse_arrow_msg, read_chunk
from rerund_sdk.errors import BadData, ModeError
from rerund_sdk.file_sink import FileSink
from rerund_sdk.rrd import STREAM_HEADER_SIZE, Kind, frames
from rerund_sdk.sinks import BufferSink
from rerund_sdk.strictness import RerunWarning
from tests.official import RERUN


def chunks_in(path: Path) -> list[Chunk]:
    content = path.read_bytes()
    return [
        read_chunk(parse_arrow_msg(content[frame.body]))
        for frame in frames(content, STREAM_HEADER_SIZE)
        if frame.kind == Kind.ARROW
    ]


def values_in(path: Path, entity: str) -> list[float]:
    found = [chunk for chunk in chunks_in(path) if chunk.entity_path == entity]
    return [value for chunk in found for (value,) in chunk.components[0].column.to_pylist()]


def new_recording(name: str = "rerund_test") -> rr.RecordingStream:
    return rr.RecordingStream(name, send_properties=False)


def test_what_is_logged_before_a_mode_goes_to_the_first_one(tmp_path: Path) -> None:
    recording = new_recording()
    recording.log("a", rr.Scalars(1.0))
    recording.flush()
    recording.log("a", rr.Scalars(2.0))
    recording.set_sinks(FileSink(tmp_path / "a.rrd"))
    recording.log("a", rr.Scalars(3.0))
    recording.disconnect()
    recording.log("a", rr.Scalars(4.0))
    assert values_in(tmp_path / "a.rrd", "/a") == [1.0, 2.0, 3.0]


def test_modes_replace_each_other_without_losing_a_row(tmp_path: Path) -> None:
    recording = new_recording()
    for number in range(5):
        recording.set_sinks(FileSink(tmp_path / f"{number}.rrd"))
        for value in range(100):
            recording.log("a", rr.Scalars(float(number * 100 + value)))
    recording.disconnect()
    for number in range(5):
        assert values_in(tmp_path / f"{number}.rrd", "/a") == [float(number * 100 + value) for value in range(100)]


def test_several_sinks_get_the_same(tmp_path: Path) -> None:
    recording = new_recording()
    recording.set_sinks(FileSink(tmp_path / "a.rrd"), FileSink(tmp_path / "b.rrd"))
    recording.log("a", rr.Points3D(np.eye(3)))
    recording.disconnect()
    assert [chunk.id for chunk in chunks_in(tmp_path / "a.rrd")] == [
        chunk.id for chunk in chunks_in(tmp_path / "b.rrd")
    ]


def test_a_file_that_another_process_writes_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    first, second = new_recording(), new_recording()
    first.set_sinks(FileSink(tmp_path / "a.rrd"))
    first.log("a", rr.Scalars(1.0))
    second.log("b", rr.Scalars(2.0))
    with pytest.raises(ModeError, match=r"a\.rrd is being written by another recording"):
        second.set_sinks(FileSink(tmp_path / "a.rrd"))
    second.set_sinks(FileSink(tmp_path / "b.rrd"))
    first.disconnect()
    second.disconnect()
    assert values_in(tmp_path / "a.rrd", "/a") == [1.0]
    assert values_in(tmp_path / "b.rrd", "/b") == [2.0]


def test_saving_to_the_file_in_use_goes_on_with_it(tmp_path: Path) -> None:
    recording = new_recording()
    recording.set_sinks(FileSink(tmp_path / "a.rrd"))
    recording.log("a", rr.Scalars(1.0))
    recording.set_sinks(FileSink(tmp_path / "a.rrd"))
    recording.log("a", rr.Scalars(2.0))
    recording.disconnect()
    assert values_in(tmp_path / "a.rrd", "/a") == [1.0, 2.0]


def test_two_equal_sinks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two of the 2 sinks are the same"):
        new_recording().set_sinks(FileSink(tmp_path / "a.rrd"), FileSink(tmp_path / "a.rrd"))


def test_arrays_are_copied_when_they_are_logged(tmp_path: Path) -> None:
    recording = new_recording()
    recording.set_sinks(FileSink(tmp_path / "a.rrd"))
    points = np.zeros((2, 3), np.float32)
    image = np.zeros((4, 4, 3), np.uint8)
    recording.log("points", rr.Points3D(points))
    recording.log("image", rr.Image(image))
    points[:] = 1
    image[:] = 1
    recording.disconnect()
    points_chunk, image_chunk = chunks_in(tmp_path / "a.rrd")
    assert points_chunk.components[0].column.to_pylist() == [[[0, 0, 0], [0, 0, 0]]]
    buffer = next(c for c in image_chunk.components if c.descriptor.component == "Image:buffer")
    assert not np.any(buffer.column.to_pylist())


def test_threads_keep_their_own_time_and_all_rows_arrive_in_each_threads_order(tmp_path: Path) -> None:
    recording = new_recording()
    recording.set_sinks(FileSink(tmp_path / "a.rrd"))

    def work(number: int) -> None:
        for step in range(1000):
            recording.set_time(f"thread{number}", sequence=step)
            recording.log(f"t{number}", rr.Scalars(float(step)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recording.disconnect()
    for number in range(4):
        chunks = [chunk for chunk in chunks_in(tmp_path / "a.rrd") if chunk.entity_path == f"/t{number}"]
        times = [
            int(value) for chunk in chunks for i in chunk.indexes if i.timeline != "log_time" for value in i.values
        ]
        assert times == list(range(1000))
        assert {i.timeline for chunk in chunks for i in chunk.indexes} == {"log_time", f"thread{number}"}


def test_log_tick_counts_every_call(tmp_path: Path) -> None:
    recording = new_recording()
    recording.set_sinks(FileSink(tmp_path / "a.rrd"))
    recording.set_log_time_enabled(False)
    recording.set_log_tick_enabled(True)
    for name in ("a", "b", "a", "a"):
        recording.log(name, rr.Scalars(0.0))
    recording.disconnect()
    ticks = {
        chunk.entity_path: [list(map(int, index.values)) for index in chunk.indexes]
        for chunk in chunks_in(tmp_path / "a.rrd")
    }
    assert ticks == {"/a": [[0, 2, 3]], "/b": [[1]]}


def test_bad_data_is_one_warning_and_never_half_a_row(tmp_path: Path) -> None:
    recording = new_recording()
    recording.set_sinks(FileSink(tmp_path / "a.rrd"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recording.log("a", 3)  # type: ignore[arg-type]
    assert [str(warning.message) for warning in caught] == [
        "expected an archetype, or component batches with descriptors, got int: wrap your data, for example in "
        "rr.Scalars(...) or rr.AnyValues(name=...)"
    ]
    with pytest.raises(BadData):
        recording.log("a", 3, strict=True)  # type: ignore[arg-type]
    recording.disconnect()
    assert chunks_in(tmp_path / "a.rrd") == []


def test_a_component_that_comes_twice_counts_once(tmp_path: Path) -> None:
    recording = new_recording()
    recording.set_sinks(FileSink(tmp_path / "a.rrd"))
    with pytest.warns(RerunWarning, match="given twice"):
        recording.log("a", rr.Scalars(1.0), rr.Scalars(2.0))
    recording.disconnect()
    assert values_in(tmp_path / "a.rrd", "/a") == [1.0]


@pytest.mark.parametrize("setting", ["off", "0", "false"])
def test_nothing_is_logged_when_the_environment_says_so(
    setting: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RERUN", setting)
    recording = new_recording()
    recording.log("a", rr.Scalars(1.0))
    recording.set_sinks(FileSink(tmp_path / "a.rrd"))
    assert not recording.is_enabled()
    assert isinstance(recording.sinks[0], BufferSink)
    assert not (tmp_path / "a.rrd").exists()


FORK = """
import os, sys
import rerund_sdk as rr
from rerund_sdk.file_sink import FileSink
rr.init("fork", recording_id="fork", send_properties=False)
rr.set_sinks(FileSink(sys.argv[1]))
for i in range(10):
    rr.log("parent", rr.Scalars(float(i)))
child = os.fork()
for i in range(10, 20):
    rr.log("child" if child == 0 else "parent", rr.Scalars(float(i)))
if child:
    os.waitpid(child, 0)
    print(child)
"""


def test_a_forked_child_saves_beside_its_parent_and_no_row_is_lost_or_doubled(tmp_path: Path) -> None:
    path = tmp_path / "a.rrd"
    done = subprocess.run([sys.executable, "-c", FORK, path], capture_output=True, text=True, timeout=30, check=True)
    child = tmp_path / f"a.{int(done.stdout)}.rrd"
    assert values_in(path, "/parent") == [float(i) for i in range(20)]
    assert values_in(path, "/child") == []
    assert values_in(child, "/child") == [float(i) for i in range(10, 20)]
    assert values_in(child, "/parent") == []
    assert "saves to a file of its own" in done.stderr


KILLED = """
import sys
import rerund_sdk as rr
from rerund_sdk.file_sink import FileSink
rr.init("killed", recording_id="killed")
rr.set_sinks(FileSink(sys.argv[1]))
for i in range(1000):
    rr.log("a", rr.Scalars(float(i)))
rr.flush()
print("flushed", flush=True)
while True:
    rr.log("b", rr.Scalars(1.0))
"""


def test_a_file_of_a_killed_process_holds_all_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "a.rrd"
    with subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"flushed\n"
        process.send_signal(signal.SIGKILL)
    assert values_in(path, "/a") == [float(i) for i in range(1000)]
    verify = [RERUN, "rrd", "verify", "--check-footers=false", path]
    subprocess.run(verify, check=True, timeout=30)


def test_a_finished_file_can_be_opened_for_random_access(tmp_path: Path) -> None:
    recording = rr.RecordingStream("rerund_test", recording_id="id")
    recording.set_sinks(FileSink(tmp_path / "a.rrd"))
    recording.log("a", rr.Scalars(1.0))
    recording.disconnect()
    store = RrdReader(tmp_path / "a.rrd").store()
    assert {chunk.entity_path for chunk in store.stream().to_chunks()} == {"/a", "/__properties"}


def test_a_full_disk_keeps_what_was_written_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import resource

    recording = new_recording()
    recording.set_sinks(FileSink(tmp_path / "a.rrd", write_footer=False))
    recording.log("a", rr.Scalars(1.0))
    assert recording.flush()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "a.rrd").stat().st_size + 5000, limits[1]))
        recording.log("image", rr.Image(np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)))
        assert not recording.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    recording.disconnect()
    assert values_in(tmp_path / "a.rrd", "/a") == [1.0]
    assert "rows from here on are lost: File too large" in caplog.text


def test_the_end_of_a_program_that_never_logged_does_not_wait() -> None:
    program = "import rerund_sdk as rr; rr.init('idle', send_properties=False)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)


def test_with_blocks_nest_and_each_logs_into_its_own(tmp_path: Path) -> None:
    outer, inner = new_recording("outer"), new_recording("inner")
    outer.set_sinks(FileSink(tmp_path / "outer.rrd"))
    inner.set_sinks(FileSink(tmp_path / "inner.rrd"))
    with outer:
        rr.log("a", rr.Scalars(1.0))
        with inner:
            rr.log("a", rr.Scalars(2.0))
        rr.log("a", rr.Scalars(3.0))
    outer.disconnect()
    inner.disconnect()
    assert values_in(tmp_path / "outer.rrd", "/a") == [1.0, 3.0]
    assert values_in(tmp_path / "inner.rrd", "/a") == [2.0]
