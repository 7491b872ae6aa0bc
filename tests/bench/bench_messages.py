"""How long from one process to another? Ours by way of the daemon and its disk, Zenoh's from peer to peer, not kept.

A program logs a scalar, or puts 8 bytes, a thousand times a second; another one subscribes in Python.
"""

from __future__ import annotations

import itertools
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import zenoh

import rerund_sdk as rr
from tests.bench import side_by_side
from tests.bench.side_by_side import Figures, OurServer
from tests.daemons import free_port

ROWS, HERTZ = 3_000, 1_000
WARM_UP = 100  # rows that programs log first, as fast as they can
KEY = "bench/scalar"
NANOS = struct.Struct("<q")


def main() -> None:
    parser = side_by_side.parser(__doc__)
    parser.add_argument("--publish", metavar="ENDPOINT", help="be the other process")
    args = parser.parse_args()
    if args.publish:
        _publish(args.publish)
        return
    print(f"messages at {HERTZ} Hz: {side_by_side.conditions('eclipse-zenoh')}\n{side_by_side.header('Zenoh')}")
    ours, theirs = side_by_side.alternate(args.runs, _ours, _zenoh)
    for figure in ours:
        print(side_by_side.row(f"process to process, {figure}", ours[figure], theirs[figure], "ms"))


def _ours() -> Figures:
    with side_by_side.scratch() as directory:
        server = OurServer(directory)
        os.environ.update({"RERUND_HOME": str(directory / "home"), "XDG_RUNTIME_DIR": str(directory)})
        try:
            recording = rr.RecordingStream("rerund_bench", recording_id="bench")
            recording.connect(server.address)
            recording.log("begin", rr.Scalars(0))  # so that there is something to subscribe to
            recording.flush()
            latencies = _latencies()
            next(latencies)  # of that row; all that reading needs is loaded by then
            options = ("--address", server.address, "--rows", str(ROWS), "--hertz", str(HERTZ))
            program = side_by_side.run("scalars", "rerund", *options)
            found = list(itertools.islice(latencies, ROWS + WARM_UP))
            side_by_side.figures(program)
            recording.disconnect()
            return _percentiles(found)
        finally:
            server.stop()


def _latencies() -> Iterator[float]:
    """Milliseconds from each scalar's log_time until it was here."""
    for message in rr.subscribe("bench"):
        arrived = time.time_ns()
        chunk = message.chunk
        if chunk is not None and "Scalars:scalars" in chunk.schema.names:
            yield from (arrived - chunk.column("log_time").cast("int64").to_numpy()) / 1e6


def _zenoh() -> Figures:
    port = free_port()
    found: list[float] = []
    enough = threading.Event()

    def arrived(sample: zenoh.Sample) -> None:
        found.append((time.time_ns() - NANOS.unpack(bytes(sample.payload))[0]) / 1e6)
        if len(found) >= ROWS:
            enough.set()

    endpoint = f"tcp/127.0.0.1:{port}"
    with zenoh.open(_config("listen", endpoint)) as session:
        session.declare_subscriber(KEY, arrived)
        publisher = subprocess.Popen([sys.executable, "-m", "tests.bench.bench_messages", "--publish", endpoint])
        enough.wait(60)
        publisher.wait()
    return _percentiles(found)


def _publish(endpoint: str) -> None:
    with zenoh.open(_config("connect", endpoint)) as session:
        publisher = session.declare_publisher(KEY)
        time.sleep(1)  # until they know each other
        start = time.perf_counter()
        for row in range(ROWS + WARM_UP):
            if (wait := start + row / HERTZ - time.perf_counter()) > 0:
                time.sleep(wait)
            publisher.put(NANOS.pack(time.time_ns()))


def _config(how: str, endpoint: str) -> zenoh.Config:
    config = zenoh.Config()
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5(f"{how}/endpoints", f'["{endpoint}"]')
    return config


def _percentiles(milliseconds: list[float]) -> Figures:
    p50, p99 = np.percentile(milliseconds[-ROWS:], [50, 99])
    return {"p50": float(p50), "p99": float(p99)}


if __name__ == "__main__":
    main()
