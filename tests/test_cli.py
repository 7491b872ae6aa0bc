"""The command line, as a person or a script uses it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from rerund.cli import COMMANDS
from rerund.command import duration, number, size
from tests.commands import Commands
from tests.daemons import fresh_folder


@pytest.fixture
def rerund() -> Iterator[Commands]:
    commands = Commands(fresh_folder())
    yield commands
    commands.end()
    shutil.rmtree(commands.folder, ignore_errors=True)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


# start, stop, restart


def test_start_returns_when_the_daemon_is_ready(rerund: Commands) -> None:
    started = rerund.json("start")
    assert started["joined"] is False
    assert rerund.json("status")["pid"] == started["pid"]
    host, _, port = started["http"].removeprefix("http://").partition(":")
    socket.create_connection((host, int(port))).close()


def test_a_second_start_joins_and_says_so(rerund: Commands) -> None:
    first = rerund.json("start")
    assert rerund.ok("start").startswith(f"runs already: pid {first['pid']}, http://")
    assert rerund.json("start")["joined"] is True


@pytest.mark.timeout(180)
def test_fifty_starts_at_the_same_moment_end_with_one_daemon(rerund: Commands) -> None:
    starts = [rerund.start("start", "--json") for _ in range(50)]
    answers = [json.loads(start.communicate(timeout=150)[0]) for start in starts]
    assert len({answer["pid"] for answer in answers}) == 1
    assert sum(not answer["joined"] for answer in answers) == 1
    running = [process for process in psutil.process_iter(["cmdline"]) if _is_daemon_of(process, rerund)]
    assert len(running) == 1


def _is_daemon_of(process: psutil.Process, rerund: Commands) -> bool:
    command = process.info["cmdline"] or []
    try:
        return "run" in command and process.environ().get("RERUND_HOME") == str(rerund.home)
    except psutil.Error:
        return False


def test_the_daemon_has_a_session_of_its_own(rerund: Commands) -> None:
    pid = rerund.json("start")["pid"]
    assert os.getsid(pid) == pid


def test_stop_returns_when_the_daemon_is_gone_and_may_be_repeated(rerund: Commands) -> None:
    pid = rerund.json("start")["pid"]
    assert rerund.ok("stop") == f"stopped: pid {pid}\n"
    assert gone(pid)
    assert rerund.ok("stop") == "no rerund daemon runs\n"
    assert rerund.json("stop") == {"stopped": False, "pid": None}


def test_restart_gives_a_new_daemon_whether_or_not_one_ran(rerund: Commands) -> None:
    first = rerund.json("restart")
    assert first["stopped"] is None
    second = rerund.json("restart")
    assert second["stopped"] == first["pid"] != second["pid"]
    assert gone(first["pid"])


def test_start_works_after_the_daemon_was_killed(rerund: Commands) -> None:
    pid = rerund.json("start")["pid"]
    os.kill(pid, signal.SIGKILL)
    psutil.Process(pid).wait(10) if psutil.pid_exists(pid) else None
    assert rerund.run("status").returncode == 3
    assert rerund.json("start")["joined"] is False


def test_instances_run_side_by_side(rerund: Commands) -> None:
    one = rerund.json("start", "--instance", "one", "--home", str(rerund.folder / "one"))
    two = rerund.json("start", RERUND_INSTANCE="two", RERUND_HOME=str(rerund.folder / "two"))
    assert one["pid"] != two["pid"]
    assert rerund.json("--instance", "one", "status")["instance"] == "one"
    assert rerund.json("status", "--instance=two")["pid"] == two["pid"]
    assert rerund.run("status").returncode == 3


def test_options_reach_the_daemon(rerund: Commands) -> None:
    started = rerund.json("start", "--listen", "tcp://127.0.0.1:0", "--fsync", "off")
    assert len(started["tcp"]) == 1 and started["tcp"][0].startswith("tcp://127.0.0.1:")


def test_restart_keeps_the_options_unless_it_is_given_others(rerund: Commands) -> None:
    endpoint = rerund.json("start", "--listen", "tcp://127.0.0.1:0")["tcp"]
    assert len(endpoint) == 1
    assert len(rerund.json("restart")["tcp"]) == 1
    assert len(rerund.json("restart", "--home", str(rerund.home))["tcp"]) == 1
    assert rerund.json("restart", "--fsync", "off")["tcp"] == []


# what goes wrong


def test_a_taken_port_is_refused_in_the_daemons_own_sentence(rerund: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = rerund.refused("start", "--http-port", str(port))
    assert f"port {port}" in sentence and "--http-port" in sentence
    assert str(rerund.home / "daemon.log") in sentence
    assert "Traceback" not in (rerund.home / "daemon.log").read_text()


def test_an_option_that_cannot_be_is_refused(rerund: Commands) -> None:
    assert "--fsync" in rerund.refused("start", "--fsync", "sometimes")


def test_a_state_directory_in_use_is_refused(rerund: Commands) -> None:
    pid = rerund.json("start")["pid"]
    assert str(pid) in rerund.refused("start", "--instance", "other")


def test_a_runtime_directory_that_is_too_long_is_refused(rerund: Commands) -> None:
    deep = rerund.folder / ("d" * 100)
    deep.mkdir()
    assert "107" in rerund.refused("start", XDG_RUNTIME_DIR=str(deep))


def test_a_daemon_that_does_not_answer_is_named(rerund: Commands) -> None:
    pid = rerund.json("start")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert f"pid {pid}" in rerund.refused("status")
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("words", [("status",), ("ls",), ("view",), ("save", "x", "-o", "x.rrd"), ("rm", "x", "-y")])
def test_without_a_daemon_the_exit_status_is_3(rerund: Commands, words: tuple[str, ...]) -> None:
    done = rerund.run(*words)
    assert (done.returncode, done.stdout) == (3, "")
    assert "rerund start" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("nonsense",), ("status", "--nonsense"), ("save", "x"), ()])
def test_a_wrong_command_line_has_exit_status_2(rerund: Commands, words: tuple[str, ...]) -> None:
    done = rerund.run(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


# what it tells


def test_help_names_every_command_and_exit_status(rerund: Commands) -> None:
    text = rerund.ok("--help")
    for command in COMMANDS:
        assert f"\n  {command.name} " in text
        assert command.summary in text
    for status in (0, 1, 2, 3, 130):
        assert re.search(rf"^  {status} ", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_of_a_command_says_what_it_does(rerund: Commands, command: object) -> None:
    name, summary = command.name, command.summary  # type: ignore[attr-defined]
    assert summary in rerund.ok(name, "--help")


def test_version_is_the_distributions(rerund: Commands) -> None:
    from importlib.metadata import version

    assert rerund.ok("--version") == f"rerund {version('rerund')}\n"


def test_the_command_line_loads_no_server() -> None:
    code = "import sys, rerund.cli; print(*{'grpc', 'aiohttp', 'rerund.server'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []


def test_status_is_for_people_and_for_programs(rerund: Commands) -> None:
    started = rerund.json("start")
    told = rerund.json("status")
    assert told["http"] == started["http"] and told["grpc"] == started["grpc"]
    assert set(told["rates"]) == {"messages_per_sec", "rows_per_sec", "bytes_per_sec"}
    for listed in ("producers", "recordings", "viewers", "sinks"):
        assert told[listed] == []
    text = rerund.ok("status")
    assert f"pid {started['pid']}" in text and started["http"] in text


def test_logs_shows_what_the_daemon_wrote(rerund: Commands) -> None:
    assert "daemon.log" in rerund.refused("logs")
    rerund.ok("start")
    assert "serves 0 recordings" in rerund.ok("logs")


def test_logs_follows_until_it_is_ended(rerund: Commands) -> None:
    rerund.ok("start")
    following = rerund.start("logs", "--follow")
    assert following.stdout is not None
    assert "serves 0 recordings" in following.stdout.readline()
    rerund.ok("stop")
    assert any(line.rstrip().endswith("stopped") for line in following.stdout)
    following.terminate()
    following.communicate()


def test_a_large_log_is_put_aside_at_the_next_start(rerund: Commands) -> None:
    rerund.home.mkdir()
    (rerund.home / "daemon.log").write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    rerund.ok("start")
    assert (rerund.home / "daemon.log").stat().st_size < 10_000
    assert (rerund.home / "daemon.log.1").stat().st_size > 10_000_000


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (31_400_000, "31.4 MB")])
def test_sizes_read_well(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0"), (9_999, "9999"), (12_345, "12.3 k"), (2_500_000, "2.5 M")])
def test_numbers_read_well(count: int, text: str) -> None:
    assert number(count) == text


@pytest.mark.parametrize(("secs", "text"), [(5, "5 s"), (65, "1 min 5 s"), (3720, "1 h 2 min"), (90_000, "1 d 1 h")])
def test_durations_read_well(secs: int, text: str) -> None:
    assert duration(secs) == text
