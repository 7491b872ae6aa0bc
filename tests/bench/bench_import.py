"""What does the import cost? Wall time in a fresh process; the floor is that of numpy and pyarrow alone."""

from __future__ import annotations

import subprocess
import sys

from tests.bench import side_by_side
from tests.bench.side_by_side import Figures

RUNS = 7


def main() -> None:
    print(f"import: {side_by_side.conditions()}\n{side_by_side.HEADER}")
    ours, theirs = side_by_side.alternate(RUNS, lambda: _measure("rerund_sdk"), lambda: _measure("rerun"))
    floor = side_by_side.medians([_measure("numpy, pyarrow") for _ in range(RUNS)])
    print(side_by_side.row("import", ours["ms"], theirs["ms"], "ms"))
    used, used_theirs = side_by_side.alternate(
        RUNS, lambda: _measure("rerund_sdk as rr", _USE), lambda: _measure("rerun as rr", _USE)
    )
    print(side_by_side.row("import, init and a first row", used["ms"], used_theirs["ms"], "ms", floor=floor["ms"]))


_USE = "rr.init('app'); rr.log('a', rr.Scalars(1))"


def _measure(names: str, use: str = "") -> Figures:
    code = (
        f"import time; start = time.perf_counter(); import {names}; {use or 'pass'}\nprint(time.perf_counter() - start)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return {"ms": float(done.stdout) * 1e3}


if __name__ == "__main__":
    main()
