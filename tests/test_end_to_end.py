"""The main job: many processes, one recording, nothing lost, nothing twice, in order."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tests.daemons import Daemon
from tests.official import RERUN
from tests.recorded import chunks_in

PROGRAMS = Path(__file__).parent / "programs"
ROBOTS, ROWS, IMAGES = 8, 100_000, 200


@pytest.mark.timeout(300)
def test_eight_processes_log_into_one_recording_and_every_row_is_there_once_and_in_order(daemon: Daemon) -> None:
    robots = [
        subprocess.Popen([sys.executable, PROGRAMS / "robot.py", str(n), str(ROWS), str(IMAGES)], env=daemon.env)
        for n in range(ROBOTS)
    ]
    assert [robot.wait(240) for robot in robots] == [0] * ROBOTS
    segments = daemon.segments()
    daemon.stop()

    values: dict[str, list[np.ndarray]] = defaultdict(list)
    steps: dict[str, list[np.ndarray]] = defaultdict(list)
    images: dict[str, list[bytes]] = defaultdict(list)
    for chunk in chunks_in(segments):
        if chunk.entity_path.startswith("/__"):
            continue
        steps[chunk.entity_path] += [index.values for index in chunk.indexes if index.timeline == "step"]
        columns = {component.descriptor.component: component.column for component in chunk.components}
        if chunk.entity_path.endswith("/value"):
            values[chunk.entity_path].append(columns["Scalars:scalars"].flatten().to_numpy())
        else:
            images[chunk.entity_path] += [bytes(buffer[0].values.to_numpy()) for buffer in columns["Image:buffer"]]

    for number in range(ROBOTS):
        value, camera = f"/robot{number}/value", f"/robot{number}/camera"
        assert np.array_equal(np.concatenate(steps[value]), np.arange(ROWS))
        assert np.array_equal(np.concatenate(values[value]), number * 1e6 + np.arange(ROWS))
        assert np.array_equal(np.concatenate(steps[camera]), np.arange(IMAGES))
        noise = np.random.default_rng(number).integers(0, 256, (480, 640, 3), np.uint8).tobytes()
        for row, image in enumerate(images[camera]):
            assert image == bytes((number, row % 256, row // 256)) + noise[3:]
    for segment in segments:
        verified = [RERUN, "rrd", "verify", "--check-footers=false", segment]
        subprocess.run(verified, check=True, capture_output=True, timeout=120)
    stats = subprocess.run([RERUN, "rrd", "stats", *segments], check=True, capture_output=True, text=True, timeout=120)
    assert f"num_entity_paths = {2 * ROBOTS + 1}" in stats.stdout
