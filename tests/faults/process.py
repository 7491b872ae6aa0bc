"""Processes of the harness: forked from one that has imported all, so that a new one costs milliseconds."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1
_GONE_SECS: Final = 30.0


def start(run: Callable[..., None], *args: Any) -> Process:
    """A process that runs `run`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.daemon", "tests.faults.producer"])
    process = context.Process(target=run, args=args)
    process.start()
    return Process(process)


def become(env: dict[str, str], said: Path) -> None:
    """In the new process: its environment and its output. It dies with the harness."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(env)
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


class Process:
    """One that was started; every method may be called when it is gone."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.is_frozen = False

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Negative: the signal that killed it."""
        return self._process.exitcode

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it died by itself just now
            if self.is_alive:
                os.kill(self.pid, number)

    def freeze(self) -> None:
        self.is_frozen = True
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.is_frozen = False
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.join()

    def join(self, secs: float = _GONE_SECS) -> bool:
        """Whether it ended in time."""
        self._process.join(secs)
        return not self.is_alive
