"""What the documentation names exists, and what exists is named."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).parent.parent
PACKAGES = (TOP / "sdk" / "rerund_sdk", TOP / "rerund")


def modules_named(text: str) -> set[str]:
    return set(re.findall(r"`([\w/]+(?:\.pyi?|/))`", text))


def test_the_architecture_names_every_module_and_no_other() -> None:
    named = modules_named((TOP / "docs" / "ARCHITECTURE.md").read_text())
    modules = {path.name for package in PACKAGES for path in package.glob("[!_]*.py")}
    folders = {f"{path.parent.name}/" for package in PACKAGES for path in package.glob("*/__init__.py")}
    missing = {name for name in named if not any((package / name).exists() for package in (*PACKAGES, TOP))}
    assert missing == set()
    assert (modules | folders) - named == set()
