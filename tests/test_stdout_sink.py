"""A recording on standard output."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rerund_sdk.loading import load
from tests.official import RERUN

PROGRAM = """
import sys
import rerund_sdk as rr
rr.init("app")
rr.stdout(write_footer={write_footer})
for frame in range({frames}):
    rr.set_time("frame", sequence=frame)
    rr.log("a", rr.Scalars(float(frame)))
    if frame % 100 == 0:
        rr.flush()
rr.disconnect()
print("still here", file=sys.stderr)
"""


def output(write_footer: bool) -> bytes:
    program = PROGRAM.format(write_footer=write_footer, frames=1000)
    return subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE).stdout


def test_it_is_a_whole_stream_that_the_official_tools_accept(tmp_path: Path) -> None:
    content = output(write_footer=True)
    assert load(content).table("a", timeline="frame")["frame"].to_pylist() == list(range(1000))
    (tmp_path / "a.rrd").write_bytes(content)
    subprocess.run([RERUN, "rrd", "verify", tmp_path / "a.rrd"], check=True, capture_output=True)


def test_without_a_footer_it_ends_with_the_last_row() -> None:
    assert load(output(write_footer=False)).row_count == 1001  # and the start time


@pytest.mark.parametrize("write_footer", [True, False])
def test_a_reader_that_goes_away_does_not_end_the_program(write_footer: bool) -> None:
    program = PROGRAM.format(write_footer=write_footer, frames=20_000)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(100).startswith(b"RRF2")
        process.stdout.close()
        assert b"still here" in process.stderr.read()
        assert process.wait(60) == 0
