"""Memory shared with the daemon: blocks, what the daemon accepts, and that images arrive whole whoever dies."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rerund_sdk as rr
from rerund_sdk import rrd, shared_memory, wire
from rerund_sdk.shared_memory import SharedMemory
from tests.daemons import Daemon
from tests.homes import chunk_of, is_chunk, messages_of, program, wait_until
from tests.raw_producer import Message, RawProducer, chunk, frames_of, values_of

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="there is such memory on Linux only"),
    pytest.mark.usefixtures("uncompressed"),
]

PAGE = 4096
IMAGE = (480, 640, 3)
LENT = 100_000  # bytes of a chunk


# Blocks


def numbered(number: int, size: int) -> npt.NDArray[np.uint8]:
    return np.full(size, number, np.uint8)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5 * PAGE)), max_size=60))
def test_no_two_blocks_overlap_and_all_room_comes_back(steps: list[tuple[bool, int]]) -> None:
    memory = SharedMemory(16 * PAGE)
    alive: list[tuple[int, npt.NDArray[np.uint8]]] = []
    copy: npt.NDArray[np.uint8] | None
    for number, (takes, size) in enumerate(steps):
        if takes:
            copy = memory.copy(numbered(number % 256, size))
            if copy is not None:
                alive.append((number % 256, copy))
        elif alive:
            del alive[size % len(alive)]
        assert all((block == value).all() for value, block in alive)
    copy = None
    alive.clear()
    assert memory.copy(numbered(1, 16 * PAGE)) is not None


def test_a_block_is_taken_for_as_long_as_any_view_of_it() -> None:
    memory = SharedMemory(PAGE)
    copy = memory.copy(numbered(7, PAGE))
    assert copy is not None
    part = copy.reshape(2, -1)[1:].data
    del copy
    assert memory.copy(numbered(8, 1)) is None
    assert set(bytes(part)) == {7}
    del part
    assert memory.copy(numbered(8, 1)) is not None


def test_a_copy_keeps_shape_type_and_values_of_any_array() -> None:
    memory = SharedMemory(64 * PAGE)
    array = np.arange(60, dtype=np.float64).reshape(3, 4, 5)[:, ::2].transpose(2, 0, 1)
    copy = memory.copy(array)
    assert copy is not None
    assert copy.flags.c_contiguous
    assert copy.dtype == array.dtype
    np.testing.assert_array_equal(copy, array)


def test_what_finds_no_room_is_copied_to_the_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SharedMemory(PAGE)
    monkeypatch.setattr(shared_memory, "_own", memory)
    array = numbered(1, shared_memory.MIN_BYTES)
    copy = shared_memory.own_copy(array)
    array[:] = 2
    assert (copy == 1).all()
    assert memory.place(copy.data) is None


def test_the_file_cannot_shrink() -> None:
    memory = SharedMemory(PAGE)
    with pytest.raises(PermissionError):
        os.ftruncate(memory.memory.fd, 0)


# What the daemon accepts


def greeted(daemon: Daemon, offered: wire.Memory | None, endpoint: str | None = None) -> RawProducer:
    producer = RawProducer(endpoint or daemon.ingest, greet=False)
    producer.send(producer.hello()._replace(memory=offered))
    producer.welcome = producer.receive(wire.Welcome)
    return producer


def lend(producer: RawProducer, memory: SharedMemory, message: Message, first: int, last: int, **other: int) -> int:
    """Send an append of which the bytes from first to last are lent; its number."""
    copy = memory.copy(np.frombuffer(message.data[first:last], np.uint8))
    assert copy is not None
    kept.append(copy)
    offset = memory.place(copy.data)
    assert offset is not None
    lent = wire.Lent(1, offset, last - first)._replace(**other)
    producer.seq += 1
    parts = (message.data[:first], message.data[last:])
    producer.send(wire.Append(producer.seq, (message.entry,), parts, 0, (lent,)))
    return producer.seq


kept: list[object] = []


@pytest.fixture(autouse=True)
def forget_kept() -> Iterator[None]:
    yield
    kept.clear()


def test_what_is_lent_is_in_the_log(daemon: Daemon) -> None:
    memory = SharedMemory(1 << 20)
    message = chunk("run", "/a", [1.0, 2.0], [1, 2], padding=LENT + 8000)
    with greeted(daemon, memory.memory) as producer:
        assert producer.welcome is not None
        assert producer.welcome.shares_memory
        producer.wait_written(lend(producer, memory, message, 5000, 5000 + LENT))
    assert in_log(daemon) == [message.data]


def in_log(daemon: Daemon) -> list[bytes]:
    (segment,) = (daemon.home / "recordings").glob("*/*/000001.rrd")
    return [found for found in frames_of(segment.read_bytes()) if rrd.frame_header(found, 0)[0] == rrd.Kind.ARROW]


def unsealed() -> wire.Memory:
    fd = os.memfd_create("unsealed")
    os.ftruncate(fd, PAGE)
    return wire.Memory(fd, PAGE, os.fstat(fd).st_ino)


def another_file() -> wire.Memory:
    memory = SharedMemory(PAGE)
    kept.append(memory)
    return memory.memory._replace(inode=memory.memory.inode + 1)


def larger_than_it_is() -> wire.Memory:
    memory = SharedMemory(PAGE)
    kept.append(memory)
    return memory.memory._replace(size=2 * PAGE)


def no_file() -> wire.Memory:
    return wire.Memory(999_999, PAGE, 1)


def a_file_on_disk() -> wire.Memory:
    fd = os.open(__file__, os.O_RDONLY)
    found = os.fstat(fd)
    return wire.Memory(fd, found.st_size, found.st_ino)


@pytest.mark.parametrize("offer", [unsealed, another_file, larger_than_it_is, no_file, a_file_on_disk])
def test_memory_that_is_not_what_it_must_be_is_declined_and_all_is_sent(
    daemon: Daemon, offer: Callable[[], wire.Memory]
) -> None:
    message = chunk("run", "/a", [1.0], [1])
    with greeted(daemon, offer()) as producer:
        assert producer.welcome is not None
        assert not producer.welcome.shares_memory
        producer.append_and_wait(message)
    assert in_log(daemon) == [message.data]


def test_nobody_shares_memory_over_tcp(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon("--listen=tcp://127.0.0.1:0")
    memory = SharedMemory(PAGE)
    with greeted(daemon, memory.memory, daemon.info.tcp[0]) as producer:
        assert producer.welcome is not None
        assert not producer.welcome.shares_memory


@pytest.mark.parametrize(
    ("first", "other", "why"),
    [
        (5000, {"offset": 1 << 20}, "of a shared memory of"),
        (5000, {"offset": 1 << 62}, "of a shared memory of"),
        (5000, {"size": LENT - 1}, "lacks its last"),
        (5000, {"frame": 7}, "lends frame 7"),
        (0, {"frame": 0}, "lies in shared memory"),
        (rrd.MESSAGE_HEADER_SIZE, {}, "lies in shared memory"),
    ],
)
def test_what_is_lent_wrongly_costs_its_sender_alone(
    daemon: Daemon, first: int, other: dict[str, int], why: str
) -> None:
    memory = SharedMemory(1 << 20)
    bad, good = (chunk("run", "/a", [value], [1], padding=LENT + 8000) for value in (1.0, 2.0))
    with greeted(daemon, memory.memory) as producer:
        lend(producer, memory, bad, first, first + LENT, **other)
        reject = producer.receive(wire.Reject)
        assert reject.code == "bad-message"
        assert why in reject.reason
        producer.wait_written(lend(producer, memory, good, 5000, 5000 + LENT))
    assert [values_of(message) for message in in_log(daemon)] == [[2.0]]


def test_who_lends_what_the_daemon_does_not_see_is_asked_for_a_hello(daemon: Daemon) -> None:
    memory = SharedMemory(1 << 20)
    with greeted(daemon, None) as producer:
        lend(producer, memory, chunk("run", "/a", [1.0], [1], padding=LENT + 8000), 5000, 5000 + LENT)
        assert producer.receive(wire.Reject).code == "unknown-producer"


# Whole programs


def image(number: int) -> npt.NDArray[np.uint8]:
    return np.full(IMAGE, number % 251, np.uint8) + np.arange(640, dtype=np.uint8)[None, :, None]


def images_in(daemon: Daemon, recording_id: str) -> dict[str, list[int]]:
    """By entity, the frame numbers of all images in the log, each checked to be the one of that number."""
    found: dict[str, list[int]] = {}
    (directory,) = (path for path in (daemon.home / "recordings").glob("*/*") if path.name == recording_id)
    for segment in sorted(directory.glob("*.rrd")):
        for message in messages_of(segment):
            if not is_chunk(message) or not (read := chunk_of(message)).entity_path.startswith("/camera"):
                continue
            frames = next(index.values for index in read.indexes if index.timeline == "frame")
            buffers = next(each for each in read.components if each.descriptor.component == "Image:buffer").column
            for frame, pixels in zip(frames, buffers, strict=True):
                np.testing.assert_array_equal(np.asarray(pixels.values.flatten()), image(int(frame)).ravel())
                found.setdefault(read.entity_path, []).append(int(frame))
    return found


@pytest.fixture
def recording(daemon: Daemon) -> Iterator[rr.RecordingStream]:
    """One that delivers to the daemon, and has been welcomed."""
    made = rr.RecordingStream("app", recording_id="run")
    made.set_sinks(rr.DaemonSink(daemon.ingest))
    made.log("begin", rr.Scalars(0))
    assert made.flush(timeout_sec=30)
    yield made
    made.disconnect()


def log_images(recording: rr.RecordingStream, first: int, last: int) -> None:
    for number in range(first, last):
        recording.set_time("frame", sequence=number)
        recording.log("camera", rr.Image(image(number)))


def test_images_do_not_pass_through_the_socket(
    daemon: Daemon, recording: rr.RecordingStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent: list[wire.Lent] = []
    encode = wire.encode

    def noting(message: wire.Message) -> list[bytes | memoryview]:
        frames = encode(message)
        if isinstance(message, wire.Append):
            lent.extend(message.lent)
            assert sum(map(len, frames)) < 10_000
        return frames

    monkeypatch.setattr(wire, "encode", noting)
    for number in range(20):
        log_images(recording, number, number + 1)
        assert recording.flush(timeout_sec=30)
    assert len(lent) == 20
    assert images_in(daemon, "run") == {"/camera": list(range(20))}


def test_images_arrive_whole_and_once_through_kills_of_the_daemon(
    daemon: Daemon, recording: rr.RecordingStream
) -> None:
    for part in range(4):
        log_images(recording, part * 40, part * 40 + 40)  # more than the memory has room for
        daemon.kill()
        log_images(recording, 1000 + part * 10, 1000 + part * 10 + 10)
        daemon.start()
    assert recording.flush(timeout_sec=50)
    expected = sorted([*range(160), *range(1000, 1040)])
    assert sorted(images_in(daemon, "run")["/camera"]) == expected


def test_all_memory_comes_back_once_it_is_acked(recording: rr.RecordingStream) -> None:
    log_images(recording, 0, 30)
    assert recording.flush(timeout_sec=30)
    memory = shared_memory.obtain()
    assert memory is not None

    def has_all_room() -> bool:
        gc.collect()
        return memory.copy(np.zeros(memory.memory.size, np.uint8)) is not None

    wait_until(has_all_room)


DYING = """
import sys, zmq
from rerund_sdk.shared_memory import SharedMemory
from tests.test_shared_memory import LENT, greeted, lend
from tests.raw_producer import RawProducer, chunk
from rerund_sdk import wire

endpoint = sys.argv[1]
memory = SharedMemory(1 << 20)
context = zmq.Context()
producer = RawProducer(endpoint, greet=False, context=context)
producer.send(producer.hello()._replace(memory=memory.memory))
assert producer.receive(wire.Welcome).shares_memory
print("welcome", flush=True)
sys.stdin.readline()
lend(producer, memory, chunk("run", "/a", [1.0], [1], padding=LENT + 8000), 5000, 5000 + LENT)
producer.socket.close(linger=-1)
context.term()  # all is in the socket
print("sent", flush=True)
sys.stdin.readline()
"""


def test_what_a_producer_lent_is_written_though_it_was_killed(daemon: Daemon) -> None:
    command = [sys.executable, "-c", DYING, daemon.ingest]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as producer,
        ExitStack() as end,
    ):
        end.callback(producer.kill)
        assert producer.stdin is not None
        assert producer.stdout is not None
        assert producer.stdout.readline() == "welcome\n"
        daemon.signal(signal.SIGSTOP)
        producer.stdin.write("\n")
        producer.stdin.flush()
        assert producer.stdout.readline() == "sent\n"
        producer.kill()
        producer.wait()
        daemon.signal(signal.SIGCONT)
    assert [values_of(message) for message in wait_until(lambda: in_log(daemon))] == [[1.0]]


FORKING = """
import os
import rerund_sdk as rr
from tests.test_shared_memory import log_images

rr.init("app", recording_id="run")
rr.connect()
recording = rr.get_global_data_recording()
recording.log("begin", rr.Scalars(0))
assert recording.flush(timeout_sec=30)
log_images(recording, 0, 10)
child = os.fork()
log_images(recording, *((100, 130) if child == 0 else (200, 230)))
assert recording.flush(timeout_sec=30)
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_parent_and_forked_child_lend_without_touching_each_others(daemon: Daemon) -> None:
    done = program(FORKING)
    assert done.returncode == 0, done.stderr
    assert sorted(images_in(daemon, "run")["/camera"]) == [*range(10), *range(100, 130), *range(200, 230)]


def test_the_daemon_stays_under_200_mb_while_half_a_gb_is_lent(daemon: Daemon, recording: rr.RecordingStream) -> None:
    assert daemon.process is not None
    process = psutil.Process(daemon.process.pid)
    most = 0
    for number in range(0, 600, 10):
        log_images(recording, number, number + 10)
        assert recording.flush(timeout_sec=30)
        most = max(most, process.memory_info().rss)
    assert most < 200e6
