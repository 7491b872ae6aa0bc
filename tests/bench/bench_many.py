"""What if a thousand producers log a hundred rows a second each, and twenty viewers look on? Ours alone."""

from __future__ import annotations

import argparse

from tests.bench import crowd, side_by_side
from tests.bench.viewers import reading


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--producers", type=int, default=1_000)
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--secs", type=int, default=12)
    args = parser.parse_args()
    print(f"{args.producers:,} producers, {args.viewers} viewers: {side_by_side.conditions('rerund')}")
    print(side_by_side.HEADER)
    with side_by_side.scratch() as directory, side_by_side.one_server(directory, "rerund") as server:
        viewers = [reading(server.grpc) for _ in range(args.viewers)]
        figures = crowd.measure(server, args.producers, args.secs)
        for viewer in viewers:
            viewer.close()
    print(side_by_side.row("rows logged", figures["rows"], None, "rows"))
    print(side_by_side.row("of them in the log and acked", figures["acked"], None, "rows"))
    print(side_by_side.row("rows a second", figures["rate"], None, "rows/s"))
    print(side_by_side.row("longest that an ack took", figures["worst_ack_ms"], None, "ms"))
    print(side_by_side.row("daemon, of a core", figures["daemon_share"] * 100, None, "%"))
    print(side_by_side.row("daemon, memory", figures["daemon_mb"], None, "MB"))


if __name__ == "__main__":
    main()
