"""What if a thousand producers log a hundred rows a second each, and twenty viewers look on?

Each producer has a connection of its own and sends its rows ten times a second, real chunks, from a few processes: a
thousand processes would measure the machine's scheduler. Ours alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import psutil

from tests.bench import side_by_side
from tests.bench.side_by_side import OurServer
from tests.bench.viewers import reading

PROCESSES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--producers", type=int, default=1_000)
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--secs", type=int, default=15)
    args = parser.parse_args()
    print(f"{args.producers:,} producers, {args.viewers} viewers: {side_by_side.conditions('rerund')}")
    print(side_by_side.HEADER)
    with side_by_side.scratch() as directory, side_by_side.one_server(directory, "rerund") as server:
        assert isinstance(server, OurServer)
        viewers = [reading(server.grpc) for _ in range(args.viewers)]
        daemon = psutil.Process(server.pid)
        cpu, start = sum(daemon.cpu_times()[:2]), time.monotonic()
        each = args.producers // PROCESSES
        command = [sys.executable, "-m", "tests.bench.crowd", server.address, str(each), str(args.secs)]
        crowds = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE) for number in range(PROCESSES)]
        figures = [side_by_side.figures(crowd) for crowd in crowds]
        took = time.monotonic() - start
        used = sum(daemon.cpu_times()[:2]) - cpu
        memory = daemon.memory_info().rss / 1e6
        for viewer in viewers:
            viewer.close()
        rows = sum(run["rows"] for run in figures)
        acked = sum(run["acked_rows"] for run in figures)
        print(side_by_side.row("rows logged", rows, None, "rows"))
        print(side_by_side.row("of them in the log and acked", acked, None, "rows"))
        print(side_by_side.row("rows a second", acked / max(run["secs"] for run in figures), None, "rows/s"))
        print(side_by_side.row("longest that an ack took", max(run["worst_ack_ms"] for run in figures), None, "ms"))
        print(side_by_side.row("daemon, of a core", used / took * 100, None, "%"))
        print(side_by_side.row("daemon, memory", memory, None, "MB"))


if __name__ == "__main__":
    main()
