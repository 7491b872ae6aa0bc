"""What the benchmarks time: the same program, with either SDK.

Run as `python -m tests.bench.programs PROGRAM --sdk rerund|rerun ...`; prints one line of JSON with its figures.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Log = Callable[[int], None]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("program", choices=sorted(_PROGRAMS))
    parser.add_argument("--sdk", choices=["rerund", "rerun"], required=True)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--hertz", type=float, default=0.0, help="rows per second; 0: as fast as it goes")
    parser.add_argument("--save", help="log into this file")
    parser.add_argument("--address", help="log into the daemon or server there")
    parser.add_argument("--recording-id", default="bench")
    args = parser.parse_args()

    rr = importlib.import_module({"rerund": "rerund_sdk", "rerun": "rerun"}[args.sdk])
    rr.init("rerund_bench", recording_id=args.recording_id)
    if args.save:
        rr.save(args.save)
    elif args.sdk == "rerund":
        rr.connect(args.address)
    else:
        rr.connect_grpc(args.address)
    print(json.dumps(_run(rr, _PROGRAMS[args.program](rr), args.rows, args.hertz)))


def _run(rr: Any, log: Log, rows: int, hertz: float) -> dict[str, float]:
    for row in range(min(100, rows)):
        log(row)
    _flush(rr)
    cpu, start = time.process_time(), time.monotonic()
    worst = _paced(log, rows, hertz) if hertz else _fast(log, rows)
    called = time.monotonic() - start
    _flush(rr)
    ended = time.monotonic()
    used = time.process_time() - cpu
    return {
        "rows": rows,
        "call_us": called / rows * 1e6,
        "total_us": (ended - start) / rows * 1e6,
        "cpu_us": used / rows * 1e6,
        "worst_call_ms": worst * 1e3,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "started": start,  # on the machine's clock, which all processes share
        "ended": ended,
    }


def _fast(log: Log, rows: int) -> float:
    for row in range(rows):
        log(row)
    return 0.0


def _paced(log: Log, rows: int, hertz: float) -> float:
    worst, start = 0.0, time.perf_counter()
    for row in range(rows):
        wait = start + row / hertz - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        before = time.perf_counter()
        log(row)
        worst = max(worst, time.perf_counter() - before)
    return worst


def _flush(rr: Any) -> None:
    """Wait until all is on its way as far as the SDK can tell: with rerund, until it is in the daemon's log."""
    recording = rr.get_global_data_recording()
    recording.flush(timeout_sec=600)


def _scalars(rr: Any) -> Log:
    def log(row: int) -> None:
        rr.set_time("frame", sequence=row)
        rr.log("arm/joint1/position", rr.Scalars(row * 0.1))

    return log


def _transform(rr: Any) -> Log:
    def log(row: int) -> None:
        rr.set_time("frame", sequence=row)
        rr.log("arm/joint1", rr.Transform3D(translation=[row * 0.1, 0.0, 1.0], quaternion=[0.0, 0.0, 0.0, 1.0]))

    return log


def _text(rr: Any) -> Log:
    def log(row: int) -> None:
        rr.set_time("frame", sequence=row)
        rr.log("planner/log", rr.TextLog(f"step {row} done", level="INFO"))

    return log


def _points(count: int, colored: bool) -> Callable[[Any], Log]:
    def program(rr: Any) -> Log:
        points = np.random.default_rng(0).random((count, 3), np.float32)
        colors = np.random.default_rng(1).integers(0, 255, (count, 3), np.uint8) if colored else None

        def log(row: int) -> None:
            rr.set_time("frame", sequence=row)
            rr.log("lidar", rr.Points3D(points, colors=colors))

        return log

    return program


def _image(rr: Any) -> Log:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)

    def log(row: int) -> None:
        rr.set_time("frame", sequence=row)
        rr.log("camera", rr.Image(image))

    return log


_PROGRAMS: dict[str, Callable[[Any], Log]] = {
    "scalars": _scalars,
    "transform": _transform,
    "text": _text,
    "points100": _points(100, colored=False),
    "points10k": _points(10_000, colored=True),
    "image": _image,
}

if __name__ == "__main__":
    main()
