"""`rerund top`, with a real daemon: on a terminal of any size, on a dumb one, and in a pipe."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

import rerund_sdk as rr
from rerund.meter import Counts, Meter
from rerund.top_frame import Look, frame, shares, spark
from tests.daemons import Daemon
from tests.homes import wait_until

COMMAND = (sys.executable, "-m", "rerund", "top")
ESCAPE = "\x1b"


@contextmanager
def logging_robot(recording_id: str = "run 1") -> Iterator[rr.RecordingStream]:
    """Logs to this process's daemon, on and on."""
    robot = rr.RecordingStream("robot", recording_id=recording_id)
    rr.connect(recording=robot)
    ended = threading.Event()

    def log() -> None:
        while not ended.wait(0.02):
            robot.log("arm/speed", rr.Scalars(1.0))

    thread = threading.Thread(target=log)
    thread.start()
    try:
        wait_until(lambda: robot.flush(timeout_sec=10))
        yield robot
    finally:
        ended.set()
        thread.join()
        robot.disconnect()


class Terminal:
    """A terminal in which `rerund top` runs."""

    def __init__(self, daemon: Daemon, *words: str, columns: int = 100, lines: int = 30, term: str = "xterm") -> None:
        self._ours, theirs = pty.openpty()
        self.resize(columns, lines)
        self.modes = termios.tcgetattr(theirs)
        self._said = b""
        env = {name: value for name, value in daemon.env.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [*COMMAND, "--interval=0.2", *words],
            env={**env, "TERM": term},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        self._theirs = theirs

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def said(self) -> str:
        """All that it has written by now."""
        ready = select.poll()  # not select.select, which takes no descriptor beyond 1023
        ready.register(self._ours, select.POLLIN)
        while ready.poll(0):
            self._said += os.read(self._ours, 65536)
        return self._said.decode()

    def picture(self) -> list[str]:
        """The lines of the last whole picture."""
        pictures = self.said().split(f"{ESCAPE}[H")
        text = pictures[-2] if len(pictures) > 2 else ""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "").split("\n")

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in "\n".join(self.picture()))

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def end(self) -> int:
        """Its exit status, once it has ended by itself."""
        wait_until(lambda: (self.said(), self.process.poll() is not None)[1])
        return self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    @property
    def modes_now(self) -> list[Any]:
        return termios.tcgetattr(self._theirs)


@pytest.fixture
def terminal(daemon: Daemon) -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def make(*words: str, **options: Any) -> Terminal:
        made.append(Terminal(daemon, *words, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def top(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**daemon.env, "COLUMNS": "120"}
    return subprocess.run([*COMMAND, *words], env=env, capture_output=True, text=True, timeout=40, check=False)


def test_one_picture_names_who_logs_what_and_how_much(daemon: Daemon) -> None:
    with logging_robot() as robot:
        said = top(daemon, "--once", "--interval=2").stdout
        robot.flush()
    lines = {line.split()[0]: line for line in said.splitlines() if line}
    assert str(os.getpid()) in said
    rows_per_sec = float(lines["/arm/speed"].split()[2])
    assert 5 < rows_per_sec < 60, said
    assert "live" in lines["robot/run"]
    assert re.search(r"disk    [\d.]+ \w+ of recordings, [\d.]+ GB of [\d.]+ \w+ free, floor", lines["disk"])
    assert ESCAPE not in said


def test_on_a_terminal_it_is_drawn_anew_until_q_and_leaves_the_terminal_as_it_was(
    terminal: Callable[..., Terminal],
) -> None:
    shown = terminal()
    shown.wait_for("Nothing was logged yet.")
    with logging_robot():
        shown.wait_for("/arm/speed")
        assert shown.modes_now != shown.modes
        shown.press("q")
        assert shown.end() == 0
    assert shown.modes_now == shown.modes
    assert shown.said().count(f"{ESCAPE}[?1049h") == shown.said().count(f"{ESCAPE}[?1049l") == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(
    terminal: Callable[..., Terminal], number: signal.Signals, status: int
) -> None:
    shown = terminal()
    shown.wait_for("Nothing was logged yet.")
    shown.process.send_signal(number)
    assert shown.end() == status
    assert shown.modes_now == shown.modes
    assert shown.said().rstrip().endswith((f"{ESCAPE}[?25h", f"{ESCAPE}[?1049l"))


def test_it_follows_the_size_of_the_terminal_and_says_that_the_daemon_is_away(
    daemon: Daemon, terminal: Callable[..., Terminal]
) -> None:
    shown = terminal()
    with logging_robot():
        shown.wait_for("LAST WRITE")
        shown.resize(40, 9)
        wait_until(lambda: shown.picture() and max(map(cell_len, shown.picture())) <= 40)
        shown.wait_for("/arm/speed")
        assert "LAST WRITE" not in "\n".join(shown.picture())
    daemon.kill()
    shown.wait_for("no rerund daemon runs")
    daemon.start()
    wait_until(lambda: "no rerund daemon runs" not in "\n".join(shown.picture()))


def test_a_dumb_terminal_and_a_pipe_get_lines_and_no_control_sequences(
    daemon: Daemon, terminal: Callable[..., Terminal]
) -> None:
    shown = terminal(term="dumb")
    wait_until(lambda: shown.said().count("Nothing was logged yet.") >= 3)
    assert ESCAPE not in shown.said()
    shown.press("\x03")
    with subprocess.Popen([*COMMAND, "--interval=0.1"], env=daemon.env, stdout=subprocess.PIPE, text=True) as piped:
        assert piped.stdout is not None
        read = "".join(piped.stdout.readline() for _ in range(20))
        piped.terminate()
    assert read.count("daemon  rerund ") >= 2 and ESCAPE not in read


def test_a_daemon_elsewhere_is_watched_through_its_address_for_requests(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon("--control-listen", "tcp://127.0.0.1:0")
    (address,) = daemon.info.remote_control
    nowhere = {"RERUND_HOME": "/nowhere", "XDG_RUNTIME_DIR": str(daemon.folder)}
    done = subprocess.run(
        [*COMMAND, "--once", "--interval=0.1", "--connect", address],
        env={**daemon.env, **nowhere},
        capture_output=True,
        text=True,
        timeout=40,
        check=True,
    )
    assert f"pid {daemon.info.pid}" in done.stdout


def test_without_a_daemon_it_ends_with_one_sentence(daemon: Daemon) -> None:
    daemon.stop()
    done = top(daemon)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "rerund start" in done.stderr


def test_names_cannot_move_the_cursor(daemon: Daemon) -> None:
    with logging_robot(f"run{ESCAPE}[2J\n"):
        said = top(daemon, "--once", "--interval=0.1").stdout
    assert "robot/run\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}" in said
    assert ESCAPE not in said


# the picture itself


def look(producers: int, recordings: int, entities: int, lost: int = 0) -> Look:
    """What a daemon of that many might tell."""
    return Look(
        {
            "version": "0.1.0",
            "instance": "",
            "pid": 1,
            "started": time.time() - 100,
            "memory_bytes": 10**8,
            "http": "http://127.0.0.1:9090",
            "disk": {"free": 10**9, "total": 10**11, "floor": 10**8, "missing": 0},
            "spill": {"files": 0, "bytes": 0},
            "counters": {"rows": 10, "bytes": 10},
            "producers": [
                {
                    "producer_id": str(n),
                    "name": f"a process with a long name {n} ü漢字",
                    "pid": n,
                    "host": "robot",
                    "recording_id": "run",
                    "rows": n,
                    "bytes": n,
                    "lag_secs": 0.1,
                    "waiting_bytes": n * 1000,
                    "lost_rows": lost,
                }
                for n in range(producers)
            ],
            "recordings": [
                {
                    "application_id": "app",
                    "recording_id": f"run {n}",
                    "bytes": n,
                    "rows": None,
                    "live": n % 2 == 0,
                    "last_write": 0.0,
                    "error": "",
                    "pinned": True,
                }
                for n in range(recordings)
            ],
            "viewers": [],
            "sinks": [],
        },
        {"app/run 0": [{"entity_path": f"/entity/{n}", "rows": n, "bytes": n} for n in range(entities)]},
    )


def drawn(told: Look, meter: Meter, width: int, height: int | None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(frame(told, meter, width, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 20),
    st.integers(20, 200),
    st.one_of(st.none(), st.integers(5, 60)),
)
def test_a_picture_fits_the_terminal(
    producers: int, recordings: int, entities: int, width: int, height: int | None
) -> None:
    told, meter = look(producers, recordings, entities), Meter()
    for at in range(3):
        counts = {key: Counts(counts.rows * at, counts.bytes * at) for key, counts in told.counts().items()}
        meter.look(counts, float(at))
    lines = drawn(told, meter, width, height)
    assert max(map(cell_len, lines)) <= width
    if height is None:
        assert len(lines) >= 3 + producers + recordings
    else:
        assert len(lines) <= height


def test_a_cut_list_says_of_how_many_and_shows_who_loses_first() -> None:
    told = look(30, 1, 0)
    told.status["producers"][7]["lost_rows"] = 12_345
    lines = drawn(told, Meter(), 100, 12)
    head = next(at for at, line in enumerate(lines) if line.startswith("PROCESS"))
    assert re.match(r"PROCESS \(\d of 30\)", lines[head])
    assert "12.3 k" in lines[head + 1]


@given(st.lists(st.integers(0, 50), max_size=6), st.integers(0, 100))
def test_room_is_shared_as_evenly_as_it_is_wanted(wanted: list[int], room: int) -> None:
    given_rows = shares(wanted, room)
    assert sum(given_rows) == min(room, sum(wanted))
    assert all(got <= most for got, most in zip(given_rows, wanted, strict=True))
    hungry = [got for got, most in zip(given_rows, wanted, strict=True) if got < most]
    assert not hungry or max(hungry) - min(hungry) <= 1


def test_a_rate_is_what_came_by_the_time_it_took_and_is_forgotten_with_its_owner() -> None:
    meter = Meter()
    meter.look({"a": Counts(10, 1000)}, 1.0)
    meter.look({"a": Counts(30, 1000), "b": Counts(5, 5)}, 3.0)
    assert meter.rate("a") == (10.0, 0.0)
    assert meter.rate("b") == (0.0, 0.0)
    meter.look({"a": Counts(0, 0)}, 4.0)
    assert meter.history("a") == [10.0, 0.0], "a daemon that was started anew counts from 0"
    meter.look({}, 5.0)
    assert meter.history("a") == []


def test_a_graph_reaches_from_nothing_to_the_greatest() -> None:
    assert spark([0, 1, 4, 8], 3) == "▂▅█"
    assert spark([0, 1, 4, 8], 10)[0] == " "
    assert spark([5], 10) == "" == spark([0, 0], 10)
