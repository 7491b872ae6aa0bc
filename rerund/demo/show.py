"""Runs the programs of the demo as processes of their own, and tells how it goes: `rerund demo`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rerund_sdk as rr
from rerund import lifecycle
from rerund.command import duration, number, size, warn
from rerund.demo.layout import layout
from rerund.demo.program import APPLICATION_ID, ticks
from rerund_sdk import links, places
from rerund_sdk.errors import DaemonError, RerundError

STOP_SECS = 15.0  # for all programs together, to send what they have
SAVE_SECS = 600.0

PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "arm": ("rerund.demo.arm",),
    "lidar": ("rerund.demo.lidar",),
    "front camera": ("rerund.demo.camera", "--camera=front"),
    "wall camera": ("rerund.demo.camera", "--camera=wall"),
    "planner": ("rerund.demo.planner",),
    "workers": ("rerund.demo.workers",),
    "monitor": ("rerund", "monitor", f"--application={APPLICATION_ID}"),
}

Processes = dict[str, "subprocess.Popen[bytes]"]


def show(output: Path | None, seconds: float | None) -> None:
    """Run the demo until Ctrl-C, or for `seconds`, and leave its recording in `output`."""
    recording = time.strftime("demo-%Y%m%d-%H%M%S")
    file = (output or Path(f"{recording}.rrd")).absolute()
    if not os.access(file.parent, os.W_OK):
        raise RerundError(f"the recording cannot be written there: {file}")
    with _daemon() as daemon:
        print(f"look at it:  {links.link(daemon, links.page_path(APPLICATION_ID, recording))}")
        print(f"             or: rerund view {recording}     (native Rerun viewer; --rerun: its web viewer)")
        print("             or: rerund top                           (in a terminal)")
        print("Ctrl-C ends it.", flush=True)
        _send_layout(recording)
        with _programs(recording) as processes:
            _tell(processes, recording, seconds)
        lifecycle.start()  # in case that somebody stopped it meanwhile
        print("saving it ...", flush=True)  # of a long run that takes a while
        saved = lifecycle.request(
            "save", timeout=SAVE_SECS, recording=f"{APPLICATION_ID}/{recording}", path=str(file), follow=False
        )
    print(f"saved: {file} ({size(saved['bytes'])})\nopen it: rerund {_shortest(file)}", flush=True)


@contextmanager
def _daemon() -> Iterator[places.DaemonInfo]:
    """The daemon that runs; else one of our own, which ends with us."""
    started = lifecycle.start()
    try:
        yield started.daemon
    finally:
        if not started.joined:
            lifecycle.stop()


def _send_layout(recording: str) -> None:
    with rr.RecordingStream(APPLICATION_ID, recording_id=recording) as stream:
        rr.connect(recording=stream)
        rr.send_blueprint(layout(), recording=stream)


@contextmanager
def _programs(recording: str) -> Iterator[Processes]:
    """All programs, joined in one recording; on return they have sent what they had."""
    environment = {**os.environ, "RERUND_RECORDING_ID": recording}
    processes = {
        name: subprocess.Popen([sys.executable, "-m", *command, "--connect"], env=environment)
        for name, command in PROGRAMS.items()
    }
    try:
        yield processes
    finally:
        for process in processes.values():
            process.terminate()
        deadline = time.monotonic() + STOP_SECS
        for name, process in processes.items():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                warn(f"the demo's {name} did not end within {STOP_SECS:.0f} s and was killed")
                process.kill()
                process.wait()


def _tell(processes: Processes, recording: str, seconds: float | None) -> None:
    """A line about the whole each second; a sentence for each program that ends by itself."""
    summary = _Summary(recording)
    all_log_since = None
    for now in ticks(hz=1):
        for name, process in list(processes.items()):
            if process.poll() is not None:
                summary.clear()
                warn(f"the demo's {name} ended with status {process.returncode}")
                del processes[name]
        try:
            status = lifecycle.request("status")
        except DaemonError:
            summary.show_line("the daemon is away: the programs go on, and keep what they log until it is back")
            continue
        summary.show(status, len(processes))
        logging = {producer["pid"] for producer in status["producers"]}
        if all_log_since is None and all(process.pid in logging for process in processes.values()):
            all_log_since = now
        if seconds is not None and all_log_since is not None and now - all_log_since >= seconds:
            break
    summary.clear()


class _Summary:
    """One line that is written over itself at a terminal, and one every ten seconds elsewhere."""

    def __init__(self, recording: str) -> None:
        self._recording = recording
        self._live = sys.stdout.isatty()
        self._begin = time.monotonic()
        self._before = (self._begin, 0, 0)
        self._lines = 0

    def show(self, status: dict[str, Any], programs: int) -> None:
        found = next((each for each in status["recordings"] if each["recording_id"] == self._recording), None)
        now, rows, count = time.monotonic(), found["rows"] or 0 if found else 0, found["bytes"] if found else 0
        (then, rows_then, count_then), self._before = self._before, (now, rows, count)
        secs = max(now - then, 0.1)
        viewers = sum(each["recording"].endswith(f"/{self._recording}") for each in status["viewers"])
        self.show_line(
            "   ".join(
                (
                    duration(now - self._begin),
                    f"{programs} programs",
                    f"{number(rows)} rows ({number((rows - rows_then) / secs)}/s)",
                    f"{size(count)} ({size((count - count_then) / secs)}/s)",
                    f"{viewers} viewer{'' if viewers == 1 else 's'}",
                )
            )
        )

    def show_line(self, line: str) -> None:
        if self._live:
            print(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K", end="", flush=True)
        elif self._lines % 10 == 0:
            print(line, flush=True)
        self._lines += 1

    def clear(self) -> None:
        """Leave the line, so that something else can be printed."""
        if self._live:
            print(flush=True)


def _shortest(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
