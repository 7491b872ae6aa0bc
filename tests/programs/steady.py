"""Logs from two threads until a line comes on standard input; then tells, as JSON, its rows and its longest call."""

from __future__ import annotations

import json
import sys
import threading
import time

import rerund_sdk as rr

ended = threading.Event()
counts = {"/one": 0, "/two": 0}
longest = 0.0


def log(entity: str) -> None:
    global longest
    while not ended.wait(0.004):
        started = time.perf_counter()
        rr.set_time("number", sequence=counts[entity])
        rr.log(entity, rr.Scalars(counts[entity]))
        longest = max(longest, time.perf_counter() - started)
        counts[entity] += 1


rr.init("app", recording_id="run", strict=True)
rr.connect()
threads = [threading.Thread(target=log, args=(entity,)) for entity in counts]
for thread in threads:
    thread.start()
sys.stdin.readline()
ended.set()
for thread in threads:
    thread.join()
print(json.dumps({"counts": counts, "longest_secs": longest, "delivered": bool(rr.flush(timeout_sec=30))}), flush=True)
