"""Carry out seeded faults and say what was found.

usage: python -m tests.faults [--faults N] [--seed N] [--keep]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time

from tests.daemons import fresh_folder
from tests.faults import plan
from tests.faults.oracle import judge
from tests.faults.run import Round

_FAULTS_A_ROUND = 75


def main() -> int:
    options = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Carry out seeded faults and judge what is left."
    )
    options.add_argument("--faults", type=int, default=300, help=f"how many, in rounds of {_FAULTS_A_ROUND}")
    options.add_argument("--seed", type=int, default=1, help="of the first round; the next ones follow")
    options.add_argument("--keep", action="store_true", help="leave the folder of a round that went wrong")
    args = options.parse_args()
    left, seed, good = args.faults, args.seed, True
    while left > 0:
        good &= one_round(seed, min(left, _FAULTS_A_ROUND), args.keep)
        left, seed = left - _FAULTS_A_ROUND, seed + 1
    return 0 if good else 1


def one_round(seed: int, faults: int, keep: bool) -> bool:
    """Whether all held."""
    folder = fresh_folder()
    began = time.monotonic()
    account = Round(plan.make_round(seed, faults * 2), folder, faults).carry_out()
    acted = time.monotonic() - began
    broken, figures = judge(folder, account, seed)
    print(f"seed {seed} ({acted:.0f} s + {time.monotonic() - began - acted:.0f} s): {figures}")
    print("   ", ", ".join(f"{count} x {kind}" for kind, count in sorted(account.faults.items())), flush=True)
    if broken:
        print(f"{len(broken)} things are broken, replay with: python -m tests.faults --seed {seed} --faults {faults}")
        print("\n".join(broken[:20]))
        (folder / "events").write_text("\n".join(account.events))
    if broken and keep:
        print(f"all of it lies in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return not broken


if __name__ == "__main__":
    sys.exit(main())
