"""Processes made of processes, one promise a test; test_fork_matrix.py has all ways to make and end them."""

from __future__ import annotations

import pytest

from tests.homes import Home, chunk_of, is_chunk, messages_of, program


def test_what_the_parent_has_not_sent_at_the_fork_it_sends_itself(home: Home) -> None:
    """There is no daemon until both have logged, so all that the parent logged waits when it forks."""
    done = program(
        "import os, sys, subprocess, rerund_sdk as rr\n"
        "rr.init('app', recording_id='run-1'); rr.connect()\n"
        "for n in range(100): rr.log('/parent', rr.Scalars(n))\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    for n in range(100): rr.log('/child', rr.Scalars(n))\n"
        "    sys.exit(0 if rr.flush(timeout_sec=20) else 1)\n"
        "subprocess.run([sys.executable, '-m', 'rerund', 'start'], check=True)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0\n"
        "assert rr.flush(timeout_sec=20)\n"
    )
    assert done.returncode == 0, done.stderr
    assert home.rows("run-1") == {"/parent": list(range(100)), "/child": list(range(100))}


def test_a_child_goes_on_with_a_series_of_which_its_parent_has_rows_waiting(home: Home) -> None:
    done = program(
        "import os, sys, subprocess, rerund_sdk as rr\n"
        "rr.init('app', recording_id='run-1'); rr.connect()\n"
        "for n in range(100): rr.log('/same', rr.Scalars(n))\n"
        "pid = os.fork()\n"
        "for n in range(100, 200): rr.log('/same', rr.Scalars(n if pid else -n))\n"
        "if pid == 0: sys.exit(0 if rr.flush(timeout_sec=20) else 1)\n"
        "subprocess.run([sys.executable, '-m', 'rerund', 'start'], check=True)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0\n"
        "assert rr.flush(timeout_sec=20)\n"
    )
    assert done.returncode == 0, done.stderr
    assert sorted(home.rows("run-1")["/same"]) == [*range(-199, -99), *range(200)]


def test_parent_and_children_are_producers_of_their_own(home: Home) -> None:
    home.daemon()
    done = program(
        "import os, sys, json, rerund_sdk as rr\n"
        "from rerund_sdk.control import ControlClient\n"
        "rr.init('app', recording_id='run-1'); rr.connect(); rr.log('/a', rr.Scalars(0)); rr.flush(timeout_sec=20)\n"
        "(read, write), (end, begin) = os.pipe(), os.pipe()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    rr.log('/b', rr.Scalars(0)); rr.flush(timeout_sec=20)\n"
        "    os.write(write, b'x'); os.read(end, 1); sys.exit(0)\n"
        "os.read(read, 1)\n"
        "with ControlClient() as client: producers = client.request('status')['producers']\n"
        "print(json.dumps([sorted(p['pid'] for p in producers) == sorted([os.getpid(), pid]),"
        " len({p['producer_id'] for p in producers})]))\n"
        "os.write(begin, b'x')\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[true, 2]"


def test_a_child_that_logs_nothing_opens_no_connection(home: Home) -> None:
    home.daemon()
    done = program(
        "import os, sys, rerund_sdk as rr\n"
        "from rerund_sdk.control import ControlClient\n"
        "rr.init('app', recording_id='run-1'); rr.connect(); rr.log('/a', rr.Scalars(0)); rr.flush(timeout_sec=20)\n"
        "if os.fork() == 0: sys.exit(0)\n"
        "os.wait()\n"
        "with ControlClient() as client: print(len(client.request('status')['producers']))\n"
    )
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr


def test_a_grandchild_logs_too(home: Home) -> None:
    home.daemon()
    done = program(
        "import os, sys, rerund_sdk as rr\n"
        "rr.init('app', recording_id='run-1'); rr.connect()\n"
        "for depth in range(3):\n"
        "    rr.log(f'/{depth}', rr.Scalars(depth))\n"
        "    if os.fork() != 0:\n"
        "        os.wait(); sys.exit(0)\n"
        "rr.log('/leaf', rr.Scalars(9))\n"
    )
    assert done.returncode == 0, done.stderr
    assert home.rows("run-1") == {"/0": [0], "/1": [1], "/2": [2], "/leaf": [9]}


def test_what_was_flushed_before_os_exit_is_there(home: Home) -> None:
    home.daemon()
    done = program(
        "import os, rerund_sdk as rr\n"
        "rr.init('app', recording_id='run-1'); rr.connect(); rr.log('/a', rr.Scalars(0))\n"
        "if os.fork() == 0:\n"
        "    rr.log('/b', rr.Scalars(1)); rr.flush(timeout_sec=20); os._exit(0)\n"
        "os.wait()\n"
    )
    assert done.returncode == 0, done.stderr
    assert home.rows("run-1") == {"/a": [0], "/b": [1]}


def test_a_child_leaves_what_spills_in_files_of_its_own(home: Home) -> None:
    done = program(
        "import os, sys, rerund_sdk as rr\n"
        "rr.init('app', recording_id='run-1'); rr.connect(delivery=rr.Delivery(memory_bytes=1 << 20))\n"
        "image = os.urandom(300_000)\n"
        "for n in range(10): rr.log('/parent', rr.TextLog(image.hex()))\n"
        "rr.flush(timeout_sec=0.1)\n"
        "if os.fork() == 0:\n"
        "    for n in range(10): rr.log('/child', rr.TextLog(image.hex()))\n"
        "    sys.exit(0)\n"
        "os.wait()\n"
    )
    assert done.returncode == 0, done.stderr
    assert len({path.name.split("-")[0] for path in home.spilled()}) == 2
    chunks = [chunk_of(m) for path in home.spilled() for m in messages_of(path) if is_chunk(m)]
    rows = {path: sum(c.rows for c in chunks if c.entity_path == path) for path in ("/parent", "/child")}
    assert rows == {"/parent": 10, "/child": 10}


@pytest.mark.usefixtures("home")
def test_a_sigterm_finds_a_child_however_young_it_is() -> None:
    """Pools send it so early when the results came so soon that not every worker was needed."""
    done = program(
        "import os, signal, time, rerund_sdk as rr\n"
        "rr.init('app', recording_id='run-1'); rr.connect(); rr.log('/a', rr.Scalars(0))\n"
        "for _ in range(20):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        time.sleep(20)\n"
        "        os._exit(0)\n"
        "    os.kill(pid, signal.SIGTERM)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
        "print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == [*["-15"] * 20, "set()", ""]


@pytest.mark.usefixtures("home")
def test_a_sigterm_for_a_handler_of_the_program_is_not_held_while_forking() -> None:
    """It would be let through in a hook, where what the handler raises is dropped, and the program goes on."""
    done = program(
        "import os, signal, rerund_sdk as rr\n"
        "os.register_at_fork(before=lambda: print(*signal.pthread_sigmask(signal.SIG_BLOCK, ()), flush=True))\n"
        "rr.init('app', recording_id='run-1'); rr.connect(); rr.log('/a', rr.Scalars(0))\n"
        "for handler in (signal.getsignal(signal.SIGTERM), lambda *_: exit()):\n"
        "    signal.signal(signal.SIGTERM, handler)\n"
        "    if os.fork() == 0:\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["15", "", ""]


def test_no_thread_of_ours_takes_a_signal(home: Home) -> None:
    """The main thread sleeps in a system call, and would sleep on."""
    home.daemon()
    done = program(
        "import threading, rerund_sdk as rr\n"
        "from pathlib import Path\n"
        "rr.init('app', recording_id='run-1'); rr.connect(); rr.log('/a', rr.Scalars(0))\n"
        "assert rr.flush(timeout_sec=30)\n"
        "for thread in threading.enumerate():\n"
        "    status = Path(f'/proc/self/task/{thread.native_id}/status').read_text()\n"
        "    blocked = int(status.split('SigBlk:')[1].split()[0], 16)\n"
        "    print(thread.name, 'blocks' if blocked >> 14 & 1 else 'takes', 'SIGTERM')\n"
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "MainThread takes SIGTERM",
        "rerund batcher blocks SIGTERM",
        "rerund connection blocks SIGTERM",
    ]
