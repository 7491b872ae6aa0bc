"""The daemon in a process of the harness: as `rerund run` starts it, perhaps with a point at which it dies.

Or on a disk that refuses.
"""

from __future__ import annotations

import sys
from pathlib import Path

import rerund.recovery
import rerund.server
from rerund import cli
from tests.faults import points
from tests.faults.disk import RefusingDisk
from tests.faults.process import become

_LOADED = (rerund.recovery, rerund.server)  # before the process is forked


def run_on_refusing_disk(folder: Path, env: dict[str, str], options: tuple[str, ...], refusals: Path) -> None:
    become(env, folder / "daemon.log")
    RefusingDisk(folder / "home", refusals).arm()
    sys.exit(cli.main(["run", "--grpc-port=0", "--http-port=0", *options]))


def run(folder: Path, env: dict[str, str], options: tuple[str, ...], armed: points.Armed | None) -> None:
    become(env, folder / "daemon.log")
    if armed is not None:
        points.arm(armed)
    sys.exit(cli.main(["run", "--grpc-port=0", "--http-port=0", *options]))
