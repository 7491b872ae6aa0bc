"""A pool of worker processes that calibrate the robot's wheels, each with a guess of its own.

Shows: multiprocessing without any set-up. The workers are children of a process that has a recording, so they log into
it too, and what they logged is there when they end.
"""

from __future__ import annotations

import multiprocessing
import time

import numpy as np

import rerund_sdk as rr
from rerund.demo import program

WORKERS = 4
STEPS = 60
TRUE_RADIUS, TRUE_TRACK = 0.0825, 0.412  # of the wheels, and between them, in metres


def main() -> None:
    program.begin(program.arguments(__doc__).parse_args())
    rr.log("/calibration/log", rr.TextLog(f"calibrating the wheels with {WORKERS} workers", level="INFO"))
    with multiprocessing.Pool(WORKERS, initializer=ignore_signals) as pool:
        for t in program.ticks(hz=0.25):
            guesses = pool.map(calibrate, [(worker, int(t * 10) + worker) for worker in range(WORKERS)])
            best = min(guesses, key=lambda guess: guess[0])
            text = f"wheel radius {best[1] * 1000:.2f} mm, track {best[2] * 1000:.1f} mm, error {best[0]:.2e}"
            rr.log("/calibration/log", rr.TextLog(text, level="INFO"))
        pool.close()
        pool.join()


def calibrate(task: tuple[int, int]) -> tuple[float, float, float]:
    """Gradient descent from a random guess on noisy odometry: (error, radius, track)."""
    worker, seed = task
    random = np.random.default_rng(seed)
    wheels = random.uniform(5, 15, (200, 2))  # turns of both wheels, in radians
    moved = odometry(wheels, TRUE_RADIUS, TRUE_TRACK) + random.normal(0, [1e-3, 2e-3], (200, 2))
    radius, track = random.uniform(0.07, 0.095), random.uniform(0.34, 0.48)
    error = np.inf
    for _ in range(STEPS):
        difference = odometry(wheels, radius, track) - moved
        error = float(np.mean(difference**2))
        rr.log(f"/calibration/worker{worker}", rr.Scalars(np.log10(error)))
        radius -= 0.003 * float(np.mean(difference[:, 0] * wheels.mean(axis=1)))
        turn = radius * (wheels[:, 1] - wheels[:, 0]) / track**2
        track += 0.02 * float(np.mean(difference[:, 1] * turn))
        time.sleep(0.03)  # a real one would compute
    return error, radius, track


def odometry(wheels: np.ndarray, radius: float, track: float) -> np.ndarray:
    """How far the robot went, and how far it turned, for what its two wheels did."""
    left, right = wheels.T * radius
    return np.stack([(left + right) / 2, (right - left) / track], axis=-1)


def ignore_signals() -> None:
    """Ctrl-C reaches all of a terminal's processes; the pool ends when the program closes it."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


if __name__ == "__main__":
    main()
