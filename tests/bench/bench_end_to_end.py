"""How fast do four processes get their rows through the server into a file on disk?

Ours counts until the daemon has acked everything: it is in the log. Rerun's has no acks: it counts until the file that
its server writes has grown for the last time. The floor is one process that writes the same bytes with plain `write`,
as many of them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

from tests.bench import side_by_side
from tests.bench.side_by_side import Figures

PRODUCERS = 4
ROWS = {"scalars": 200_000, "image": 400}
IMAGE_BYTES = 640 * 480 * 3


def main() -> None:
    args = side_by_side.parser(__doc__).parse_args()
    print(f"end to end, {PRODUCERS} producers: {side_by_side.conditions()}\n{side_by_side.HEADER}")
    for program, rows in ROWS.items():
        ours, theirs = side_by_side.alternate(
            args.runs,
            lambda name=program, count=rows: _measure(name, count, "rerund"),
            lambda name=program, count=rows: _measure(name, count, "rerun"),
        )
        unit = "rows/s" if program == "scalars" else "images/s"
        floor = _write_rate() if program == "image" else None
        print(side_by_side.row(program, ours["rate"], theirs["rate"], unit, more_is_better=True, floor=floor))
        print(side_by_side.row(f"{program}, server CPU", ours["server_cpu"], theirs["server_cpu"], "s"))
        print(side_by_side.row(f"{program}, server memory", ours["server_mb"], theirs["server_mb"], "MB"), flush=True)


def _measure(program: str, rows: int, sdk: str) -> Figures:
    if program == "image":
        side_by_side.touch_memory()
    with side_by_side.scratch() as directory, side_by_side.servers(directory, rerun_saves=True) as servers:
        address, pid = (servers.rerund, servers.rerund_pid) if sdk == "rerund" else (servers.rerun, servers.rerun_pid)
        server = psutil.Process(pid)
        cpu = side_by_side.cpu_secs(server)
        runs = side_by_side.run_together(PRODUCERS, program, sdk, "--address", address, "--rows", str(rows))
        ended = max(run["ended"] for run in runs) if sdk == "rerund" else _last_growth(directory / "rerun.rrd")
        return {
            "rate": PRODUCERS * rows / (ended - min(run["started"] for run in runs)),
            "server_cpu": side_by_side.cpu_secs(server) - cpu,
            "server_mb": server.memory_info().rss / 1e6,
        }


def _write_rate() -> float:
    """Images a second of a process that does nothing but write them into a file."""
    image = os.urandom(IMAGE_BYTES)
    count = PRODUCERS * ROWS["image"]

    def once() -> float:
        side_by_side.touch_memory()
        with side_by_side.scratch() as directory, (directory / "floor").open("wb", buffering=0) as file:
            start = time.monotonic()
            for _ in range(count):
                file.write(image)
            return (time.monotonic() - start) / count

    return 1 / side_by_side.best_of(3, once)


def _last_growth(file: Path) -> float:
    """When the file grew last, once it has not grown for half a second."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since < 0.5:
        now = file.stat().st_size
        if now != size:
            size, since = now, time.monotonic()
        time.sleep(0.01)
    return since


if __name__ == "__main__":
    main()
