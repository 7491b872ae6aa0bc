"""What our SDK logs is seen in the real native viewer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.daemons import Daemon
from tests.official import RERUN

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def display() -> Iterator[str]:
    """A screen of its own, that nobody sees."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with os.fdopen(reading) as answer:
            yield f":{answer.readline().strip()}"
        server.terminate()


@pytest.mark.timeout(240)
def test_the_native_viewer_shows_what_was_logged(daemon: Daemon, display: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, PROGRAMS / "red_image.py"], env=daemon.env, check=True, timeout=60)
    picture = tmp_path / "viewer.png"
    subprocess.run(
        [RERUN, "--connect", daemon.info.grpc, "--screenshot-to", picture, "--window-size", "1000x700"],
        env=daemon.env | {"DISPLAY": display, "WAYLAND_DISPLAY": "", "HOME": str(tmp_path)},
        capture_output=True,
        timeout=200,
        check=True,
    )
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    red = (pixels[..., 0] > 240) & (pixels[..., 1] < 20) & (pixels[..., 2] < 20)
    # Some 60 % is, and 28 % where the panels beside it were still closing. Without the image nothing is.
    assert red.mean() > 0.15, f"only {red.mean():.1%} of the picture is red"
