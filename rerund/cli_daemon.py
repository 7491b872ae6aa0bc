"""Commands about the daemon itself."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
from typing import Any

from rerund import lifecycle
from rerund.command import Command, Exit, add_json, duration, no_arguments, number, print_json, print_table, size
from rerund.config import Config, from_args
from rerund_sdk import places
from rerund_sdk.errors import RerundError
from rerund_sdk.version import VERSION

GROUP = "daemon"


def start(args: argparse.Namespace) -> int:
    """Run the daemon in the background, unless it runs.

    Returns when it is ready. If one runs already, that is said and is no error; the options are not applied then: use
    `rerund restart`, also if the one that runs is of another version.
    """
    started = lifecycle.start(_options(args))
    if args.json:
        print_json({"joined": started.joined, **started.daemon._asdict()})
    else:
        print(f"{'runs already' if started.joined else 'started'}: {_in_short(started.daemon)}")
        if started.daemon.version != VERSION:
            print(
                f"it is rerund {started.daemon.version}, and this is {VERSION}: `rerund restart` puts this one in its "
                "place; programs that log, pages and viewers go on by themselves"
            )
    return Exit.OK


def stop(args: argparse.Namespace) -> int:
    """End the daemon; everything it took is kept.

    Returns when it is gone. Programs that log keep what they log, and send it to the next daemon.
    """
    stopped = lifecycle.stop()
    if args.json:
        print_json({"stopped": stopped is not None, "pid": stopped.pid if stopped else None})
    else:
        print(f"stopped: pid {stopped.pid}" if stopped else f"no rerund daemon runs{lifecycle.of_instance()}")
    return Exit.OK


def restart(args: argparse.Namespace) -> int:
    """Stop, then start: so an upgrade is made, too.

    Without options, with those that the daemon had. Programs that log, pages, and viewers that `rerund view` opened go
    on by themselves.
    """
    started, stopped = lifecycle.restart(_options(args))
    if args.json:
        print_json({"stopped": stopped.pid if stopped else None, **started._asdict()})
    else:
        print(f"{'restarted' if stopped else 'started'}: {_in_short(started)}")
    return Exit.OK


def run(args: argparse.Namespace) -> int:
    """Run the daemon in the foreground, as systemd does.

    Ends at SIGTERM or Ctrl-C, when everything is written. Each option is also a variable: --fsync-secs is
    $RERUND_FSYNC_SECS. More about them: docs/CONFIG.md.
    """
    from rerund.run import run as serve

    serve(from_args(args))
    return Exit.OK


def status(args: argparse.Namespace) -> int:
    """What the daemon does now: producers, recordings, viewers."""
    told = lifecycle.request("status")
    if args.json:
        print_json(told)
    else:
        _print_status(told)
    return Exit.OK


def top(args: argparse.Namespace) -> int:
    """Watch the daemon in the terminal: rates, lag, losses; q ends it.

    Processes that log, recordings, entities, viewers and followed files, as they are now, with graphs of the last
    minutes. In a pipe or on a dumb terminal pictures follow each other as lines. UNACKED is what a process still keeps
    because the daemon did not take it yet; LATE is how old its latest rows were when they came.
    """
    from rerund.top import show

    if not args.interval > 0:
        raise RerundError(f"--interval is {args.interval}: give seconds above 0")
    show(args.connect, args.server_key, args.interval, once=args.once)
    return Exit.OK


def logs(args: argparse.Namespace) -> int:
    """What the daemon in the background had to say."""
    path = lifecycle.log_path()
    if not path.exists():
        raise RerundError(
            f"no daemon in the background has written a log here (one that systemd runs: journalctl -u rerund): {path}"
        )
    tail = shutil.which("tail") or "/usr/bin/tail"
    follow = ["--follow=name", "--retry"] if args.follow else []
    os.execv(tail, ["tail", f"--lines={args.lines}", *follow, "--", str(path)])


def _options(args: argparse.Namespace) -> list[str]:
    """The daemon's flags in `args`, to hand on to `rerund run`; --home and --instance are in our environment."""
    names = [option.name for option in dataclasses.fields(Config) if option.name not in ("home", "instance")]
    given = {name: getattr(args, name) for name in names}
    return [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value is not None]


def _in_short(daemon: places.DaemonInfo) -> str:
    return f"pid {daemon.pid}, {daemon.http}, {daemon.grpc}"


def _print_status(told: dict[str, Any]) -> None:
    rates = told["rates"]
    summary = {
        "daemon": f"rerund {told['version']}, pid {told['pid']}, up {duration(told['uptime_secs'])}",
        "instance": told["instance"],
        "home": told["home"],
        "web pages": told["http"],
        "viewers at": told["grpc"],
        "SDKs at": ", ".join([told["ingest"], *told["tcp"]]),
        "memory": _memory(told["memory"]),
        "disk": _disk(told["disk"], told["spill"]),
        "taking in": f"{number(rates['rows_per_sec'])} rows/s, {size(rates['bytes_per_sec'])}/s",
    }
    print("\n".join(f"{name:<11} {value}" for name, value in summary.items() if value))
    _print_list(
        ("PRODUCER", "PID ", "HOST", "RECORDING", "ROWS ", "SIZE ", "LOST "),
        [
            (each["name"], str(each["pid"]), each["host"], each["recording_id"], *_counts(each, "lost_rows"))
            for each in told["producers"]
        ],
    )
    _print_list(
        ("LIVE RECORDING", "ROWS ", "SIZE ", "PRODUCERS "),
        [
            (f"{each['application_id']}/{each['recording_id']}", *_counts(each, "producers"))
            for each in told["recordings"]
            if each["live"]
        ],
    )
    _print_list(
        ("VIEWER", "FROM", "RECORDING", "BEHIND "),
        [(each["kind"], each["peer"], each["recording"], size(each["lag_bytes"])) for each in told["viewers"]],
    )
    _print_list(
        ("FILE", "RECORDING", "BEHIND "),
        [(each["path"], each["recording"], size(each["lag_bytes"])) for each in told["sinks"]],
    )


def _memory(memory: dict[str, Any]) -> str:
    used = f"{size(memory['used'])} of at most {size(memory['limit'])}"
    return f"{used}; producers wait: {memory['reason']}" if memory["reason"] else used


def _disk(disk: dict[str, Any] | None, spill: dict[str, Any]) -> str:
    parts = []
    if disk is not None:
        low = f", of which {size(disk['floor'])} stay so: nothing is written" if disk["missing"] else ""
        parts.append(f"{size(disk['free'])} free of {size(disk['total'])}{low}")
    if spill["files"]:
        parts.append(f"{size(spill['bytes'])} left behind by producers")
    return "; ".join(parts)


def _counts(told: dict[str, Any], last: str) -> tuple[str, str, str]:
    return number(told["rows"] or 0), size(told["bytes"]), number(told[last])


def _print_list(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if rows:
        print()
        print_table(head, rows)


def _logs_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="and what comes, until Ctrl-C")
    parser.add_argument("-n", "--lines", type=int, default=100, help="how many of the last lines (default: 100)")


def _top_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECS", help="look so often (default: 1)")
    parser.add_argument("--once", action="store_true", help="print one picture, after one interval")
    parser.add_argument("--connect", metavar="tcp://HOST:PORT", help="a daemon elsewhere: its --control-listen")
    parser.add_argument("--server-key", metavar="KEY", help="its public key (default: $RERUND_SERVER_KEY)")


COMMANDS = (
    Command("start", GROUP, "", add_json, start, takes_options=True),
    Command("stop", GROUP, "", add_json, stop),
    Command("restart", GROUP, "", add_json, restart, takes_options=True),
    Command("status", GROUP, "", add_json, status),
    Command("top", GROUP, "", _top_arguments, top),
    Command("logs", GROUP, "", _logs_arguments, logs),
    Command("run", GROUP, "", no_arguments, run, takes_options=True),
)
