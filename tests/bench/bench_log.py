"""What does a log call cost: on the caller's time, and in CPU with everything that follows from it?

Both SDKs write a file, so that no server's work is in the figures. `call` is set_time and log; `cpu` is the process's.
"""

from __future__ import annotations

import argparse

from tests.bench import side_by_side
from tests.bench.side_by_side import Figures

ROWS = {"scalars": 200_000, "transform": 50_000, "text": 50_000, "points100": 50_000, "points10k": 2_000, "image": 500}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    print(f"log: {side_by_side.conditions()}\n{side_by_side.HEADER}")
    with side_by_side.scratch() as directory:

        def measure(program: str, sdk: str) -> Figures:
            options = ("--save", str(directory / f"{sdk}.rrd"), "--rows", str(ROWS[program]))
            return side_by_side.figures(side_by_side.run(program, sdk, *options))

        for program in ROWS:
            ours, theirs = side_by_side.alternate(
                args.runs, lambda name=program: measure(name, "rerund"), lambda name=program: measure(name, "rerun")
            )
            for figure in ("call_us", "cpu_us"):
                what = f"set_time + log {program}, {figure.removesuffix('_us')}"
                print(side_by_side.row(what, ours[figure], theirs[figure], "us"), flush=True)


if __name__ == "__main__":
    main()
