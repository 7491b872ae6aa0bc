"""Start, find and stop the background daemon of an instance.

Rule 1: starters and stoppers of one instance take turns (a lock in the runtime directory), so however many call `start`
at the same moment, one of them starts a daemon and the others find it.
Rule 2: a daemon counts as started when it says so itself, by the sd_notify message that it also sends to systemd.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from rerund import config
from rerund_sdk import places
from rerund_sdk.control import ControlClient
from rerund_sdk.errors import DaemonError

START_SECS = 60.0  # a daemon that repairs large logs needs some of it
STOP_SECS = 30.0  # it drains and syncs
ANSWER_SECS = 10.0  # a healthy daemon answers within milliseconds, on a machine that is not overloaded
MAX_LOG_BYTES = 10 * 1024 * 1024  # of daemon.log; then it is put aside as daemon.log.1 at the next start


class NotRunning(DaemonError):
    """There is no daemon of this instance."""

    def __init__(self) -> None:
        super().__init__(f"no rerund daemon runs{of_instance()}: start one with `rerund start`")


class Started(NamedTuple):
    """What `start` found or made."""

    daemon: places.DaemonInfo
    joined: bool  # it ran already


def running() -> places.DaemonInfo:
    """The daemon of this instance. Raises NotRunning."""
    info = places.read_daemon()
    if info is None:
        raise NotRunning
    return info


def request(verb: str, *, timeout: float = ANSWER_SECS, **args: Any) -> Any:
    """Ask the daemon of this instance. Raises NotRunning, or DaemonError with its sentence."""
    return _ask(running(), verb, timeout, **args)


def start(options: Sequence[str] = ()) -> Started:
    """Make sure that a daemon of this instance runs and is ready. `options`: for `rerund run`."""
    with _my_turn():
        info = places.read_daemon()
        if info is not None:
            _ask(info, "status")  # it is there, and well
            return Started(info, joined=True)
        return Started(_launch(options), joined=False)


def stop() -> places.DaemonInfo | None:
    """End the daemon of this instance and wait until it is gone; None if there is none."""
    with _my_turn():
        return _end()


def restart(options: Sequence[str] = ()) -> tuple[places.DaemonInfo, places.DaemonInfo | None]:
    """(the new daemon, the one that was ended, if any). Without options, the new one gets those of the old one.

    The new one is of this version, whatever the old one was. Raises ConfigError, and then nothing has changed.
    """
    with _my_turn():
        before = options or _options_of(places.read_daemon())
        config.check(before)
        ended = _end()
        return _launch(before), ended


def _options_of(daemon: places.DaemonInfo | None) -> Sequence[str]:
    """What followed `run` on its command line."""
    if daemon is None:
        return ()
    with suppress(psutil.Error):
        words = psutil.Process(daemon.pid).cmdline()
        return words[words.index("run") + 1 :] if "run" in words else ()
    return ()


def _end() -> places.DaemonInfo | None:
    info = places.read_daemon()
    if info is None:
        return None
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(info.pid)
        _ask(info, "stop")
        try:
            process.wait(STOP_SECS)
        except psutil.TimeoutExpired:
            raise DaemonError(
                f"the daemon (pid {info.pid}) still writes {STOP_SECS:.0f} s after it was asked to stop: wait, "
                f"or end it with `kill -9 {info.pid}`; what it acknowledged is kept"
            ) from None
    return info


def log_path() -> Path:
    """Where a background daemon writes what it has to say."""
    return places.home() / "daemon.log"


def of_instance() -> str:
    """For sentences: " as instance NAME", or nothing."""
    instance = places.instance_name()
    return f" as instance {instance}" if instance else ""


def _ask(info: places.DaemonInfo, verb: str, timeout: float = ANSWER_SECS, **args: Any) -> Any:
    try:
        with ControlClient(info.control) as client:
            return client.request(verb, timeout=timeout, **args)
    except TimeoutError:
        raise DaemonError(
            f"the daemon (pid {info.pid}) runs but did not answer within {timeout:.0f} s: "
            f"see `rerund logs`, or end it with `kill {info.pid}`"
        ) from None


@contextmanager
def _my_turn() -> Iterator[None]:
    """Hold the lock that lets one process at a time start or stop a daemon of this instance."""
    directory = places.runtime_dir()
    places.ensure_private_dir(directory)
    with (directory / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _launch(options: Sequence[str]) -> places.DaemonInfo:
    """Run a daemon in a session of its own, with its output in the log, and wait until it is ready."""
    path = log_path()
    places.ensure_private_dir(path.parent)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as ready, _open_log(path) as log:
        address = f"rerund-start-{os.urandom(16).hex()}"
        ready.bind(f"\0{address}")  # in the abstract namespace: no file, no limit of a path
        before = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "rerund", "run", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "NOTIFY_SOCKET": f"@{address}"},
        )
        if not _wait_until_ready(process, ready):
            raise DaemonError(f"the daemon could not start: {_last_sentence(path, before)} (log: {path})")
    process.returncode = 0  # it is on its own from here: no warning about a child that still runs
    info = places.read_daemon()
    if info is None:
        raise DaemonError(f"the daemon ended right after its start: {_last_sentence(path, before)} (log: {path})")
    return info


@contextmanager
def _open_log(path: Path) -> Iterator[Any]:
    with suppress(FileNotFoundError):
        if path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_name(path.name + ".1"))
    with path.open("ab") as log:
        yield log


def _wait_until_ready(process: subprocess.Popen[bytes], ready: socket.socket) -> bool:
    """True once the process says READY=1, False if it ends before that. Raises DaemonError after START_SECS."""
    ended = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(ready, select.POLLIN)
        poll.register(ended, select.POLLIN)
        deadline = time.monotonic() + START_SECS
        while (left := deadline - time.monotonic()) > 0:
            events = {fd for fd, _ in poll.poll(left * 1000)}
            if ready.fileno() in events and b"READY=1" in ready.recv(65536).split(b"\n"):
                return True
            if ended in events:
                process.wait()
                return False
    finally:
        os.close(ended)
    process.terminate()
    raise DaemonError(f"the daemon was not ready after {START_SECS:.0f} s and was told to stop: see {log_path()}")


def _last_sentence(path: Path, offset: int) -> str:
    """The last line that the daemon wrote: what it died of."""
    with path.open("rb") as log:
        log.seek(offset)
        lines = log.read().decode(errors="replace").split("\n")
    written = [line.strip() for line in lines if line.strip()]
    return written[-1].removeprefix("rerund: ") if written else "it said nothing"
