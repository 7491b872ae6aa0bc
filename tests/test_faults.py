"""The harness of tests/faults: hundreds of seeded faults, and the oracle's word on them."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from tests.faults import plan, points


@pytest.mark.timeout(1800)
def test_nothing_is_lost_doubled_or_disordered_whatever_dies_freezes_or_starts_again(
    pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    faults, seed = pytestconfig.getoption("faults"), pytestconfig.getoption("fault_seed")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.faults", f"--faults={faults}", f"--seed={seed}"],
        capture_output=True,
        text=True,
        check=False,
    )
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("point", sorted({*points.DAEMON, *points.PRODUCER}), ids=str)
def test_every_point_at_which_something_dies_is_there(point: points.Point) -> None:
    owner = importlib.import_module(point.module)
    for name in point.name.split("."):
        owner = getattr(owner, name)
    assert callable(owner)


def test_a_plan_follows_from_its_seed() -> None:
    assert plan.make_round(7, 100) == plan.make_round(7, 100)
    assert plan.make_round(7, 100) != plan.make_round(8, 100)
    assert len({fault.kind for fault in plan.make_round(7, 200).faults}) == 9
