"""The same mishaps with rerund and with Rerun: `python -m tests.faults.beside_rerun`, four minutes.

Each mishap is a short program that either SDK runs unchanged, with its own server, which writes to the disk. Rows are
counted in the files that are left. What docs/RELIABILITY.md says of Rerun was printed by this.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rerund_sdk.errors import BadRrd
from tests.bench.side_by_side import OurServer, Server, conditions, one_server, scratch
from tests.daemons import free_port
from tests.official import RERUN
from tests.recorded import chunks_in

_BEGIN = """
import json, os, sys, time
import numpy as np
import {package} as rr

rr.init("mishap", recording_id="run")
rr.{connect}({address!r})
image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
rr.log("/warm", rr.Image(image)); rr.log("/warm", rr.Scalars(0))  # what is loaded at the first use
calls = []

def log(entity, what):
    start = time.monotonic()
    rr.log(entity, what)
    calls.append(time.monotonic() - start)

def say(**what):
    print(json.dumps(what), flush=True)
"""

_STEADY = """
say(begun=True)
start = time.monotonic()
for row in range(4000):
    time.sleep(max(0, start + row / 1000 - time.monotonic()))
    log("/rows", rr.Scalars(row))
say(worst=max(calls), ended=time.monotonic())
"""

_BURST = """
for row in range(400):
    rr.set_time("frame", sequence=row)
    log("/images", rr.Image(image))
say(worst=max(calls), total=sum(calls), ended=time.monotonic())
"""

_FORKS = """
log("/parent", rr.Scalars(0))
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        for row in range(100):
            log(f"/child/{child}", rr.Scalars(row))
        sys.exit()
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
say(worst=max(calls), ended=time.monotonic())
"""

_KILLED = """
for row in range(1000):
    log("/rows", rr.Scalars(row))
rr.get_global_data_recording().flush(timeout_sec=20)
os.kill(os.getpid(), 9)
"""

_FILE = """
import sys, time
import {package} as rr

rr.init("mishap", recording_id="run-" + sys.argv[1])
rr.save({path!r})
for row in range(1000):
    rr.log("/writer/" + sys.argv[1], rr.Scalars(row))
    time.sleep(0.0005)
"""

_SDKS = ("rerund", "rerun")


def main() -> None:
    print(f"mishaps: {conditions('rerund', 'rerun-sdk')}\n")
    print(f"{'':<60} {'rerund':>18} {'Rerun':>18}")
    for mishap in _MISHAPS:
        figures = [mishap(sdk) for sdk in _SDKS]
        for what in figures[0]:
            ours, theirs = (found[what] for found in figures)
            print(f"{what:<60} {ours:>18} {theirs:>18}", flush=True)


def _server_killed(sdk: str) -> dict[str, str]:
    return _interrupted(sdk, "killed", signal.SIGKILL)


def _server_stopped(sdk: str) -> dict[str, str]:
    return _interrupted(sdk, "stopped", signal.SIGTERM)


def _interrupted(sdk: str, how: str, number: signal.Signals) -> dict[str, str]:
    """The server ends after 1.5 of 4 seconds, and is started again at once."""
    with _server(sdk) as (server, directory):
        program = _start(sdk, server.address, _STEADY, directory)
        assert program.stdout is not None
        program.stdout.readline()  # it has begun
        time.sleep(1.5)
        _keep_file(sdk, directory)
        server.restart(number)
        said = _end(program)
        _stop_writing(server)
        what = f"server {how} and started again: rows that are left"
        return {what: f"{_rows(directory, '/rows'):,} of 4,000", "   worst call of log": _ms(said["worst"])}


def _viewer_stands_still(sdk: str) -> dict[str, str]:
    with _server(sdk) as (server, directory), _viewer(server, directory) as viewer:
        time.sleep(1)
        viewer.send_signal(signal.SIGSTOP)
        said = _end(_start(sdk, server.address, _BURST, directory))
        _stop_writing(server)
        what = "a viewer stands still: longest call of 400 images"
        return {what: _ms(said["worst"]), "   images that are left": f"{_rows(directory, '/images'):,} of 400"}


def _no_server(sdk: str) -> dict[str, str]:
    """Nobody listens; one is started after the program has ended."""
    with scratch() as directory:
        port = free_port()
        address = f"tcp://127.0.0.1:{port}" if sdk == "rerund" else f"rerun+http://127.0.0.1:{port}/proxy"
        found = _burst_and_end("no server", _start(sdk, address, _BURST, directory))
        kept = 0
        if sdk == "rerund":
            server = OurServer(directory)
            try:
                _wait_for(lambda: _rows(directory, "/images") == 400)
            finally:
                server.stop()
            kept = _rows(directory, "/images")
        return {**found, "   images that are left when a server is started": f"{kept} of 400"}


def _server_stands_still(sdk: str) -> dict[str, str]:
    with _server(sdk) as (server, directory):
        os.kill(server.pid, signal.SIGSTOP)
        found = _burst_and_end("server stands still", _start(sdk, server.address, _BURST, directory))
        os.kill(server.pid, signal.SIGCONT)
        if sdk == "rerund":
            _wait_for(lambda: _rows(directory, "/images") == 400)
        _stop_writing(server)
        return {**found, "   images that are left when it goes on": f"{_rows(directory, '/images')} of 400"}


def _burst_and_end(what: str, program: subprocess.Popen[str]) -> dict[str, str]:
    """How a program fares that nobody takes anything from."""
    said = _end(program, secs=40)
    took = time.monotonic() - said["ended"] if said else 0.0
    return {
        f"{what}: longest call of 400 images": _ms(said["worst"]) if said else "never returns",
        "   end of the program after its last line": f"{took:.1f} s" if said else "killed after 40 s",
    }


def _forked(sdk: str) -> dict[str, str]:
    with _server(sdk) as (server, directory):
        _end(_start(sdk, server.address, _FORKS, directory))
        _stop_writing(server)
        rows = sum(_rows(directory, f"/child/{child}") for child in range(4))
        return {"rows of four forked children that are left": f"{rows} of 400"}


def _killed(sdk: str) -> dict[str, str]:
    with _server(sdk) as (server, directory):
        _end(_start(sdk, server.address, _KILLED, directory))
        time.sleep(1)
        _stop_writing(server)
        return {"program killed right after a flush: rows left": f"{_rows(directory, '/rows'):,} of 1,000"}


def _one_file(sdk: str) -> dict[str, str]:
    """Two programs save to the same file at the same time."""
    with scratch() as directory:
        file = directory / "out.rrd"
        code = _FILE.format(package=_package(sdk), path=str(file))
        writers = [
            subprocess.Popen([sys.executable, "-c", code, name], stderr=subprocess.PIPE, text=True) for name in "ab"
        ]
        told = [writer.communicate()[1] for writer in writers]
        rows = [_count(file, f"/writer/{name}") for name in "ab"]
        refused = sum("Error" in text for text in told)
        return {
            "two programs save to one file: rows left": f"{rows[0]} + {rows[1]}",
            "   programs told so": f"{refused}",
        }


_MISHAPS = (
    _server_killed,
    _server_stopped,
    _viewer_stands_still,
    _no_server,
    _server_stands_still,
    _forked,
    _killed,
    _one_file,
)


# How it is done


@contextmanager
def _server(sdk: str) -> Iterator[tuple[Server, Path]]:
    with scratch() as directory, one_server(directory, sdk) as server:
        yield server, directory


def _stop_writing(server: Server) -> None:
    """All that it has is in its files then."""
    time.sleep(1)
    server.stop()


@contextmanager
def _viewer(server: Server, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The official viewer without a window, which shows what it gets to a file."""
    words = ["--connect", server.grpc, "--save", str(directory / "seen"), "--port", "auto"]
    with subprocess.Popen([RERUN, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as viewer:
        try:
            yield viewer
        finally:
            viewer.kill()


def _package(sdk: str) -> str:
    return {"rerund": "rerund_sdk", "rerun": "rerun"}[sdk]


def _start(sdk: str, address: str, code: str, directory: Path) -> subprocess.Popen[str]:
    connect = {"rerund": "connect", "rerun": "connect_grpc"}[sdk]
    begin = _BEGIN.format(package=_package(sdk), connect=connect, address=address)
    return subprocess.Popen(
        [sys.executable, "-c", begin + code],
        env=os.environ | {"RERUND_HOME": str(directory / "home"), "XDG_RUNTIME_DIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _end(program: subprocess.Popen[str], secs: float = 120) -> dict[str, float]:
    """What it said; nothing if it had to be killed."""
    try:
        said, _ = program.communicate(timeout=secs)
    except subprocess.TimeoutExpired:
        program.kill()
        said, _ = program.communicate()
    return json.loads(said.splitlines()[-1]) if said else {}


def _keep_file(sdk: str, directory: Path) -> None:
    """Rerun's second server would write over what the first one has."""
    if sdk == "rerun":
        (directory / "rerun.rrd").rename(directory / "before.rrd")


def _rows(directory: Path, entity: str) -> int:
    logs = sorted(directory.glob("home/recordings/*/*/*.rrd"))
    return sum(_count(path, entity) for path in logs or sorted(directory.glob("*.rrd")))


def _count(path: Path, entity: str) -> int:
    rows = 0
    try:
        for chunk in chunks_in(path):
            rows += chunk.rows if chunk.entity_path == entity else 0
    except (BadRrd, OSError):
        pass  # its end is torn, or it is not there
    return rows


def _wait_for(condition: Callable[[], bool], secs: float = 20) -> None:
    until = time.monotonic() + secs
    while not condition() and time.monotonic() < until:
        time.sleep(0.2)


def _ms(secs: float) -> str:
    return f"{secs * 1e3:,.1f} ms"


if __name__ == "__main__":
    main()
