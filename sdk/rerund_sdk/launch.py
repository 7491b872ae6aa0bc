"""Make sure that a daemon runs, however many processes want that at the same moment."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rerund_sdk import places
from rerund_sdk.errors import ModeError

_START_SECS: Final = 90.0


def ensure_daemon(options: Sequence[str] = ()) -> places.DaemonInfo:
    """The daemon of this instance; started with `options` of `rerund run` if none runs. Raises ModeError."""
    if (info := places.read_daemon()) is not None:
        return info
    with turn("launch.lock"):
        if (info := places.read_daemon()) is None:
            _start(options)
            info = places.read_daemon()
    if info is None:
        raise ModeError("the daemon ended right after its start: see `rerund logs`")
    return info


def _start(options: Sequence[str]) -> None:
    if not sys.executable:
        raise ModeError("no daemon can be started: this program does not know its Python; run `rerund start` before it")
    command = [sys.executable, "-m", "rerund", "start", *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_START_SECS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise ModeError(f"the daemon was not ready after {_START_SECS:.0f} s: see `rerund logs`") from error
    except OSError as error:
        raise ModeError(f"no daemon can be started: {error}") from error
    if done.returncode:
        raise ModeError(f"no daemon can be started: {_last_line(done.stderr) or f'exit status {done.returncode}'}")


@contextlib.contextmanager
def turn(name: str) -> Iterator[Path]:
    """Let one process of this instance at a time do something; yields the locked file."""
    directory = places.runtime_dir()
    places.ensure_private_dir(directory)
    path = directory / name
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(file)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("rerund: ") if lines else ""
