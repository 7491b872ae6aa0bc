"""What does it cost beside Foxglove's SDK, which writes MCAP? Both write a file, without compression."""

from __future__ import annotations

from tests.bench import side_by_side
from tests.bench.side_by_side import Figures

ROWS = {"transform": 30_000, "text": 30_000, "points10k": 1_500, "image": 400}


def main() -> None:
    args = side_by_side.parser(__doc__).parse_args()
    print(f"mcap: {side_by_side.conditions('foxglove-sdk')}\n{side_by_side.header('Foxglove')}")
    with side_by_side.scratch() as directory:
        for program, rows in ROWS.items():

            def measure(sdk: str, program: str = program, rows: int = rows) -> Figures:
                options = ("--save", str(directory / sdk), "--rows", str(rows))
                return side_by_side.figures(side_by_side.run(program, sdk, *options))

            ours, theirs = side_by_side.alternate(args.runs, lambda: measure("rerund"), lambda: measure("foxglove"))
            for figure in ("call_us", "cpu_us"):
                what = f"log {program} into a file, {figure.removesuffix('_us')}"
                print(side_by_side.row(what, ours[figure], theirs[figure], "us"), flush=True)


if __name__ == "__main__":
    main()
