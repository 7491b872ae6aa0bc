"""`rerund exec`: programs written for `rerun` run on rerund_sdk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rerund.exec import SHIM, environment
from tests.commands import Commands
from tests.daemons import fresh_folder


@pytest.fixture
def rerund() -> Iterator[Commands]:
    commands = Commands(fresh_folder())
    yield commands
    commands.end()
    shutil.rmtree(commands.folder, ignore_errors=True)


def test_import_rerun_gives_rerund_sdk_although_the_official_sdk_is_installed(rerund: Commands) -> None:
    code = "import rerun, rerund_sdk; print(rerun is rerund_sdk, rerun.__file__)"
    same, file = rerund.ok("exec", "--", sys.executable, "-c", code).split()
    assert same == "True" and Path(file).parent.name == "rerund_sdk"


@pytest.mark.parametrize("name", ["errors", "archetypes", "components"])
def test_submodules_are_the_same_objects_and_loaded_once(rerund: Commands, name: str) -> None:
    code = f"import rerun.{name}, rerund_sdk.{name}, sys; print(sys.modules['rerun.{name}'] is rerund_sdk.{name})"
    assert rerund.ok("exec", "--", sys.executable, "-c", code) == "True\n"
    code = f"from rerun import {name}; print({name}.__spec__.name, {name}.__name__)"
    assert rerund.ok("exec", "--", sys.executable, "-c", code).split() == [f"rerund_sdk.{name}"] * 2


def test_what_is_not_there_is_reported_as_python_does(rerund: Commands) -> None:
    code = "\n".join(
        ("try:", "    import rerun.nonsense", "except ModuleNotFoundError as error:", "    print(error.name)")
    )
    assert rerund.ok("exec", "--", sys.executable, "-c", code) == "rerun.nonsense\n"


def test_children_inherit_it(rerund: Commands) -> None:
    child = "import rerun; print(rerun.__name__)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert rerund.ok("exec", "--", sys.executable, "-c", code) == "rerund_sdk\n"


PROGRAM = """
import argparse, multiprocessing, numpy as np
import rerun as rr
import rerun.blueprint as rrb
from rerun.archetypes import Points3D

def child(number):
    rr.log(f"child{number}", rr.Scalars(number))

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    rr.script_add_args(parser)
    args = parser.parse_args()
    rr.script_setup(args, "their_program", default_blueprint=rrb.Blueprint(rrb.Spatial3DView(origin="/")))
    rr.log("points", Points3D(np.zeros((5, 3))))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(child, range(2))
        pool.close()
        pool.join()
    rr.script_teardown(args)
"""


@pytest.mark.timeout(120)
def test_a_program_written_for_rerun_runs_unchanged_and_its_children_too(rerund: Commands) -> None:
    from rerun.chunk import RrdReader

    (rerund.folder / "theirs.py").write_text(PROGRAM)
    daemon = rerund.json("start")
    rerund.ok("exec", "--", sys.executable, "theirs.py", "--connect", RERUND_RECORDING_ID="run")
    assert daemon["pid"] == rerund.json("status")["pid"]
    rerund.ok("save", "run", "-o", "run.rrd")
    reader = RrdReader(rerund.folder / "run.rrd")
    assert {chunk.entity_path for chunk in reader.stream().to_chunks()} >= {"/points", "/child0", "/child1"}
    assert len(reader.blueprints()) == 1


def test_a_script_beside_a_package_path_keeps_it(rerund: Commands) -> None:
    (rerund.folder / "mine").mkdir()
    (rerund.folder / "mine" / "helper.py").write_text("WORD = 'found'")
    code = "import helper, rerun; print(helper.WORD, rerun.__name__)"
    command = ("exec", "--", sys.executable, "-c", code)
    assert rerund.ok(*command, PYTHONPATH=str(rerund.folder / "mine")) == "found rerund_sdk\n"


def test_the_shim_stands_first_and_once() -> None:
    once = environment({"PYTHONPATH": os.pathsep.join(("a", "b"))})
    assert once["PYTHONPATH"] == os.pathsep.join((str(SHIM), "a", "b"))
    assert environment(once) == once


def test_arguments_and_exit_status_are_the_programs(rerund: Commands) -> None:
    code = "import json, sys; print(json.dumps(sys.argv[1:])); sys.exit(17)"
    done = rerund.run("exec", "--", sys.executable, "-c", code, "--instance", "x", "-h", "--", "a b")
    assert done.returncode == 17
    assert json.loads(done.stdout) == ["--instance", "x", "-h", "--", "a b"]


def test_the_separator_may_be_left_out(rerund: Commands) -> None:
    assert rerund.ok("exec", sys.executable, "-c", "import sys; print(sys.argv[1:])", "-o").strip() == "['-o']"


def test_a_program_that_cannot_run_has_a_shells_status(rerund: Commands) -> None:
    missing = rerund.run("exec", "--", "no-such-program")
    assert (missing.returncode, missing.stderr.count("\n")) == (127, 1)
    (rerund.folder / "plain.txt").write_text("no program")
    refused = rerund.run("exec", "--", "./plain.txt")
    assert (refused.returncode, refused.stderr.count("\n")) == (126, 1)
    assert rerund.run("exec").returncode == 1


def test_python_m_rerun_is_the_command_line(rerund: Commands) -> None:
    out = rerund.ok("exec", "--", sys.executable, "-m", "rerun", "--version")
    assert out.startswith("rerund ")


def test_a_python_without_rerund_is_told_in_one_sentence(tmp_path: Path) -> None:
    lonely = subprocess.run(
        [sys.executable, "-S", "-c", "import rerun"], env=environment({}), cwd=tmp_path, capture_output=True, text=True
    )
    assert lonely.returncode == 1
    assert "this Python has no rerund_sdk: install it with" in lonely.stderr.strip().splitlines()[-1]
