"""A queue whose reader waits with a time limit, and whose writers may be anywhere."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from queue import Empty

import pytest

from rerund_sdk.mailbox import Mailbox


def test_items_come_in_order_and_none_twice() -> None:
    mailbox = Mailbox[int]()
    for item in range(3):
        mailbox.put(item)
    assert [mailbox.get(timeout=0) for _ in range(3)] == [0, 1, 2]
    for timeout in (0, -1, 0.01):
        with pytest.raises(Empty):
            mailbox.get(timeout=timeout)


def test_the_reader_is_woken_and_misses_nothing_of_many_writers() -> None:
    mailbox = Mailbox[tuple[int, int]]()
    writers, each = 4, 20_000

    def write(writer: int) -> None:
        for number in range(each):
            mailbox.put((writer, number))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    found: dict[int, list[int]] = {writer: [] for writer in range(writers)}
    for _ in range(writers * each):
        writer, number = mailbox.get(timeout=20)
        found[writer].append(number)
    assert found == {writer: list(range(each)) for writer in range(writers)}


def test_a_signal_handler_may_write_whatever_its_thread_is_at() -> None:
    mailbox = Mailbox[tuple[str, int]]()
    numbers = {who: itertools.count() for who in ("handler", "main")}
    found: dict[str, list[int]] = {who: [] for who in numbers}

    def send(who: str) -> None:  # may be interrupted by itself
        mailbox.put((who, next(numbers[who])))

    def read() -> None:
        who, number = mailbox.get(timeout=0)
        found[who].append(number)

    before = signal.signal(signal.SIGUSR1, lambda *_: send("handler"))
    try:
        kill = f"import os, time\nfor _ in range(3000): os.kill({os.getpid()}, {int(signal.SIGUSR1)}); time.sleep(1e-4)"
        with subprocess.Popen([sys.executable, "-c", kill]) as killer:
            while killer.poll() is None:
                send("main")
                read()
    finally:
        signal.signal(signal.SIGUSR1, before)
    with suppress(Empty):
        while True:
            read()
    assert found["main"] == list(range(next(numbers["main"])))
    assert sorted(found["handler"]) == list(range(next(numbers["handler"])))
    assert min(map(len, found.values())) > 100
