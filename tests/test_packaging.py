"""What surrounds the code: pages that must be true, and a distribution that must hold all of it."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rerund.cli import COMMANDS
from rerund.config import Config
from rerund_sdk.version import VERSION
from tests import config_page

ROOT = Path(__file__).parents[1]


def test_every_option_is_in_the_config_page() -> None:
    text = config_page.PAGE.read_text()
    assert text == config_page.page(), "run `python -m tests.config_page`"
    for option in dataclasses.fields(Config):
        assert f"`--{option.name.replace('_', '-')} " in text
        assert f"`RERUND_{option.name.upper()}`" in text


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    assert [command.name for command in COMMANDS if f"rerund {command.name}" not in text] == []


@pytest.mark.parametrize("page", ["README.md", "docs/ARCHITECTURE.md", "CHANGELOG.md"])
def test_every_file_that_a_page_links_to_exists(page: str) -> None:
    path = ROOT / page
    targets = re.findall(r"\]\(([^)#]+)\)", path.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == VERSION


@pytest.mark.parametrize("target", ["demo", "test", "check"])
def test_make_knows_its_targets(target: str) -> None:
    shown = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert f"make {target}" in subprocess.check_output(["make", "--no-print-directory"], cwd=ROOT, text=True)


def test_ci_runs_make_test() -> None:
    run = ROOT / ".ci" / "run"
    assert run.stat().st_mode & 0o111
    assert "exec make test" in run.read_text()


def test_the_sdk_does_not_import_the_daemon() -> None:
    code = "import sys, rerund_sdk; rerund_sdk.log; sys.exit('rerund' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.timeout(300)
def test_the_wheel_holds_both_packages_and_all_that_they_need(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("rerund-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.check_output(["git", "ls-files", "rerund", "sdk"], cwd=ROOT, text=True).split()
    wanted = {name.removeprefix("sdk/") for name in tracked if name.endswith((".py", ".pyi", ".typed"))}
    assert wanted - names == set()
    assert "rerund/web/static/rerun.html" in names or "rerund/web/static/rerun.html.gz" in names
