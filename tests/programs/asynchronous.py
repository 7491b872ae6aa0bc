"""An asyncio program that logs all the time, and measures how long its loop was held up.

usage: asynchronous.py RECORDING PID   (of the daemon, which is frozen meanwhile)
Prints the longest time in seconds for which the loop did not run, less what it takes without logging.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import numpy as np

import rerund_sdk as rr

ROWS = 400
IMAGES = 60


async def log_rows(path: str) -> None:
    for value in range(ROWS):
        rr.log(path, rr.Scalars(value))
        await asyncio.sleep(0.002)


async def log_images() -> None:
    image = np.zeros((500, 1000), np.uint8)
    for _ in range(IMAGES):
        rr.log("/image", rr.Image(image))
        await asyncio.sleep(0.01)


async def longest_pause(until: asyncio.Event) -> float:
    longest, last = 0.0, time.perf_counter()
    while not until.is_set():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


async def main() -> None:
    rr.init("app", recording_id=sys.argv[1])
    rr.connect()
    daemon = int(sys.argv[2])
    done = asyncio.Event()
    watch = asyncio.create_task(longest_pause(done))
    rows = [asyncio.create_task(log_rows(f"/{n}")) for n in range(3)]
    await asyncio.sleep(0.2)
    os.kill(daemon, signal.SIGSTOP)
    try:
        await asyncio.gather(*rows, log_images())
    finally:
        os.kill(daemon, signal.SIGCONT)
    assert await asyncio.to_thread(rr.flush, timeout_sec=60)
    done.set()
    print(await watch)


asyncio.run(main())
