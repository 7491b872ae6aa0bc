"""The same script with the official SDK and with ours leaves the same data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.official import RERUN

PROGRAMS = Path(__file__).parent / "programs"
ONE_FLUSH = {"RERUN_FLUSH_TICK_SECS": "1000", "RERUN_FLUSH_NUM_BYTES": "1GB"}  # so that both cut their chunks alike


def run_with(sdk: str, script: str, path: Path) -> Path:
    command = [sys.executable, PROGRAMS / script, sdk, path]
    subprocess.run(command, check=True, timeout=60, env=os.environ | ONE_FLUSH | {"RERUN_STRICT": "1"})
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("same_script")
    ours = run_with("rerund_sdk", "every_archetype.py", folder / "ours.rrd")
    return ours, run_with("rerun", "every_archetype.py", folder / "theirs.rrd")


def test_rerun_finds_both_files_equal(files: tuple[Path, Path]) -> None:
    compared = subprocess.run([RERUN, "rrd", "compare", "--unordered", *files], capture_output=True, text=True)
    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_rerun_verifies_our_file_with_its_footer(files: tuple[Path, Path]) -> None:
    verified = subprocess.run([RERUN, "rrd", "verify", files[0]], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "1 file verified without error" in verified.stdout + verified.stderr
