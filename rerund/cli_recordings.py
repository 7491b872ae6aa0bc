"""Commands about recordings: list, look at, keep in a file, remove."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from rerund import lifecycle, native, view
from rerund.command import Command, Exit, add_json, duration, number, print_json, print_table, size
from rerund_sdk.errors import RerundError

GROUP = "recordings"
SAVE_SECS = 24 * 3600.0  # a long history takes its time; Ctrl-C ends the wait, not the daemon's work


def ls(args: argparse.Namespace) -> int:
    """List the recordings, live ones first.

    rows and entities are unknown (-; null in JSON) of a recording that nobody used since the daemon started.
    """
    recordings = sorted(
        lifecycle.request("recordings"), key=lambda found: (found["live"], found["last_write"]), reverse=True
    )
    if args.json:
        print_json(recordings)
    elif recordings:
        head = ("RECORDING", "SIZE ", "ROWS ", "ENTITIES ", "PRODUCERS ", "LAST WRITE", "")
        print_table(head, [_ls_row(recording) for recording in recordings])
    return Exit.OK


def _ls_row(recording: dict[str, Any]) -> tuple[str, ...]:
    return (
        name_of(recording),
        size(recording["bytes"]),
        *("-" if recording[count] is None else number(recording[count]) for count in ("rows", "entities")),
        str(recording["producers"]),
        "live" if recording["live"] else f"{duration(time.time() - recording['last_write'])} ago",
        ", ".join(filter(None, ["pinned" if recording["pinned"] else "", recording["error"]])),
    )


def name_of(recording: dict[str, Any]) -> str:
    """As people and requests name it."""
    return f"{recording['application_id']}/{recording['recording_id']}"


def show(args: argparse.Namespace) -> int:
    """Look at a recording, or at files.

    In the native Rerun viewer if it is installed (pip install rerun-sdk) and there is a display, else on the daemon's
    page in the browser. Files are shown by a Rerun viewer, native or on a page.
    A native viewer that is opened here goes on by itself when the daemon is restarted.
    """
    use_native = args.native or (not (args.web or args.rerun) and native.is_here())
    files = [word for word in args.what if view.is_file(word)]
    if files and len(files) == len(args.what):
        return view.view_files([Path(file) for file in files], use_native)
    if len(args.what) > 1:
        raise RerundError(f"{args.what[0]!r} and {args.what[1]!r}: give one recording, or only files that exist")
    recording = find(args.what[0]) if args.what else None
    if not use_native:
        return view.view_in_browser(recording, "rerun" if args.rerun else "rerund")
    if args.detach:
        return view.view_detached(name_of(recording) if recording else None)
    return view.view_natively(recording, args.ready_fd)


def find(name: str) -> dict[str, Any]:
    """The recording that `name` means: its id, APPLICATION/RECORDING, or a prefix that only one has."""
    found: dict[str, Any] = lifecycle.request("recording", recording=name)
    return found


def save(args: argparse.Namespace) -> int:
    """Write an .rrd file; with --follow, keep it up.

    The file holds all that is there now. With --follow the daemon also adds what comes, and the command returns
    at once; the file is a valid .rrd at every moment.
    """
    if args.all == bool(args.recording):
        raise RerundError("give one recording, or --all: rerund save RECORDING -o FILE")
    which = {"all": True} if args.all else {"recording": args.recording}
    saved = lifecycle.request("save", timeout=SAVE_SECS, path=str(args.output.absolute()), follow=args.follow, **which)
    if args.json:
        print_json(saved)
    else:
        until = f"; goes on until `rerund unsave {args.output}`" if args.follow else ""
        print(f"{args.output}: {size(saved['bytes'])}{until}")
    return Exit.OK


def unsave(args: argparse.Namespace) -> int:
    """End what `save --follow` began; the file stays."""
    lifecycle.request("unsave", path=str(args.file.absolute()))
    return Exit.OK


def rm(args: argparse.Namespace) -> int:
    """Remove recordings from the disk; asks first, at a terminal."""
    for name in args.recordings:
        recording = find(name)
        if not args.yes and sys.stdin.isatty():
            answer = input(f"remove {name_of(recording)}, {size(recording['bytes'])}? [y/N] ")
            if answer.strip().lower() not in ("y", "yes"):
                continue
        lifecycle.request("remove", recording=name_of(recording))
        print(f"removed: {name_of(recording)}")
    return Exit.OK


def pin(args: argparse.Namespace) -> int:
    """Keep recordings from being removed for want of room."""
    return _set_pins(args, pinned=True)


def unpin(args: argparse.Namespace) -> int:
    """End what `pin` began."""
    return _set_pins(args, pinned=False)


def _set_pins(args: argparse.Namespace, *, pinned: bool) -> int:
    for name in args.recordings:
        recording = lifecycle.request("pin", recording=name, pinned=pinned)
        print(f"{'pinned' if pinned else 'unpinned'}: {name_of(recording)}")
    return Exit.OK


def _view_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="*", metavar="RECORDING | FILE.rrd", help="default: all that is being logged")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--native", action="store_true", help="in the native Rerun viewer")
    where.add_argument("--web", action="store_true", help="in the browser; without a display, the URL is printed")
    where.add_argument("--rerun", action="store_true", help="in the browser, by the Rerun web viewer")
    parser.add_argument("--detach", action="store_true", help="return as soon as the native viewer is there")
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)


def _save_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", nargs="?", metavar="RECORDING")
    parser.add_argument("--all", action="store_true", help="all recordings, into one file")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="an .rrd file; replaced")
    parser.add_argument("--follow", action="store_true", help="and add everything that comes, until `rerund unsave`")
    add_json(parser)


def _unsave_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")


def _pin_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recordings", nargs="+", metavar="RECORDING")


def _rm_arguments(parser: argparse.ArgumentParser) -> None:
    _pin_arguments(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="don't ask")


COMMANDS = (
    Command("ls", GROUP, "", add_json, ls),
    Command("view", GROUP, "[RECORDING | FILE.rrd ...]", _view_arguments, show),
    Command("save", GROUP, "RECORDING | --all -o FILE", _save_arguments, save),
    Command("unsave", GROUP, "FILE", _unsave_arguments, unsave),
    Command("rm", GROUP, "RECORDING ...", _rm_arguments, rm),
    Command("pin", GROUP, "RECORDING ...", _pin_arguments, pin),
    Command("unpin", GROUP, "RECORDING ...", _pin_arguments, unpin),
)
