"""The command that looks for damage."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from rerund import check
from rerund.bell import Bells
from rerund.command import Command, Exit, add_json, number, print_json, size
from rerund.dirlock import DirLock
from rerund.errors import AlreadyRunning, CheckError
from rerund.store import Store
from rerund_sdk import places

GROUP = "recordings"


def run(args: argparse.Namespace) -> int:
    """Look for damage in files or recordings; --repair mends it.

    Reads everything: framing, every message and chunk, the footer, and a recording's index. Needs no daemon; one that
    runs is not disturbed, but recordings are repaired only when it is stopped. --repair cuts torn tails, which it
    keeps aside as NAME.torn, and makes footers and indexes anew. Messages that cannot be decoded stay: readers skip
    them.

    exit status: 0 nothing is wrong, or no longer; 1 something is.
    """
    reports = [report for word in args.what for report in _checked(word, args.repair)]
    if args.json:
        print_json([_as_json(report) for report in reports])
    else:
        for report in reports:
            _print(report)
    return Exit.FAILED if any(report.problems for report in reports) else Exit.OK


def _checked(word: str, repair: bool) -> list[check.FileReport]:
    """What is wrong, or was left wrong by the repair. Raises RerundError."""
    path = Path(word)
    try:
        if path.is_file():
            if repair:
                check.repair_file(path)
            return [check.check_file(path)]
        home = _home()
        directory = path if path.is_dir() else _directory(home, word)
        with contextlib.ExitStack() as lock:
            try:
                lock.enter_context(DirLock(home))
                is_live = False
            except AlreadyRunning:
                if repair:
                    raise
                is_live = True
            if repair:
                check.repair_recording(directory)
            return check.check_recording(directory, is_live=is_live)
    except OSError as error:
        raise CheckError(f"{word!r} cannot be read ({error.strerror or error}): see who may read it") from error


def _home() -> Path:
    daemon = places.read_daemon()
    return Path(daemon.home) if daemon is not None else places.home()


def _directory(home: Path, name: str) -> Path:
    if name.endswith(".rrd"):
        raise CheckError(f"there is no file {name!r}: give a file, or the name of a recording")
    store = Store(home, 1, Bells())
    store.load(clean=False)
    return store.find(name).directory


def _print(report: check.FileReport) -> None:
    footer = "with a footer" if report.is_sealed else "without a footer"
    holds = f"{number(len(report.messages))} messages, {number(report.rows)} rows, {size(report.size)}, {footer}"
    print(f"{report.path}: {holds}{'' if report.problems else ': nothing is wrong'}")
    for sentence in report.shown_problems():
        print(f"  {sentence}")


def _as_json(report: check.FileReport) -> dict[str, object]:
    problems = [{"fault": each.fault.value, "offset": each.offset, "text": each.text} for each in report.problems]
    return {
        "path": str(report.path),
        "messages": len(report.messages),
        "rows": report.rows,
        "bytes": report.size,
        "footer": report.is_sealed,
        "problems": problems,
    }


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="+", metavar="FILE | RECORDING")
    parser.add_argument("--repair", action="store_true", help="mend what can be mended")
    add_json(parser)


COMMANDS = (Command("check", GROUP, "FILE | RECORDING ...", _arguments, run),)
