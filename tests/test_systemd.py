"""The unit files: what systemd itself says of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[1] / "systemd"
UNITS = sorted(SYSTEMD.glob("*/*.service"))
MAX_EXPOSURE = 2.0  # systemd's own scale: 0 is best, 10 worst

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def analyze(*words: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "SYSTEMD_COLORS": "0"}
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, env=env)


def placed(unit: Path, folder: Path) -> Path:
    """A copy of the unit that runs the `rerund` of this Python, under the name that an instance would have."""
    text = re.sub(
        r"^ExecStart=\S+", f"ExecStart={Path(sys.executable).parent / 'rerund'}", unit.read_text(), flags=re.M
    )
    name = unit.name.replace("@.", "@name.")
    copy = folder / name
    copy.write_text(text)
    return copy


def test_there_is_a_user_unit_a_system_unit_and_a_template() -> None:
    assert [str(unit.relative_to(SYSTEMD)) for unit in UNITS] == [
        "system/rerund.service",
        "system/rerund@.service",
        "user/rerund.service",
    ]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: f"{unit.parent.name}-{unit.stem}")
def test_systemd_finds_nothing_to_say(unit: Path, tmp_path: Path) -> None:
    manager = "--user" if unit.parent.name == "user" else "--system"
    done = analyze("verify", manager, "--man=no", str(placed(unit, tmp_path)), tmp_path=tmp_path)
    said = [line for line in done.stderr.splitlines() if "rerund" in line]
    assert (done.returncode, said) == (0, []), done.stderr


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.parent.name == "system"], ids=lambda unit: unit.stem)
def test_the_system_units_are_hardened(unit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(placed(unit, tmp_path)), tmp_path=tmp_path)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    with capsys.disabled():
        print(f"\n{unit.name}: systemd-analyze security says {found[1]}, bound {MAX_EXPOSURE}")
    assert float(found[1]) < MAX_EXPOSURE


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: f"{unit.parent.name}-{unit.stem}")
def test_units_rely_on_what_the_daemon_does(unit: Path) -> None:
    text = unit.read_text()
    assert "Type=notify" in text and re.search(r"^WatchdogSec=\d+$", text, re.M)
    options = re.search(r"^ExecStart=\S+ run(.*)$", text, re.M)
    assert options is not None
    shown = subprocess.check_output([sys.executable, "-m", "rerund", "run", "--help"], text=True)
    for flag in re.findall(r"--\S+", options[1]):
        assert flag in shown
