"""How long does a call of log take at the worst, whatever happens meanwhile?

Two programs log scalars at 500 Hz and images at 30 Hz for a while. A third of the time in, a viewer that reads nothing
joins; two thirds in, the server is killed and started again. Rerun gets a third of the time, which can only shorten its
worst call. The floor is for how long the system lets a loop that does nothing stand still.
"""

from __future__ import annotations

import argparse
import time

import grpc

from tests.bench import side_by_side
from tests.bench.side_by_side import Figures
from tests.bench.viewers import channel_to, read_messages

PROGRAMS = {"scalars": 500, "image": 30}  # rows a second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secs", type=float, default=60)
    args = parser.parse_args()
    print(f"worst call in {args.secs:g} s: {side_by_side.conditions()}\n{side_by_side.HEADER}")
    ours, theirs = _measure("rerund", args.secs), _measure("rerun", args.secs / 3)
    side_by_side.print_waits(ours, theirs)


def _measure(sdk: str, secs: float) -> Figures:
    with side_by_side.scratch() as directory, side_by_side.one_server(directory, sdk) as server:
        programs = {
            name: side_by_side.run(
                name, sdk, "--address", server.address, "--rows", str(int(secs * hertz)), "--hertz", str(hertz)
            )
            for name, hertz in PROGRAMS.items()
        }
        time.sleep(secs / 3)
        channel, stream = _frozen_viewer(server.grpc)
        time.sleep(secs / 3)
        server.restart()
        figures = {name: side_by_side.figures(process) for name, process in programs.items()}
        stream.cancel()
        channel.close()
    return {
        f"{name}, {what}": run[f"{key}_call_ms"]
        for name, run in figures.items()
        for what, key in (("99.9 of 100 calls", "p999"), ("worst call", "worst"))
    }


def _frozen_viewer(url: str) -> tuple[grpc.Channel, grpc.CallIterator[bytes]]:
    """Asks for everything and takes nothing of it, for as long as its stream is held."""
    channel = channel_to(url)
    return channel, read_messages(channel)


if __name__ == "__main__":
    main()
