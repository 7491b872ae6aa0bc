"""The daemon's memory has a limit: it is shared out, and when it is short, producers wait and keep what they log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import rerun

import rerund_sdk as rr
from rerund.bell import Bells
from rerund.grpc_edge import SERVICE
from rerund.memory import Memory
from rerund.readers import SMALLEST_BATCH, Readers
from rerund.recent import RecentIds
from rerund.recording import Recording
from rerund.share import Share
from rerund.web.finder import Finder
from rerund_sdk import wire
from tests.daemons import Daemon, fresh_folder
from tests.homes import run_to_end, wait_until
from tests.raw_producer import RawProducer, blob, chunk

pytestmark = pytest.mark.usefixtures("uncompressed")

MIB = 1 << 20
LIMIT = 256 * MIB

# short of memory

AS_A_FILE_SAYS = """
import sys, pathlib, rerund.memory
rerund.memory._own_bytes = lambda: int(pathlib.Path({path!r}).read_text())
from rerund.cli import main
sys.exit(main(sys.argv[1:]))
"""


class ShortOfMemory(Daemon):
    """A daemon that uses as much memory as a file says."""

    def __init__(self) -> None:
        super().__init__(fresh_folder(), f"--memory-limit={LIMIT}")
        self._used = self.folder / "used"
        self.program = ("-c", AS_A_FILE_SAYS.format(path=str(self._used)))

    def uses(self, size: int) -> None:
        with self._used.with_suffix(".new").open("w") as file:
            file.write(str(size))
        self._used.with_suffix(".new").replace(self._used)


@pytest.fixture
def short() -> Iterator[ShortOfMemory]:
    daemon = ShortOfMemory()
    daemon.uses(100 * MIB)
    yield daemon
    daemon.end()


def test_producers_wait_while_memory_is_short_and_newcomers_are_refused_with_the_reason(short: ShortOfMemory) -> None:
    short.start()
    recording = rr.RecordingStream("app", recording_id="run")
    recording.connect(short.ingest)
    recording.log("/a", rr.Scalars(1))
    assert recording.flush(timeout_sec=30)
    short.uses(250 * MIB)
    wait_until(lambda: _memory(short)["reason"])
    with RawProducer(short.ingest, "other", greet=False) as newcomer:
        newcomer.send(newcomer.hello())
        reason = f"{250 * MIB} bytes of memory are used, and memory_limit = {LIMIT}: raise the option"
        assert newcomer.receive(wire.Reject).reason == reason
    assert _memory(short) == {"used": 250 * MIB, "limit": LIMIT, "producer_window": 0, "reason": reason}
    for _ in range(2):  # the first flush may still have room from before
        recording.log("/a", rr.Scalars(2))
        delivered = recording.flush(timeout_sec=2)
    assert not delivered
    shown = subprocess.run(
        [sys.executable, "-m", "rerund", "status"], env=short.env, capture_output=True, text=True, timeout=50
    )
    assert f"producers wait: {reason}" in shown.stdout
    short.uses(100 * MIB)
    assert recording.flush(timeout_sec=30)
    recording.disconnect()
    assert short.said().count("producers wait and newcomers are refused") == 1
    assert short.said().count("there is memory again") == 1


def _memory(daemon: Daemon) -> dict[str, object]:
    memory = daemon.status()["memory"]
    assert isinstance(memory, dict)
    return memory


# producers


def test_what_came_over_grpc_is_written_while_memory_is_short_as_it_takes_memory_until_then(
    short: ShortOfMemory,
) -> None:
    short.start()
    robot = rerun.RecordingStream("app", recording_id="run")
    robot.connect_grpc(short.info.grpc)
    robot.log("first", rerun.Scalars(1))
    wait_until(lambda: short.status()["recordings"] and "/first" in _paths(short))
    short.uses(250 * MIB)
    wait_until(lambda: _memory(short)["reason"])
    for number in range(10):
        robot.log(f"small/{number}", rerun.Scalars(number))
        robot.log(f"large/{number}", rerun.Tensor(np.full(MIB, number, np.uint8)))
    wait_until(lambda: {f"/{size}/{n}" for n in range(10) for size in ("small", "large")} <= _paths(short))
    assert _memory(short)["reason"]
    short.uses(100 * MIB)
    robot.disconnect()


def _paths(daemon: Daemon) -> set[str]:
    with daemon.client() as client:
        return {each["entity_path"] for each in client.request("entities", recording="run")}


def test_a_thousand_producers_share_the_window_and_larger_messages_take_turns(
    make_daemon: Callable[..., Daemon],
) -> None:
    daemon = make_daemon(f"--memory-limit={LIMIT}", "--max-connections=1000")
    with contextlib.ExitStack() as stack:
        crowd = [RawProducer(daemon.ingest, "run", greet=False) for _ in range(1000)]
        for producer in crowd:
            stack.enter_context(producer)
            producer.send(producer.hello())
        windows = [producer.receive(wire.Welcome).window for producer in crowd]
        assert max(windows) <= MIB and min(windows) == LIMIT // 8 // 1000
        with RawProducer(daemon.ingest, "run", greet=False) as newcomer:
            newcomer.send(newcomer.hello())
            reason = "there are 1000 producers, and max_connections = 1000: raise the option or end some"
            assert newcomer.receive(wire.Reject).reason == reason
        crowd.pop().send(wire.Goodbye(0, ()))
        recording = rr.RecordingStream("app", recording_id="run")
        recording.connect(daemon.ingest)
        for value in range(8):
            recording.log("/image", rr.Tensor(np.full((1024, 1024), value, np.uint8)))
            recording.log("/a", rr.Scalars(value))
        assert recording.flush(timeout_sec=50)
        recording.disconnect()
        first, second = crowd[:2]
        first.send(wire.Ping(wants=LIMIT // 8))  # both want more than can be on its way at a time
        assert _grown(first) == LIMIT // 8 + LIMIT // 8 // 999
        second.send(wire.Ping(wants=LIMIT // 8))
        assert second.receive(wire.Ack).window == LIMIT // 8 // 999
        first.append(blob(MIB))
        assert _grown(second) == LIMIT // 8 + LIMIT // 8 // 999


def _grown(producer: RawProducer) -> int:
    """Its window, once that is larger than one message of a megabyte."""
    while (window := producer.receive(wire.Ack).window) < MIB:
        pass
    return window


def test_a_message_larger_than_half_of_the_memory_is_refused(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon(f"--memory-limit={LIMIT}")
    with RawProducer(daemon.ingest) as producer:
        assert producer.welcome is not None and producer.welcome.max_message_bytes == LIMIT // 2


@pytest.mark.parametrize("method", ["ReadMessages", "WriteTable", "ReadTables"])
def test_large_requests_of_strangers_over_grpc_take_no_memory(make_daemon: Callable[..., Daemon], method: str) -> None:
    """As large as any message may be, and a thousandth of it on its way."""
    daemon = make_daemon(f"--memory-limit={LIMIT}")
    assert daemon.process is not None
    before = _peak_bytes(daemon.process.pid)
    with grpc.insecure_channel(
        daemon.info.grpc.split("//")[1].split("/")[0], options=(("grpc.max_send_message_length", -1),)
    ) as channel:
        calls = [
            channel.unary_stream(f"/{SERVICE}/{method}")(
                bytes(LIMIT // 2 - 64 * 1024), timeout=3, compression=grpc.Compression.Gzip
            )
            for _ in range(2)
        ]
        for call in calls:
            with contextlib.suppress(grpc.RpcError):
                list(call)
    assert _peak_bytes(daemon.process.pid) < before + 64 * MIB
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))


def _peak_bytes(pid: int) -> int:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def test_memory_that_is_too_little_is_refused() -> None:
    command = [sys.executable, "-m", "rerund", "run", "--memory-limit=100MiB"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "--memory-limit is '100MiB': under 256 MiB" in done.stderr


# ids


def test_recordings_share_what_they_remember_of_chunks() -> None:
    share = Share(20_000, 256)
    recent = [RecentIds(1 << 15, share) for _ in range(10)]
    for each in recent:
        for _ in range(10_000):
            each.add(os.urandom(16))
    assert sum(map(len, recent)) <= 2 * 40_000
    recent[0].add(b"last")
    assert b"last" in recent[0] and recent[0].most == 2000
    for each in recent[1:]:
        each.clear()
    assert recent[0].most == 20_000


# caches


def test_pages_into_many_recordings_share_what_they_keep(tmp_path: Path) -> None:
    memory = Memory(LIMIT)
    recordings = [Recording(tmp_path / str(n), "app", str(n), 64 * MIB, Bells(), memory=memory) for n in range(10)]
    finders = [Finder(recording) for recording in recordings]
    assert memory.caches.each == LIMIT // 8 // 10
    messages = [chunk("0", "/a", [float(n)], [n], padding=256 << 10) for n in range(20)]
    data, entries = [message.data for message in messages], [message.entry for message in messages]
    recordings[0].append(data, entries, sum(map(len, data)))
    recordings[0].write_index()
    for found in finders[0].temporal("/a", "frame", 0, 20):
        finders[0].open(found)
    assert 0 < finders[0]._chunk_bytes <= LIMIT // 8 // 10 // 2
    del finders[1:]
    assert memory.caches.each == LIMIT // 8
    recordings[0].release()


# readers


def test_readers_have_smaller_batches_the_more_they_are() -> None:
    readers = Readers(64 * MIB)
    everybody = [_Reader() for _ in range(100)]
    assert readers.share(everybody[0], MIB) == MIB
    for each in everybody:
        readers.share(each, MIB)
    assert readers.share(everybody[0], MIB) == 64 * MIB // 2 // 4 // 100
    for each in everybody[1:]:
        readers.leave(each)
    assert readers.share(everybody[0], MIB) == MIB
    assert Readers(1).share(everybody[0], MIB) == SMALLEST_BATCH


class _Reader:
    pass


def test_a_reader_that_does_not_take_a_large_message_gives_way_to_one_that_waits() -> None:
    async def run() -> None:
        readers = Readers(8 * MIB, stalled_secs=0.0)

        async def read_and_stall() -> None:
            await readers.take("stalled", 3 * MIB)
            has_read.set()
            await asyncio.Event().wait()

        has_read = asyncio.Event()
        stalled = asyncio.create_task(read_and_stall())
        await has_read.wait()
        await readers.take("quick", MIB)  # there is room for both
        await asyncio.wait_for(readers.take("late", 2 * MIB), 30)
        with pytest.raises(asyncio.CancelledError):
            await stalled

    run_to_end(run())


def test_a_cursor_waits_for_room_before_it_reads_a_large_message(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "rec", "app", "run", 64 * MIB, Bells(), memory=Memory(LIMIT))
    recording.open()
    assert recording.readers is not None
    small, large = chunk("run", "/a", [1.0], [1]), blob(40 * MIB)
    recording.append([small.data, large.data], [small.entry, large.entry], small.entry.size + large.entry.size)

    async def run() -> None:
        first, second = recording.cursor(), recording.cursor()
        for cursor in (first, second):
            assert await cursor.read() == small.data
        assert await first.read() == large.data  # LIMIT // 4 is for readers, the half of it for messages like this
        waiting = asyncio.create_task(second.read())
        await asyncio.wait((waiting,), timeout=0.2)
        assert not waiting.done()
        first.close()
        assert await asyncio.wait_for(waiting, 30) == large.data
        second.close()

    run_to_end(run())
    recording.release()
