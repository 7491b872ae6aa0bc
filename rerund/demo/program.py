"""What every program of the demo begins with: the standard flags, a recording, and a loop that keeps its pace."""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Iterator

import rerund_sdk as rr

APPLICATION_ID = "rerund_demo"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with the flags that every Rerun program has: --connect, --save and so on."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    rr.script_add_args(parser)
    return parser


def begin(args: argparse.Namespace) -> None:
    """Open the recording. All programs of one demo share it, by RERUND_RECORDING_ID."""
    rr.script_setup(args, APPLICATION_ID)


def ticks(hz: float) -> Iterator[float]:
    """The time in seconds, `hz` times a second, until Ctrl-C or SIGTERM. A beat that was missed is left out."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    beat = time.time()
    while not stop.is_set():
        yield time.time()
        beat = max(beat + 1 / hz, time.time() - 1 / hz)
        stop.wait(max(0.0, beat - time.time()))
