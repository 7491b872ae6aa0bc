"""Runs every benchmark: `python -m tests.bench [--write FILE] [NAME ...]`.

--write: put what they print between the marks of FILE, as docs/BENCHMARKS.md has it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from datetime import date
from pathlib import Path

BENCHMARKS = {
    "import": "What does the import cost?",
    "log": "What does a call of log cost?",
    "pace": "What does logging cost at the pace of a robot?",
    "mcap": "What does it cost beside Foxglove's SDK, which writes MCAP?",
    "compression": "What does LZ4 cost, and what does it save?",
    "end_to_end": "How fast do four processes get their data to the disk?",
    "latency": "How long until a viewer has a row?",
    "messages": "How long from one process to another, beside Zenoh?",
    "late_viewer": "How fast does a viewer that comes late catch up?",
    "worst_call": "How long does a call of log take at the worst?",
    "many": "What if a thousand producers log?",
    "growth": "How does the cost grow?",
}
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all if none is given")
    parser.add_argument("--write", type=Path, metavar="FILE")
    args = parser.parse_args()
    said = []
    for name in args.names or BENCHMARKS:
        said.append(f"### {BENCHMARKS[name]}\n\n```\n{_run(name)}```\n")
    if args.write:
        before, rest = args.write.read_text().split(BEGIN)
        after = rest.split(END)[1]
        figures = f"Measured on {date.today()}.\n\n" + "\n".join(said)
        args.write.write_text(f"{before}{BEGIN}\n{figures}\n{END}{after}")


def _run(name: str) -> str:
    """What a benchmark prints, while it is printed here, too."""
    command = [sys.executable, "-m", f"tests.bench.bench_{name}"]
    said = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            said += line
    if process.returncode:
        raise SystemExit(f"bench_{name} failed with exit code {process.returncode}")
    print()
    return said


if __name__ == "__main__":
    main()
