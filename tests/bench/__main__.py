"""Runs every benchmark: `python -m tests.bench`, or only those named."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = ["log", "end_to_end", "latency"]

for name in sys.argv[1:] or BENCHMARKS:
    subprocess.run([sys.executable, "-m", f"tests.bench.bench_{name}"], check=True)
    print()
