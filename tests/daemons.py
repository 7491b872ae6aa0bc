"""A real daemon for a test: its own process, free ports, a fresh folder."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from rerund_sdk import places
from rerund_sdk.control import ControlClient

READY_SECS = 30.0


class Daemon:
    """A daemon that can be stopped, killed and started again in the same folder. `start` waits until it is ready."""

    def __init__(self, folder: Path, *options: str, wrapped_in: tuple[str, ...] = ()) -> None:
        """wrapped_in: a command that runs the daemon's."""
        self.folder = folder
        self.home = folder / "home"
        self.runtime = folder / "run" / "rerund"
        self.log = folder / "daemon.log"
        self.options = options
        self._wrapped_in = wrapped_in
        self.program: tuple[str, ...] = ("-m", "rerund")  # what Python runs
        self.process: subprocess.Popen[bytes] | None = None
        self.variables = {"RERUND_HOME": str(self.home), "XDG_RUNTIME_DIR": str(folder / "run")}
        (folder / "run").mkdir(mode=0o700, exist_ok=True)

    @property
    def env(self) -> dict[str, str]:
        """For processes that shall find this daemon."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("RERUND_", "NOTIFY_"))}
        return {**env, **self.variables}

    def start(self) -> Daemon:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, self.log.open("ab") as log:
            address = f"\0rerund-test-{os.urandom(8).hex()}"
            ready.bind(address)
            ready.settimeout(0.1)
            self.process = subprocess.Popen(
                [sys.executable, *self.program, "run", "--grpc-port=0", "--http-port=0", *self.options],
                env={**self.env, "NOTIFY_SOCKET": f"@{address[1:]}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            self._wait_until_ready(ready)
        return self

    def _wait_until_ready(self, ready: socket.socket) -> None:
        assert self.process is not None
        for _ in range(int(READY_SECS / 0.1)):
            try:
                if ready.recv(4096).startswith(b"READY=1"):
                    return
            except TimeoutError:
                if self.process.poll() is not None:
                    break
        raise AssertionError(f"the daemon did not become ready:\n{self.said()}")

    def said(self) -> str:
        """All that it wrote to its log."""
        return self.log.read_text()

    @property
    def info(self) -> places.DaemonInfo:
        with (self.runtime / "daemon.json").open() as file:
            return places.parse_daemon_info(file.read())

    @property
    def ingest(self) -> str:
        return f"ipc://{self.runtime / 'ingest.sock'}"

    @property
    def control(self) -> str:
        return f"ipc://{self.runtime / 'control.sock'}"

    def client(self) -> ControlClient:
        return ControlClient(self.control)

    def status(self) -> dict[str, object]:
        with self.client() as client:
            answer: dict[str, object] = client.request("status")
            return answer

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            os.waitpid(self.process.pid, os.WUNTRACED)  # until it stands still, which takes a moment

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def restart(self) -> Daemon:
        """Stop if it runs, and start again."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        return self.start()

    def segments(self) -> list[Path]:
        """All segment files."""
        return sorted(self.home.glob("recordings/*/*/*.rrd"))

    def end(self) -> None:
        """Leave nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    """One that nobody listens at just now, and that no connection gets by chance while a daemon is started again."""
    while True:
        port = random.randrange(20_000, 32_000)  # below those that the system gives to connections
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def fresh_folder() -> Path:
    """Short, as the path of a UNIX socket must be."""
    return Path(tempfile.mkdtemp(prefix="rd-", dir="/tmp"))
