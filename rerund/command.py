"""What a command of the CLI is, and what all commands share: instance, exit status, output."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple


class Exit(IntEnum):
    """What the exit status of every command means."""

    OK = 0
    FAILED = 1
    USAGE = 2  # argparse's own
    NOT_RUNNING = 3
    INTERRUPTED = 130


class Command(NamedTuple):
    """One command. The docstring of `run` is its help: the first line stands in the list of commands."""

    name: str
    group: str
    usage: str  # its arguments, as the list of commands shows them
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    takes_options: bool = False  # all of Config's

    @property
    def help(self) -> str:
        return inspect.getdoc(self.run) or ""

    @property
    def summary(self) -> str:
        return self.help.split("\n", 1)[0].removesuffix(".")


def no_arguments(_: argparse.ArgumentParser) -> None:
    """For commands that take none of their own."""


def add_json(parser: argparse.ArgumentParser) -> None:
    """For commands whose output a program may want to read."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as they must be; those whose head ends in a space are aligned to the right."""
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [
        max(len(row[column]) for row in [tuple(name.strip() for name in head), *rows]) for column in range(len(head))
    ]
    for row in [tuple(name.strip() for name in head), *rows]:
        cells = (
            cell.rjust(width) if name.endswith(" ") else cell.ljust(width)
            for cell, width, name in zip(row, widths, head, strict=True)
        )
        print("  ".join(cells).rstrip())


def printable(text: str) -> str:
    """Without characters that a terminal would obey: others chose these names."""
    return (
        text
        if text.isprintable()
        else "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    )


def size(count: float) -> str:
    """Bytes for people: "31.4 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def number(count: float) -> str:
    """A count for people: "12.3 k"."""
    if abs(count) < 10_000:
        return f"{count:.0f}"
    return f"{count / 1000:.1f} k" if abs(count) < 1_000_000 else f"{count / 1_000_000:.1f} M"


def duration(seconds: float) -> str:
    """A time for people: "3 h 12 min"."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def warn(sentence: str) -> None:
    print(f"rerund: {sentence}", file=sys.stderr)
