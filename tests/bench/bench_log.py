"""What does a call of log cost: on the caller's time, and in CPU with everything that follows from it?

`call` is set_time and log; `cpu` is all of the process, threads included; what the server does is not in it. The floors
are what no logger can do without: a tuple in a list, a copy of the array, and, to a file, the write of as many bytes.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tests.bench import side_by_side
from tests.bench.side_by_side import Figures

ROWS = {"scalars": 100_000, "transform": 30_000, "text": 30_000, "points100": 30_000, "points10k": 1_500, "image": 400}
ARRAY_BYTES = {"points100": 1_200, "points10k": 160_000, "image": 640 * 480 * 3}


def main() -> None:
    args = side_by_side.parser(__doc__).parse_args()
    with ExitStack() as stack:
        directory = stack.enter_context(side_by_side.scratch())
        servers = stack.enter_context(side_by_side.servers(directory, rerun_saves=True))
        addresses = {"rerund": servers.rerund, "rerun": servers.rerun}
        for where in ("into a file", "to the server"):
            print(f"log {where}: {side_by_side.conditions()}\n{side_by_side.HEADER}")
            for program, rows in ROWS.items():

                def measure(sdk: str, program: str = program, rows: int = rows, where: str = where) -> Figures:
                    to_file = ("--save", str(directory / f"{sdk}.rrd"))
                    to = to_file if where == "into a file" else ("--address", addresses[sdk])
                    return side_by_side.figures(side_by_side.run(program, sdk, *to, "--rows", str(rows)))

                ours, theirs = side_by_side.alternate(args.runs, lambda: measure("rerund"), lambda: measure("rerun"))
                size = ARRAY_BYTES.get(program, 0)
                floors = {"call_us": _keep_us(size), "cpu_us": _keep_us(size)}
                if where == "into a file" and size:
                    floors["cpu_us"] += _write_us(directory / "floor", size)
                for figure in ("call_us", "cpu_us"):
                    what = f"set_time + log {program}, {figure.removesuffix('_us')}"
                    print(side_by_side.row(what, ours[figure], theirs[figure], "us", floor=floors[figure]), flush=True)
            print()


def _keep_us(size: int) -> float:
    """A tuple in a list, with a copy of an array of `size` bytes."""
    array = np.zeros(size, np.uint8)
    kept: list[tuple[int, object]] = []

    def once() -> float:
        kept.clear()
        start = time.process_time()
        for number in range(200):
            kept.append((number, array.copy() if size else None))
        return (time.process_time() - start) / 200 * 1e6

    return side_by_side.best_of(5, once)


def _write_us(path: Path, size: int) -> float:
    """CPU of a plain write into the page cache."""
    data = os.urandom(size)

    def once() -> float:
        with path.open("wb", buffering=0) as file:
            start = time.process_time()
            for _ in range(200):
                file.write(data)
            used = time.process_time() - start
        path.unlink()
        return used / 200 * 1e6

    return side_by_side.best_of(3, once)


if __name__ == "__main__":
    main()
