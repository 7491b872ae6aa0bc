"""What does a call of log cost: on the caller's time, and in CPU with everything that follows from it?

`call` is set_time and log; `cpu` is all of the process, threads included; what the server does is not in it. The floors
are what no logger can do without: a tuple in a list, a copy of the array, and, to a file, the write of as many bytes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from tests.bench import side_by_side
from tests.bench.side_by_side import Figures

ROWS = {"scalars": 60_000, "transform": 20_000, "text": 20_000, "points100": 20_000, "points10k": 1_500, "image": 400}
ARRAY_BYTES = {"points100": 1_200, "points10k": 160_000, "image": 640 * 480 * 3}


def main() -> None:
    args = side_by_side.parser(__doc__).parse_args()
    for where, measure in (("into a file", _into_file), ("to the server", _to_server)):
        print(f"log {where}: {side_by_side.conditions()}\n{side_by_side.HEADER}")
        for program, rows in ROWS.items():
            ours, theirs = side_by_side.alternate(
                args.runs, partial(measure, program, rows, "rerund"), partial(measure, program, rows, "rerun")
            )
            size = ARRAY_BYTES.get(program, 0)
            floors = {"call_us": _keep_us(size), "cpu_us": _keep_us(size)}
            if measure is _into_file and size:
                floors["cpu_us"] += _write_us(size)
            for figure in ("call_us", "cpu_us"):
                what = f"set_time + log {program}, {figure.removesuffix('_us')}"
                print(side_by_side.row(what, ours[figure], theirs[figure], "us", floor=floors[figure]), flush=True)
        print()


def _into_file(program: str, rows: int, sdk: str) -> Figures:
    with _memory_and_scratch(program, rows) as directory:
        options = ("--save", str(directory / "saved.rrd"), "--rows", str(rows))
        return side_by_side.figures(side_by_side.run(program, sdk, *options))


def _to_server(program: str, rows: int, sdk: str) -> Figures:
    with _memory_and_scratch(program, rows) as directory, side_by_side.one_server(directory, sdk) as server:
        options = ("--address", server.address, "--rows", str(rows))
        return side_by_side.figures(side_by_side.run(program, sdk, *options))


@contextmanager
def _memory_and_scratch(program: str, rows: int) -> Iterator[Path]:
    """What is written goes away each time: memory that a virtual machine has is used again."""
    if program in ARRAY_BYTES:
        side_by_side.touch_memory(4 * rows * ARRAY_BYTES[program])
    with side_by_side.scratch() as directory:
        yield directory


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


def _write_us(size: int) -> float:
    """CPU of a plain write into the page cache."""
    data = os.urandom(size)

    def once() -> float:
        with side_by_side.scratch() as directory, (directory / "floor").open("wb", buffering=0) as file:
            start = time.process_time()
            for _ in range(200):
                file.write(data)
            used = time.process_time() - start
        return used / 200 * 1e6

    return side_by_side.best_of(3, once)


if __name__ == "__main__":
    main()
