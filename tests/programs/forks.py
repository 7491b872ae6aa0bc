"""Logs in a parent before and after its children begin, and in the children; how these begin and end is an argument.

usage: forks.py (fork|spawn|forkserver|pool|executor|os.fork) (return|exit|exception) CHILDREN ROWS
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import sys
import threading
import traceback

import rerund_sdk as rr


def log(path: str, rows: int) -> None:
    for value in range(rows):
        rr.set_time("frame", sequence=value)
        rr.log(path, rr.Scalars(value))


def child(number: int, end: str, rows: int) -> None:
    if rr.get_data_recording() is None:  # in a process that did not inherit it
        rr.init("app")
        rr.connect()
    log(f"/child/{number}", rows)
    if end == "exit":
        sys.exit(3)
    if end == "exception":
        raise RuntimeError("as it was told to")


def task(number: int, rows: int) -> int:
    """Of a pool: several come to one process."""
    child(number, "return", rows)
    return os.getpid()


def by_hand(count: int, end: str, rows: int) -> None:
    pids = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            child(number, end, rows)
            sys.exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)


def run_children(how: str, end: str, count: int, rows: int) -> None:
    if how == "os.fork":
        by_hand(count, end, rows)
    elif how == "pool":
        with multiprocessing.get_context("fork").Pool(3) as pool:
            pool.starmap(task, [(number, rows) for number in range(count)])
            pool.close()
            pool.join()
    elif how == "executor":
        context = multiprocessing.get_context("forkserver")
        with concurrent.futures.ProcessPoolExecutor(3, context) as pool:
            list(pool.map(task, range(count), [rows] * count))
    else:
        context = multiprocessing.get_context(how)
        processes = [context.Process(target=child, args=(number, end, rows)) for number in range(count)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()


def main() -> None:
    how, end, count, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    rr.init("app")
    rr.connect()
    stop = threading.Event()
    logged = []

    def keep_logging() -> None:
        value = 0
        while not stop.is_set():
            rr.log("/thread", rr.Scalars(value))
            value += 1
            stop.wait(0.0005)
        logged.append(value)

    thread = threading.Thread(target=keep_logging)
    thread.start()
    log("/before", rows)
    try:
        run_children(how, end, count, rows)
    finally:
        stop.set()
        thread.join()
    log("/after", rows)
    print(rr.get_recording_id(), logged[0])


if __name__ == "__main__":
    parent = os.getpid()
    try:
        main()
    except RuntimeError:
        if os.getpid() == parent:
            raise
        traceback.print_exc()
        sys.exit(1)
