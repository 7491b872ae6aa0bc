"""Runs a program with rerund and with Rerun in turn, and prints medians and ratios."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import rerun_cli

Figures = dict[str, float]


class Servers(NamedTuple):
    """Where the two SDKs log to."""

    rerund: str
    rerund_grpc: str
    rerun: str
    rerund_pid: int
    rerun_pid: int


def conditions() -> str:
    """What a reader must know to place the figures."""
    processor = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return (
        f"rerund {version('rerund')}, rerun-sdk {version('rerun-sdk')}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores of {processor}"
    )


def run(program: str, sdk: str, *options: str) -> subprocess.Popen[bytes]:
    """Start a program of programs.py."""
    command = [sys.executable, "-m", "tests.bench.programs", program, "--sdk", sdk, *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


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


def alternate(count: int, ours: Callable[[], Figures], theirs: Callable[[], Figures]) -> tuple[Figures, Figures]:
    """Medians of `count` runs each, in turn, so that a machine that drifts drifts for both."""
    pairs = [(ours(), theirs()) for _ in range(count)]
    return medians([pair[0] for pair in pairs]), medians([pair[1] for pair in pairs])


def row(what: str, ours: float, theirs: float, unit: str, *, more_is_better: bool = False) -> str:
    """One line of a table: ours, Rerun's, and how many times better ours is."""
    ratio = ours / theirs if more_is_better else theirs / ours
    return f"{what:<44} {ours:>12,.2f} {theirs:>12,.2f} {unit:<8} {ratio:>6.1f}x"


HEADER = f"{'':<44} {'rerund':>12} {'Rerun':>12} {'':<8} {'ratio':>7}"


@contextmanager
def servers(directory: Path, *, rerun_saves: bool) -> Iterator[Servers]:
    """A rerund daemon and an official server, with fresh state, on free ports.

    rerun_saves: the official one writes what it receives to DIRECTORY/rerun.rrd, as our daemon always does.
    """
    with ExitStack() as stack:
        daemon, address, grpc = stack.enter_context(_daemon(directory))
        official, url = stack.enter_context(_official_server(directory, rerun_saves))
        yield Servers(address, grpc, url, daemon, official)


@contextmanager
def _daemon(directory: Path) -> Iterator[tuple[int, str, str]]:
    environment = os.environ | {"RERUND_HOME": str(directory / "home"), "XDG_RUNTIME_DIR": str(directory)}
    command = [sys.executable, "-m", "rerund"]
    options = ["--grpc-port", "0", "--http-port", "0"]
    subprocess.run([*command, "start", *options], env=environment, check=True, stdout=subprocess.DEVNULL)
    try:
        status = subprocess.run([*command, "status", "--json"], env=environment, check=True, stdout=subprocess.PIPE)
        daemon = json.loads(status.stdout)
        yield daemon["pid"], daemon["ingest"], daemon["grpc"]
    finally:
        subprocess.run([*command, "stop"], env=environment, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _official_server(directory: Path, saves: bool) -> Iterator[tuple[int, str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    executable = Path(rerun_cli.__file__).with_name("rerun")  # the server itself, not the script that starts it
    mode = ["--save", str(directory / "rerun.rrd")] if saves else ["--serve-grpc"]
    process = subprocess.Popen(
        [executable, *mode, "--port", str(port), "--server-memory-limit", "8GiB"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for_port(port)
        yield process.pid, f"rerun+http://127.0.0.1:{port}/proxy"
    finally:
        process.terminate()
        process.wait()


def _wait_for_port(port: int) -> None:
    for _ in range(1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise SystemExit(f"the official server does not listen on port {port}")


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory that is removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="rerund-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
