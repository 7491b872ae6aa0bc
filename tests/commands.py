"""The command line for tests: real processes, in a folder of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

PATIENCE = 50.0  # seconds for one command, on a machine that is busy


class Commands:
    """Runs `rerund ...` where only its own daemon is found."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runtime = folder / "run"
        self.home = folder / "home"
        self.runtime.mkdir(mode=0o700)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RERUND", "RERUN_"))}
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "NOTIFY_SOCKET", "PYTHONPATH"):
            inherited.pop(name, None)
        self.env = {
            **inherited,
            "XDG_RUNTIME_DIR": str(self.runtime),
            "RERUND_HOME": str(self.home),
            "RERUND_GRPC_PORT": "0",
            "RERUND_HTTP_PORT": "0",
        }

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "rerund", *words],
            env={**self.env, **env},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **env)
        out, err = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def ok(self, *words: str, **env: str) -> str:
        """Its output, when it went well."""
        done = self.run(*words, **env)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def json(self, *words: str, **env: str) -> Any:
        return json.loads(self.ok(*words, "--json", **env))

    def refused(self, *words: str, **env: str) -> str:
        """The one sentence of a command that could not do it."""
        done = self.run(*words, **env)
        assert done.returncode == 1, done.stdout
        assert done.stderr.startswith("rerund: ") and done.stderr.count("\n") == 1, done.stderr
        return done.stderr.removeprefix("rerund: ").strip()

    def end(self) -> None:
        """No daemon of ours stays."""
        for file in self.runtime.glob("rerund*/daemon.json"):
            os.kill(json.loads(file.read_text())["pid"], signal.SIGKILL)
