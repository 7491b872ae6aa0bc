"""The command line. Here commands are found, errors become one sentence, and exit statuses are made.

The commands themselves are in cli_daemon.py, cli_recordings.py and the like. Only these modules print.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from rerund import cli_access, cli_check, cli_daemon, cli_programs, cli_recordings
from rerund.command import Command, Exit, warn
from rerund.config import add_options
from rerund.lifecycle import NotRunning
from rerund.view import is_file
from rerund_sdk import places
from rerund_sdk.errors import RerundError
from rerund_sdk.version import VERSION

COMMANDS: tuple[Command, ...] = (
    *cli_daemon.COMMANDS,
    *cli_recordings.COMMANDS,
    *cli_check.COMMANDS,
    *cli_access.COMMANDS,
    *cli_programs.COMMANDS,
)

_HEAD = """\
usage: rerund COMMAND [options]
       rerund FILE.rrd ...            the same as: rerund view FILE.rrd ...

rerund keeps what your processes log, through the crash of either side, and shows it live."""

_FOOT = """\
A recording is named by its id, by APPLICATION/ID, or by a prefix of either that only one has.

with every command:
  --instance NAME     several daemons side by side on one machine; also $RERUND_INSTANCE
  --home DIR          where recordings are kept; also $RERUND_HOME
  -h, --help          of rerund, or of a command; --version

exit status:
  0  done, or it was so already
  1  it could not be done; one sentence on stderr says why
  2  the command line is wrong
  3  no daemon runs
  130  interrupted by Ctrl-C
  `rerund exec` ends with the status of its program, 126 if that cannot be executed, 127 if it is not found."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    words = _command_first(list(sys.argv[1:] if arguments is None else arguments))
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview(), end="")
        return Exit.OK if words else Exit.USAGE
    if words[0] == "--version":
        print(f"rerund {VERSION}")
        return Exit.OK
    command = next((command for command in COMMANDS if command.name == words[0]), None)
    if command is None:
        warn(f"{words[0]!r} is no command and no file; see `rerund --help`")
        return Exit.USAGE
    return _run(command, _parser(command).parse_args(words[1:]))


def _run(command: Command, args: argparse.Namespace) -> int:
    """Errors become one sentence and an exit status here."""
    if args.instance is not None:
        os.environ["RERUND_INSTANCE"] = args.instance
    try:
        if args.home is not None:
            os.environ["RERUND_HOME"] = str(places.path_of(args.home))
        return command.run(args)
    except NotRunning as error:
        warn(str(error))
        return Exit.NOT_RUNNING
    except RerundError as error:
        warn(str(error))
        return int(getattr(error, "status", Exit.FAILED))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:  # `rerund ls | head`: whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def _command_first(words: list[str]) -> list[str]:
    """The words with the command in front: what goes with all may come before it; `view` may be left out."""
    leading = []
    while words and words[0].startswith(("--instance", "--home")):
        count = 1 if "=" in words[0] else 2
        leading += words[:count]
        words = words[count:]
    if words and not any(command.name == words[0] for command in COMMANDS) and is_file(words[0]):
        words = ["view", *words]
    return [*words[:1], *leading, *words[1:]]


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(Exit.USAGE, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def _parser(command: Command) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"rerund {command.name}",
        description=command.help,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        conflict_handler="resolve",  # programs with the standard flags have an --instance of their own
    )
    command.add_arguments(parser)
    if command.takes_options:
        add_options(parser)
    else:
        parser.add_argument("--instance", metavar="NAME", help="the daemon of that name (default: $RERUND_INSTANCE)")
        parser.add_argument("--home", metavar="DIR", help="where its recordings are kept (default: $RERUND_HOME)")
    return parser


def overview() -> str:
    """What `rerund --help` prints."""
    lines = [_HEAD]
    group = ""
    for command in COMMANDS:
        if command.group != group:
            group = command.group
            lines.append(f"\n{group}:")
        usage = f"{command.name} {command.usage}".rstrip()
        lines.append(f"  {usage:<34}{command.summary}")
    return "\n".join([*lines, "", _FOOT, ""])
