"""What type checkers see of the SDK: the real signatures."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = Path(__file__).parent / "data" / "typed_program.py"


def errors_marked(program: Path) -> list[tuple[int, str]]:
    lines = enumerate(program.read_text().splitlines(), start=1)
    return [(number, found[1]) for number, line in lines if (found := re.search(r"# WRONG: ([\w-]+)$", line))]


@pytest.mark.timeout(180)
def test_mypy_finds_the_wrong_calls_of_a_program_and_no_others() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml", PROGRAM]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = re.findall(r"^.*typed_program\.py:(\d+): error: .*\[([\w-]+)\]$", checked.stdout, re.MULTILINE)
    marked = errors_marked(PROGRAM)
    assert len(marked) > 10
    assert [(int(line), code) for line, code in found] == marked, checked.stdout + checked.stderr
