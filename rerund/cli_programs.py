"""Commands that run programs: somebody's own, the demo, the monitor."""

from __future__ import annotations

import argparse
from pathlib import Path

from rerund.command import Command, Exit
from rerund_sdk.errors import RerundError

GROUP = "programs"


def execute(args: argparse.Namespace) -> int:
    """Run a program written for `rerun`, on rerund.

    In the program and its children `import rerun` gives rerund_sdk, whether the official SDK is installed or not;
    nothing is installed or changed. Ends with the program's exit status.

      rerund exec -- python my_rerun_script.py --save out.rrd
    """
    from rerund.exec import execute

    command = args.command_line[1:] if args.command_line[:1] == ["--"] else args.command_line
    if not command:
        raise RerundError("no program to run: rerund exec -- python script.py")
    execute(command)


def demo(args: argparse.Namespace) -> int:
    """Robots to look at: many processes, one recording.

    Starts the daemon if none runs, and a process each for an arm, a lidar, two cameras, a planner, a pool of workers
    and this machine's health. Their programs are short and meant to be read: rerund/demo/. When it ends, an .rrd file
    has all of it, and a daemon that it started is stopped.
    """
    from rerund.demo.show import show

    show(args.output, args.duration)
    return Exit.OK


def monitor(args: argparse.Namespace) -> int:
    """Log this machine's CPU, memory, disks, network, temperatures.

    Runs until Ctrl-C or SIGTERM. With a robot's recording id it stands beside the robot's own data.
    """
    import rerund_sdk as rr
    from rerund.demo.program import ticks
    from rerund.monitor import Monitor

    rr.script_setup(args, args.application)
    machine = Monitor(args.path)
    for _ in ticks(args.hz):
        machine.log()
    rr.script_teardown(args)
    return Exit.OK


def _exec_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command_line", nargs=argparse.REMAINDER, metavar="-- PROGRAM [ARGUMENT ...]")


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--duration", type=float, metavar="SECS", help="stop so long after all programs log (default: at Ctrl-C)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to save it (default: ./RECORDING.rrd)")


def _monitor_arguments(parser: argparse.ArgumentParser) -> None:
    import rerund_sdk as rr

    parser.add_argument("--hz", type=float, default=1.0, help="readings a second (default: 1)")
    parser.add_argument("--path", default="/machine", help="entity to log below (default: /machine)")
    parser.add_argument("--application", default="rerund_monitor", metavar="ID", help="application id")
    rr.script_add_args(parser)


COMMANDS = (
    Command("exec", GROUP, "-- PROGRAM ...", _exec_arguments, execute),
    Command("demo", GROUP, "", _demo_arguments, demo),
    Command("monitor", GROUP, "", _monitor_arguments, monitor),
)
