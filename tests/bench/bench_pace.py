"""What does logging cost at the pace of a robot: ten entities, or a camera, in a loop that runs so many times a second?

`call`: how long the loop is held up in one turn. `cpu`: all of the process for one turn; of scalars most of it is the
waking of threads that slept, on both sides.
"""

from __future__ import annotations

from tests.bench import side_by_side
from tests.bench.side_by_side import Figures

SECS = 3
LOOPS = (
    ("robot", "10 scalars", 30),
    ("robot", "10 scalars", 500),
    ("image", "an image", 30),
)


def main() -> None:
    args = side_by_side.parser(__doc__).parse_args()
    print(f"pace: {side_by_side.conditions()}\n{side_by_side.HEADER}")
    with side_by_side.scratch() as directory, side_by_side.servers(directory, rerun_saves=True) as servers:
        for program, logged, hertz in LOOPS:

            def measure(sdk: str, address: str, program: str = program, hertz: int = hertz) -> Figures:
                options = ("--address", address, "--rows", str(SECS * hertz), "--hertz", str(hertz))
                return side_by_side.figures(side_by_side.run(program, sdk, *options))

            ours, theirs = side_by_side.alternate(
                args.runs, lambda: measure("rerund", servers.rerund), lambda: measure("rerun", servers.rerun)
            )
            what = f"{logged}, {hertz} times a second"
            print(side_by_side.row(f"{what}, call", ours["median_call_us"], theirs["median_call_us"], "us"))
            print(side_by_side.row(f"{what}, cpu", ours["cpu_us"], theirs["cpu_us"], "us"))
            share = {name: figures["cpu_us"] * hertz / 1e4 for name, figures in (("o", ours), ("t", theirs))}
            print(side_by_side.row(f"{what}, of a core", share["o"], share["t"], "%"), flush=True)


if __name__ == "__main__":
    main()
