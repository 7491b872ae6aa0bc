"""What does LZ4 cost, and what does it save?

Into a file: CPU of the process for a row, and bytes of it; the floor is the size of the array, or of the text. Rerun
compresses everything. To the daemon: CPU of both sides, four processes at a time. `none` and `lz4` are what the option
can be set to, `auto` is the default.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import psutil

from rerund_sdk.compression import POLICIES
from tests.bench import side_by_side
from tests.bench.programs import WARM_UP
from tests.bench.side_by_side import Figures

ROWS = {"mask": 1_000, "image": 400, "text": 20_000}
PAYLOAD_BYTES = {"mask": 640 * 480, "image": 640 * 480 * 3, "text": 20}
PRODUCERS = 4


def main() -> None:
    args = side_by_side.parser(__doc__).parse_args()
    print(f"compression: {side_by_side.conditions()}\n{side_by_side.HEADER}")
    with side_by_side.scratch() as directory:
        for program, rows in ROWS.items():
            measures = {name: partial(_into_file, directory, program, rows, name) for name in (*POLICIES, "rerun")}
            figures = side_by_side.in_turn(args.runs, measures)
            theirs = figures.pop("rerun")
            for policy, ours in figures.items():
                what, floor = f"{program}, {policy}", PAYLOAD_BYTES[program] / 1e3
                print(side_by_side.row(f"{what}, cpu", ours["cpu_us"], theirs["cpu_us"], "us"))
                print(side_by_side.row(f"{what}, size", ours["kb"], theirs["kb"], "kB", floor=floor), flush=True)
    to_daemon = {policy: partial(_to_daemon, policy) for policy in ("auto", "none")}
    for policy, ours in side_by_side.in_turn(args.runs, to_daemon).items():
        print(side_by_side.row(f"mask to the daemon, {policy}, cpu of both", ours["cpu_us"], None, "us"))
        print(side_by_side.row(f"mask to the daemon, {policy}", ours["rate"], None, "masks/s"), flush=True)


def _into_file(directory: Path, program: str, rows: int, policy: str) -> Figures:
    sdk = "rerun" if policy == "rerun" else "rerund"
    os.environ["RERUND_COMPRESSION"] = policy
    path = directory / f"{sdk}.rrd"
    figures = side_by_side.figures(side_by_side.run(program, sdk, "--save", str(path), "--rows", str(rows)))
    return figures | {"kb": path.stat().st_size / (rows + WARM_UP) / 1e3}


def _to_daemon(policy: str) -> Figures:
    rows = ROWS["mask"]
    os.environ["RERUND_COMPRESSION"] = policy
    with side_by_side.scratch() as directory, side_by_side.one_server(directory, "rerund") as server:
        daemon = psutil.Process(server.pid)
        before = side_by_side.cpu_secs(daemon)
        options = ("--address", server.address, "--rows", str(rows))
        runs = side_by_side.run_together(PRODUCERS, "mask", "rerund", *options)
        used = side_by_side.cpu_secs(daemon) - before
        ended, started = max(run["ended"] for run in runs), min(run["started"] for run in runs)
    return {
        "cpu_us": sum(run["cpu_us"] for run in runs) / PRODUCERS + used / (PRODUCERS * rows) * 1e6,
        "rate": PRODUCERS * rows / (ended - started),
    }


if __name__ == "__main__":
    main()
