"""Many at once: a thousand producers, a hundred readers of which ten stand still, a history larger than the memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from rerund.describe import open_chunk
from tests.daemons import Daemon
from tests.homes import is_chunk, messages_of, wait_until
from tests.raw_producer import values_of

MIB = 1 << 20
LIMIT = 256 * MIB
PRODUCERS, PROCESSES, RECORDINGS = 1000, 4, 50
APPENDS, APPEND_BYTES = 9, 32 << 10
PROGRAMS = Path(__file__).parent / "programs"


class Program:
    """One of tests/programs, told to go on by lines."""

    def __init__(self, name: str, *words: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.programs.{name}", *map(str, words)],
            cwd=PROGRAMS.parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self, word: str) -> str:
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said.startswith(word), f"{said!r} instead of {word!r}"
        return said

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.communicate()


@contextmanager
def running(programs: Sequence[Program]) -> Iterator[Sequence[Program]]:
    try:
        yield programs
    finally:
        for program in programs:
            program.end()


class Memory(threading.Thread):
    """Looks at the memory of a daemon and its children, again and again. PSS: what is shared counts in parts."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self._process = psutil.Process(pid)
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.1):
            total = 0
            for process in (self._process, *self._process.children(recursive=True)):
                with suppress(psutil.Error):
                    total += process.memory_full_info().pss
            self.most = max(self.most, total)

    def __enter__(self) -> Memory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()


@pytest.mark.timeout(240)
def test_a_thousand_producers_and_a_hundred_readers_stay_within_the_memory_limit(
    make_daemon: Callable[..., Daemon],
) -> None:
    daemon = make_daemon(f"--memory-limit={LIMIT}", f"--segment-bytes={4 * MIB}", "--grpc-replay=all")
    assert daemon.process is not None
    each = PRODUCERS // PROCESSES
    where = (daemon.control, daemon.info.http, daemon.info.grpc)
    crowds = [
        Program("producers", daemon.ingest, n * each, each, RECORDINGS, APPENDS, APPEND_BYTES) for n in range(PROCESSES)
    ]
    with running(crowds), Memory(daemon.process.pid) as memory:
        for crowd in crowds:
            crowd.hear("ready")
        reading = [Program("readers", *where, counts, RECORDINGS) for counts in ("22,22,1", "22,22,1")]
        frozen = Program("readers", *where, "4,3,3", RECORDINGS)
        with running([*reading, frozen]):
            for program in (*reading, frozen):
                program.hear("ready")
            wait_until(lambda: len(daemon.status()["viewers"]) >= 100)  # type: ignore[arg-type]
            frozen.process.send_signal(signal.SIGSTOP)
            os.waitpid(frozen.process.pid, os.WUNTRACED)
            for crowd in crowds:
                crowd.tell("go")
            windows = [int(crowd.hear("sent").split()[1]) for crowd in crowds]
            with daemon.client() as client:
                recordings = [client.request("recording", recording=f"run-{n}") for n in range(RECORDINGS)]
            messages = {recording["recording_id"]: recording["messages"] for recording in recordings}
            for program in reading:
                program.tell(json.dumps({**messages, "all": sum(messages.values())}))
            for program in reading:
                program.hear("read")
            status = daemon.status()
            assert len(status["producers"]) == PRODUCERS  # type: ignore[arg-type]
    assert sum(recording["bytes"] for recording in recordings) > LIMIT
    assert memory.most < LIMIT, f"{memory.most / MIB:.0f} MiB"
    assert max(windows) <= LIMIT // 8 // PRODUCERS
    for number in range(RECORDINGS):
        assert_whole(daemon, number)


def assert_whole(daemon: Daemon, number: int) -> None:
    """Every row of the recording's producers is in its log, once, each producer's in order."""
    values: dict[str, list[float]] = {}
    for path in sorted((daemon.home / "recordings" / "app" / f"run-{number}").glob("*.rrd"), key=lambda p: int(p.stem)):
        for message in messages_of(path):
            if is_chunk(message):
                values.setdefault(open_chunk(message).entity_path, []).extend(values_of(message))
    expected = [float(value) for value in range(1, APPENDS + 1)]
    assert values == {f"/producer/{each}": expected for each in range(number, PRODUCERS, RECORDINGS)}
