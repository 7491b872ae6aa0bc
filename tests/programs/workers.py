"""Processes made in every way that programs make them, all logging into one recording, while a thread logs too.

usage: workers.py HOW END RECORDING
HOW: fork, spawn, forkserver, os.fork, pool-*, executor-*, terminated-pool, loky, loader, prefork, storm
END: of those that end by themselves: return, exception, exit, os._exit, SIGKILL, SIGTERM, handled-SIGTERM
Prints {entity path: how many rows of it must be there}; of the paths under /unflushed there may be fewer.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import rerund_sdk as rr

ROWS = 200
WORKERS = 2
TASKS = 5
STORM = 25  # forks
FLUSH_SECS = 60.0

recording_id = sys.argv[3] if len(sys.argv) > 3 else ""


def log(path: str, rows: int = ROWS) -> None:
    for value in range(rows):
        rr.log(path, rr.Scalars(value))


def join_recording(name: str) -> None:
    """In a process that did not inherit it."""
    if rr.get_data_recording() is None:
        rr.init("app", recording_id=name)
        rr.connect()


def worker(name: str, number: int, end: str) -> None:
    join_recording(name)
    log(f"/worker/{number}")
    if end == "exit":
        sys.exit(3)
    if end == "exception":
        raise RuntimeError("as it was told to")
    if end == "handled-SIGTERM":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        os.kill(os.getpid(), signal.SIGTERM)
    if end == "SIGTERM":
        os.kill(os.getpid(), signal.SIGTERM)
    if end in ("os._exit", "SIGKILL"):
        assert rr.flush(timeout_sec=FLUSH_SECS)
        log(f"/unflushed/{number}")
        if end == "os._exit":
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)


def task(name: str, number: int) -> int:
    worker(name, number, "return")
    return number


def processes(how: str, end: str) -> dict[str, int]:
    context = multiprocessing.get_context(how)
    running = [context.Process(target=worker, args=(recording_id, number, end)) for number in range(WORKERS)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    return of_workers(WORKERS)


def by_hand(end: str) -> dict[str, int]:
    pids = []
    for number in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            worker(recording_id, number, end)
            sys.exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    return of_workers(WORKERS)


def pool(how: str) -> dict[str, int]:
    with multiprocessing.get_context(how).Pool(WORKERS) as workers:
        workers.starmap(task, [(recording_id, number) for number in range(TASKS)])
        workers.close()
        workers.join()
    return of_workers(TASKS)


def terminated_pool() -> dict[str, int]:
    """As most programs use one: its end kills the workers, by SIGTERM, when all results are there."""
    with multiprocessing.get_context("fork").Pool(WORKERS) as workers:
        workers.starmap(task, [(recording_id, number) for number in range(TASKS)])
    return of_workers(TASKS)


def executor(how: str) -> dict[str, int]:
    context = multiprocessing.get_context(how)
    with concurrent.futures.ProcessPoolExecutor(WORKERS, context) as workers:
        list(workers.map(task, [recording_id] * TASKS, range(TASKS)))
    return of_workers(TASKS)


def loky() -> dict[str, int]:
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    from tests.programs import workers  # what loky sends to its workers must be found there by name

    Parallel(n_jobs=2, backend="loky")(delayed(workers.task)(recording_id, number) for number in range(TASKS))
    get_reusable_executor().shutdown(wait=True)
    return of_workers(TASKS)


def loader() -> dict[str, int]:
    """As torch's DataLoader: forked workers, a queue of indices for each, one queue of results, None to end."""
    context = multiprocessing.get_context("fork")
    results: Any = context.Queue()
    indices: list[Any] = [context.Queue() for _ in range(WORKERS)]

    def load(number: int) -> None:
        while (index := indices[number].get()) is not None:
            log(f"/worker/{index}")
            results.put(index)

    running = [context.Process(target=load, args=(number,), daemon=True) for number in range(WORKERS)]
    for process in running:
        process.start()
    for index in range(TASKS):
        indices[index % WORKERS].put(index)
    loaded = sorted(results.get() for _ in range(TASKS))
    assert loaded == list(range(TASKS))
    for queue in indices:
        queue.put(None)
    for process in running:
        process.join()
    return of_workers(TASKS)


def prefork() -> dict[str, int]:
    """As gunicorn: a loaded application, workers forked by hand that share a socket and end by SIGTERM."""
    listening = socket.create_server(("127.0.0.1", 0))
    pids = []
    for _ in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            answer_requests(listening)
        pids.append(pid)
    for number in range(TASKS):
        with socket.create_connection(listening.getsockname()) as request:
            request.sendall(bytes([number]))
            assert request.recv(1) == bytes([number])
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    for pid in pids:
        os.waitpid(pid, 0)
    return of_workers(TASKS)


def answer_requests(listening: socket.socket) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        connection, _ = listening.accept()
        with connection:
            number = connection.recv(1)
            log(f"/worker/{number[0]}")
            connection.sendall(number)


def storm() -> dict[str, int]:
    """Forks while threads log and flush: whatever locks they hold are held for good in the child."""
    stop = threading.Event()
    counts = [0] * 4

    def keep_logging(place: int) -> None:
        while not stop.wait(0.001):
            rr.log(f"/storm/{place}", rr.Scalars(counts[place]))
            counts[place] += 1
            if place % 2:
                rr.flush(timeout_sec=0.01)

    threads = [threading.Thread(target=keep_logging, args=(place,)) for place in range(len(counts))]
    for thread in threads:
        thread.start()
    for number in range(STORM):
        pid = os.fork()
        if pid == 0:
            worker(recording_id, number, "return")
            assert rr.flush(timeout_sec=FLUSH_SECS)
            sys.exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    stop.set()
    for thread in threads:
        thread.join()
    return of_workers(STORM) | {f"/storm/{place}": count for place, count in enumerate(counts)}


def of_workers(count: int) -> dict[str, int]:
    return {f"/worker/{number}": ROWS for number in range(count)}


def way(how: str, end: str) -> Callable[[], dict[str, int]]:
    kind, _, context = how.partition("-")
    ways: dict[str, Callable[[], dict[str, int]]] = {
        "os.fork": lambda: by_hand(end),
        "pool": lambda: pool(context),
        "terminated-pool": terminated_pool,
        "executor": lambda: executor(context),
        "loky": loky,
        "loader": loader,
        "prefork": prefork,
        "storm": storm,
    }
    return ways.get(how) or ways.get(kind) or (lambda: processes(how, end))


def main() -> None:
    rr.init("app", recording_id=recording_id)
    rr.connect()
    stop = threading.Event()
    logged = 0

    def keep_logging() -> None:
        nonlocal logged
        while not stop.is_set():
            rr.log("/thread", rr.Scalars(logged))
            logged += 1
            stop.wait(0.001)

    thread = threading.Thread(target=keep_logging)
    thread.start()
    log("/before")
    try:
        expected = way(sys.argv[1], sys.argv[2])()
    finally:
        stop.set()
        thread.join()
    log("/after")
    print(json.dumps(expected | {"/before": ROWS, "/after": ROWS, "/thread": logged}))


if __name__ == "__main__":
    parent = os.getpid()
    with contextlib.ExitStack() as quietly:
        if sys.argv[2] == "exception":
            quietly.enter_context(contextlib.redirect_stderr(open(os.devnull, "w")))  # noqa: PTH123, SIM115
        main()
