"""What the benchmarks time: the same program, with either SDK.

Run as `python -m tests.bench.programs PROGRAM --sdk rerund|rerun ...`; prints one line of JSON with its figures.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Log = Callable[[int], None]

WARM_UP = 100  # rows that are logged before anything is measured
_CLOUDS = 100  # that take turns: no compression should find the one before


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("program", choices=[*sorted(_PROGRAMS), "many"])
    parser.add_argument("--sdk", choices=["rerund", "rerun", "foxglove"], required=True)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--hertz", type=float, default=0.0, help="rows per second; 0: as fast as it goes")
    parser.add_argument("--wait", action="store_true", help="say when all is set up, and begin at a line of input")
    parser.add_argument("--save", help="log into this file")
    parser.add_argument("--address", help="log into the daemon or server there")
    parser.add_argument("--recording-id", default="bench")
    parser.add_argument("--entities", type=int, default=1, help="of the program `many`")
    parser.add_argument("--timelines", type=int, default=1, help="of the program `many`")
    args = parser.parse_args()

    if args.sdk == "foxglove":
        from tests.bench import foxglove_programs

        print(json.dumps(foxglove_programs.run(args.program, args.save, _run, args.rows)))
        return
    rr = importlib.import_module({"rerund": "rerund_sdk", "rerun": "rerun"}[args.sdk])
    rr.init("rerund_bench", recording_id=args.recording_id)
    if args.save:
        rr.save(args.save)
    elif args.sdk == "rerund":
        rr.connect(args.address)
    else:
        rr.connect_grpc(args.address)
    recording = rr.get_global_data_recording()

    def flush() -> None:
        """Until all is on its way as far as the SDK can tell: with rerund, until it is in the daemon's log."""
        with contextlib.suppress(RuntimeError):  # Rerun's, if its server was killed
            recording.flush(timeout_sec=600)

    log = _many(rr, args.entities, args.timelines) if args.program == "many" else _PROGRAMS[args.program](rr)
    print(json.dumps(_run(log, flush, args.rows, args.hertz, wait=args.wait)))


def _run(log: Log, flush: Callable[[], None], rows: int, hertz: float = 0.0, *, wait: bool = False) -> dict[str, float]:
    for row in range(WARM_UP):
        log(row)
    flush()
    if wait:
        print("ready", flush=True)
        sys.stdin.readline()
    cpu, start = time.process_time(), time.monotonic()
    calls = _paced(log, rows, hertz) if hertz else _fast(log, rows)
    called = time.monotonic() - start
    flush()
    ended = time.monotonic()
    used = time.process_time() - cpu
    return {
        "rows": rows,
        "call_us": called / rows * 1e6,
        "total_us": (ended - start) / rows * 1e6,
        "cpu_us": used / rows * 1e6,
        "median_call_us": calls[len(calls) // 2] * 1e6,
        "worst_call_ms": calls[-1] * 1e3,
        "p999_call_ms": calls[int(len(calls) * 0.999)] * 1e3,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "started": start,  # on the machine's clock, which all processes share
        "ended": ended,
    }


def _fast(log: Log, rows: int) -> list[float]:
    for row in range(rows):
        log(row)
    return [0.0]


def _paced(log: Log, rows: int, hertz: float) -> list[float]:
    """How long each call took, in seconds, the longest last."""
    calls, start = [], time.perf_counter()
    for row in range(rows):
        wait = start + row / hertz - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        before = time.perf_counter()
        log(row)
        calls.append(time.perf_counter() - before)
    return sorted(calls)


def _scalars(rr: Any) -> Log:
    def log(row: int) -> None:
        rr.set_time("frame", sequence=row)
        rr.log("arm/joint1/position", rr.Scalars(row * 0.1))

    return log


def _robot(rr: Any) -> Log:
    """Ten entities at a time."""
    paths = [f"arm/joint{number}" for number in range(10)]

    def log(row: int) -> None:
        rr.set_time("frame", sequence=row)
        for path in paths:
            rr.log(path, rr.Scalars(row * 0.1))

    return log


def _many(rr: Any, entities: int, timelines: int) -> Log:
    paths = [f"robot/part{number}" for number in range(entities)]
    names = [f"timeline {number}" for number in range(timelines)]

    def log(row: int) -> None:
        for name in names:
            rr.set_time(name, sequence=row)
        rr.log(paths[row % entities], rr.Scalars(row * 0.1))

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
        clouds = np.random.default_rng(0).random((_CLOUDS, count, 3), np.float32)
        colors = np.random.default_rng(1).integers(0, 255, (count, 3), np.uint8) if colored else None

        def log(row: int) -> None:
            rr.set_time("frame", sequence=row)
            rr.log("lidar", rr.Points3D(clouds[row % _CLOUDS], colors=colors))

        return log

    return program


def _mask(rr: Any) -> Log:
    """Which pixel belongs to which of a few objects that move."""
    blocks = np.random.default_rng(0).integers(0, 7, (6, 8), np.uint8)
    mask = np.kron(blocks, np.ones((80, 80), np.uint8))

    def log(row: int) -> None:
        rr.set_time("frame", sequence=row)
        rr.log("objects", rr.SegmentationImage(np.roll(mask, row, axis=1)))

    return log


def _image(rr: Any) -> Log:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)

    def log(row: int) -> None:
        rr.set_time("frame", sequence=row)
        rr.log("camera", rr.Image(image))

    return log


_PROGRAMS: dict[str, Callable[[Any], Log]] = {
    "scalars": _scalars,
    "robot": _robot,
    "transform": _transform,
    "text": _text,
    "points100": _points(100, colored=False),
    "points10k": _points(10_000, colored=True),
    "image": _image,
    "mask": _mask,
}

if __name__ == "__main__":
    main()
