"""How does the cost grow: with entities, timelines, producers, viewers and the length of a recording?

Flat lines are what is wanted. Entities and timelines: CPU of the process for a row, into a file, entities in turn.
Producers: CPU of the daemon for a row, while each of them logs a hundred rows a second. Viewers: rows a second that one
program gets into the log while they read. Length: how long the daemon needs to start.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tests.bench import crowd, side_by_side
from tests.bench.side_by_side import Figures, OurServer
from tests.bench.viewers import reading

ROWS = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most-entities", type=int, default=100_000)
    args = parser.parse_args()
    print(f"growth: {side_by_side.conditions()}\n{side_by_side.HEADER}")
    with side_by_side.scratch() as directory:
        for entities in (1, 100, 10_000, 100_000):
            if entities <= args.most_entities:
                _compare(directory, f"{entities:,} entities", "--entities", str(entities))
        for timelines in (5, 20):
            _compare(directory, f"{timelines} timelines", "--timelines", str(timelines))
    for producers in (1, 10, 100, 1_000):
        _compare_crowds(producers)
    for viewers in (0, 5, 20):
        print(side_by_side.row(f"{viewers} viewers", _rate_with(viewers), None, "rows/s"), flush=True)
    for megabytes in (10, 100, 1000):
        print(side_by_side.row(f"start with a recording of {megabytes:,} MB", _start(megabytes), None, "s"), flush=True)


def _compare(directory: Path, what: str, *options: str) -> None:
    def measure(sdk: str) -> Figures:
        to_file = ("--save", str(directory / f"{sdk}.rrd"), "--rows", str(ROWS))
        return side_by_side.figures(side_by_side.run("many", sdk, *to_file, *options))

    ours, theirs = side_by_side.alternate(1, lambda: measure("rerund"), lambda: measure("rerun"))
    print(side_by_side.row(f"a row, {what}, cpu", ours["cpu_us"], theirs["cpu_us"], "us"))
    print(side_by_side.row(f"{ROWS:,} rows, {what}, memory", ours["peak_mb"], theirs["peak_mb"], "MB"), flush=True)


def _compare_crowds(producers: int) -> None:
    with side_by_side.scratch() as directory, side_by_side.one_server(directory, "rerund") as server:
        crowd.measure(server, 1, secs=1)  # what is done once is no cost of a row
        figures = crowd.measure(server, producers, secs=4)
    print(side_by_side.row(f"a row, {producers:,} producers, daemon's cpu", figures["daemon_us"], None, "us"))
    print(side_by_side.row(f"{producers:,} producers, daemon's memory", figures["daemon_mb"], None, "MB"), flush=True)


def _rate_with(viewers: int) -> float:
    """Rows a second into the log while so many read over gRPC."""
    with side_by_side.scratch() as directory, side_by_side.one_server(directory, "rerund") as server:
        channels = [reading(server.grpc) for _ in range(viewers)]
        run = side_by_side.figures(
            side_by_side.run("scalars", "rerund", "--address", server.address, "--rows", str(ROWS))
        )
        for channel in channels:
            channel.close()
        return ROWS / (run["ended"] - run["started"])


def _start(megabytes: int) -> float:
    with side_by_side.scratch() as directory:
        server = OurServer(directory)
        images = str(megabytes * 1_000_000 // (640 * 480 * 3))
        side_by_side.figures(side_by_side.run("image", "rerund", "--address", server.address, "--rows", images))
        server.stop()
        start = time.monotonic()
        server = OurServer(directory)
        took = time.monotonic() - start
        server.stop()
        return took


if __name__ == "__main__":
    main()
