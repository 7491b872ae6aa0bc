"""One of several robots that log into one recording: `robot.py NUMBER ROWS IMAGES`."""

from __future__ import annotations

import sys

import numpy as np

import rerund_sdk as rr

number, rows, images = map(int, sys.argv[1:])
rr.init("rerund_test_robots", recording_id="run")
rr.connect()
noise = np.random.default_rng(number).integers(0, 256, (480, 640, 3), np.uint8)
for row in range(max(rows, images)):
    rr.set_time("step", sequence=row)
    if row < rows:
        rr.log(f"robot{number}/value", rr.Scalars(number * 1e6 + row))
    if row < images:
        noise[0, 0] = (number, row % 256, row // 256)
        rr.log(f"robot{number}/camera", rr.Image(noise))
if not rr.flush(timeout_sec=60):
    raise SystemExit("not all rows are in the log")
