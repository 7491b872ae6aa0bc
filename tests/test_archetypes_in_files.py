"""What reaches a file: every construction path logged with both SDKs, held equal by `rerun rrd compare`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import rerun

import rerund_sdk
from tests.archetype_cases import COLUMNS, construction_paths
from tests.official import RERUN
from tests.oracle import official, ours


def log_all(sdk: Any, names: Any, path: Path, png: Path) -> None:
    """Each case at an entity of its own, in one recording."""
    recording = sdk.RecordingStream("rerun_example_archetypes", recording_id="same", send_properties=False)
    recording.save(path)
    for number, case in enumerate(construction_paths(png).values()):
        recording.set_time("frame", sequence=number)
        recording.log(f"rows/{number}", case(names))
    for number, case in enumerate(COLUMNS.values()):
        for place, column in enumerate(case(names)):
            rows = len(column.as_arrow_array())
            index = sdk.TimeColumn("frame", sequence=range(rows))
            sdk.send_columns(f"columns/{number}/{place}", indexes=[index], columns=[column], recording=recording)
    recording.flush()
    recording.disconnect()


def run(*arguments: str | Path) -> str:
    done = subprocess.run([RERUN, "rrd", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    return done.stdout


def test_every_construction_path_leaves_the_official_file(tmp_path: Path) -> None:
    png = tmp_path / "some.png"
    png.write_bytes(b"not really a picture")
    log_all(rerun, official, tmp_path / "official.rrd", png)
    log_all(rerund_sdk, ours, tmp_path / "ours.rrd", png)
    run("compare", "--unordered", tmp_path / "official.rrd", tmp_path / "ours.rrd")
    run("verify", tmp_path / "ours.rrd")
    print(f"{len(construction_paths(png))} rows and {len(COLUMNS)} sets of columns equal in files")
