"""Runs a program with rerund and with Rerun in turn, and prints medians and ratios."""

from __future__ import annotations

import argparse
import json
import mmap
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Protocol

import psutil

from tests.daemons import free_port
from tests.official import RERUN

Figures = dict[str, float]

_TOUCHED_BYTES = 4 << 30  # what four programs that log images take, page cache included
_TOUCH = b"\1" * (1 << 20)


class Servers(NamedTuple):
    """Where the two SDKs log to."""

    rerund: str
    rerund_grpc: str
    rerund_http: str
    rerun: str
    rerund_pid: int
    rerun_pid: int


def conditions(*others: str) -> str:
    """What a reader must know to place the figures. others: packages that are measured, too."""
    processor = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    packages = ", ".join(f"{name} {version(name)}" for name in dict.fromkeys(("rerund", *(others or ("rerun-sdk",)))))
    return f"{packages}, Python {platform.python_version()}, {os.cpu_count()} cores of {processor}"


def parser(description: str | None) -> argparse.ArgumentParser:
    """With the option that most benchmarks have."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--runs", type=int, default=2, help="of each, in turn; medians are printed")
    return made


def run(program: str, sdk: str, *options: str) -> subprocess.Popen[bytes]:
    """Start a program of programs.py."""
    command = [sys.executable, "-m", "tests.bench.programs", program, "--sdk", sdk, *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def run_together(count: int, program: str, sdk: str, *options: str) -> list[Figures]:
    """What so many of them print that begin at the same moment: how long they took to start is in no figure."""
    processes = [run(program, sdk, "--wait", *options) for _ in range(count)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    return [figures(process) for process in processes]


def figures(process: subprocess.Popen[bytes]) -> Figures:
    """What it printed, once it has ended."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{process.args!r} failed with exit code {process.returncode}")
    result: Figures = json.loads(output.splitlines()[-1])
    return result


def medians(runs: Sequence[Figures]) -> Figures:
    """Figure by figure."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def in_turn(count: int, measures: dict[str, Callable[[], Figures]]) -> dict[str, Figures]:
    """Medians of `count` runs of each, in turn, so that a machine that drifts drifts for all."""
    runs = [{name: measure() for name, measure in measures.items()} for _ in range(count)]
    return {name: medians([run[name] for run in runs]) for name in measures}


def alternate(count: int, ours: Callable[[], Figures], theirs: Callable[[], Figures]) -> tuple[Figures, Figures]:
    """Medians of `count` runs of both, in turn."""
    figures = in_turn(count, {"ours": ours, "theirs": theirs})
    return figures["ours"], figures["theirs"]


def row(
    what: str,
    ours: float,
    theirs: float | None,
    unit: str,
    *,
    more_is_better: bool = False,
    floor: float | None = None,
) -> str:
    """One line of a table: ours, Rerun's, the least that the machine needs for it, how many times better ours is."""
    ratio = "" if theirs is None else f"{ours / theirs if more_is_better else theirs / ours:.1f}x"
    return f"{what:<46} {ours:>11,.2f} {_or_blank(theirs):>11} {_or_blank(floor):>11} {unit:<9} {ratio:>7}"


def _or_blank(figure: float | None) -> str:
    return "" if figure is None else f"{figure:,.2f}"


def header(other: str = "Rerun") -> str:
    """Above the rows."""
    return f"{'':<46} {'rerund':>11} {other:>11} {'floor':>11} {'':<9} {'ratio':>7}"


HEADER = header()


def best_of(count: int, measure: Callable[[], float]) -> float:
    """A floor: the least of several runs."""
    return min(measure() for _ in range(count))


def print_waits(ours: Figures, theirs: Figures, prefix: str = "") -> None:
    """A row for each figure, in ms. The floor of the worst ones is what the system does to a loop that does nothing."""
    pause = _longest_pause_ms()
    for figure in ours:
        floor = pause if "worst" in figure else None
        print(row(f"{prefix}{figure}", ours[figure], theirs[figure], "ms", floor=floor))


def _longest_pause_ms(secs: float = 3.0) -> float:
    """For how long the system lets it stand still, on any processor."""
    processors = os.cpu_count() or 1
    with ProcessPoolExecutor(processors) as pool:
        return max(pool.map(_longest_pause, [secs] * processors)) * 1e3


def _longest_pause(secs: float) -> float:
    longest, before = 0.0, time.perf_counter()
    end = before + secs
    while before < end:
        now = time.perf_counter()
        longest = max(longest, now - before)
        before = now
    return longest


def cpu_secs(process: psutil.Process) -> float:
    """What it has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


class Server(Protocol):
    """One that either SDK logs to."""

    address: str  # for its own SDK
    grpc: str  # for viewers
    pid: int

    def restart(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it by that signal, and start it again at the same place."""

    def stop(self) -> None: ...


@contextmanager
def servers(directory: Path, *, rerun_saves: bool) -> Iterator[Servers]:
    """A rerund daemon and an official server, with fresh state, on free ports.

    rerun_saves: the official one writes what it receives to DIRECTORY/rerun.rrd, as our daemon always does.
    """
    ours = OurServer(directory)
    try:
        theirs = RerunServer(directory, rerun_saves)
        try:
            yield Servers(ours.address, ours.grpc, ours.http, theirs.address, ours.pid, theirs.pid)
        finally:
            theirs.stop()
    finally:
        ours.stop()


@contextmanager
def one_server(directory: Path, sdk: str, *, rerun_saves: bool = True) -> Iterator[Server]:
    """The one of that SDK, alone. Ours writes to the disk, the official one if `rerun_saves`."""
    server: Server = OurServer(directory) if sdk == "rerund" else RerunServer(directory, rerun_saves)
    try:
        yield server
    finally:
        server.stop()


class OurServer:
    """A rerund daemon."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._environment = os.environ | {"RERUND_HOME": str(directory / "home"), "XDG_RUNTIME_DIR": str(directory)}
        self._options = options
        self._start("--grpc-port", "0", "--http-port", "0")

    def _start(self, *ports: str) -> None:
        self._command("start", *ports, *self._options)
        daemon = json.loads(self._command("status", "--json"))
        self.pid: int = daemon["pid"]
        self.address: str = daemon["ingest"]
        self.grpc: str = daemon["grpc"]
        self.http: str = daemon["http"]

    def restart(self, how: signal.Signals = signal.SIGKILL) -> None:
        if how == signal.SIGKILL:
            os.kill(self.pid, how)
        else:
            self.stop()
        ports = [url.removesuffix("/proxy").rpartition(":")[2] for url in (self.grpc, self.http)]
        self._start("--grpc-port", ports[0], "--http-port", ports[1])

    def stop(self) -> None:
        self._command("stop")

    def _command(self, *words: str) -> bytes:
        command = [sys.executable, "-m", "rerund", *words]
        return subprocess.run(command, env=self._environment, check=True, stdout=subprocess.PIPE).stdout


class RerunServer:
    """The official one."""

    def __init__(self, directory: Path, saves: bool) -> None:
        port = free_port()
        mode = ["--save", str(directory / "rerun.rrd")] if saves else ["--serve-grpc"]
        self._command = [RERUN, *mode, "--port", str(port), "--server-memory-limit", "8GiB"]
        self._port = port
        self.address = self.grpc = f"rerun+http://127.0.0.1:{port}/proxy"
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self._process.pid
        _wait_for_port(self._port)

    def restart(self, how: signal.Signals = signal.SIGKILL) -> None:
        self._process.send_signal(how)
        self._process.wait()
        self._start()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def _wait_for_port(port: int) -> None:
    for _ in range(1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise SystemExit(f"the official server does not listen on port {port}")


def touch_memory(most: int = _TOUCHED_BYTES) -> None:
    """Have the machine give us so much memory now: a virtual one may back a page at its first touch, and take it back.

    That takes thrice as long as to write a file into the page cache, and would be measured in its place.
    """
    size = min(most, psutil.virtual_memory().available // 2)
    with mmap.mmap(-1, size) as memory:
        for start in range(0, size, len(_TOUCH)):
            memory[start : start + len(_TOUCH)] = _TOUCH[: size - start]


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory that is removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="rerund-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
