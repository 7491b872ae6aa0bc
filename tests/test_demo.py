"""The demo: what its programs see makes sense, and what they log arrives."""

from __future__ import annotations

import math
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rerund.demo import arm, camera, lidar, planner, workers, world
from rerund.demo.geometry import Box, Pose, at, cast, looking, rotation
from rerund.demo.show import PROGRAMS
from tests.commands import Commands
from tests.daemons import fresh_folder
from tests.homes import wait_until

TIMES = np.arange(0, world.LAP_SECS * 2, 0.37) + 1_700_000_000.0

ENTITIES = {
    "/world/furniture",
    "/world/walls",
    "/world/parcel",
    "/world/arm",
    "/world/arm/yaw/shoulder/elbow/wrist",
    "/world/arm/yaw/shoulder/elbow/wrist/link",
    "/world/robot",
    "/world/robot/lidar",
    "/world/robot/front_camera",
    "/world/robot/front_camera/image",
    "/world/robot/front_camera/depth",
    "/world/wall_camera",
    "/world/wall_camera/image",
    "/world/plan/route",
    "/world/plan/velocity",
    "/world/stations",
    "/arm/joints",
    "/planner/drive",
    *(f"/calibration/worker{number}" for number in range(workers.WORKERS)),
    "/machine/info",
    "/machine/cpu",
    "/machine/memory",
}


@pytest.fixture
def rerund() -> Iterator[Commands]:
    commands = Commands(fresh_folder())
    yield commands
    commands.end()
    shutil.rmtree(commands.folder, ignore_errors=True)


# the world


def test_a_ray_meets_the_nearest_face_of_a_turned_box_or_the_floor() -> None:
    box = Box(at(5, 0, 1, yaw=0.2), (1.0, 1.0, 1.0), (0, 0, 0))
    directions = np.array([(1, 0, 0), (0, 1, 0), (0, 1, -0.5)], np.float32)
    hits = cast(np.array([0, 0, 1], np.float32), directions, [box])
    assert hits.distance[0] == pytest.approx(5 - 1 / math.cos(0.2), abs=1e-5)
    assert hits.distance[1:].tolist() == [np.inf, 2.0]
    assert hits.box.tolist() == [0, -1, -1]
    assert hits.normal[2].tolist() == [0, 0, 1]


def test_poses_follow_each_other() -> None:
    turned = Pose(np.array([1, 0, 0], np.float32), rotation((0, 0, 1), math.pi / 2))
    assert (turned @ at(1, 0, 0)).translation == pytest.approx([1, 1, 0])
    forward = looking((0, 0, 1), (3, 0, 1)).rotation[:, 2]
    assert forward == pytest.approx([1, 0, 0])


def test_the_robot_keeps_clear_of_everything_and_moves_smoothly() -> None:
    assert min(world.clearance(t)[0] for t in TIMES) > 1.0
    speeds = [world.robot_speed(t) for t in TIMES]
    assert all(0.3 < speed < 1.2 for speed in speeds)
    assert world.robot_pose(TIMES[0]).translation == pytest.approx(
        world.robot_pose(TIMES[0] + world.LAP_SECS).translation, abs=1e-3
    )


def test_the_hand_points_down_and_reaches_the_parcel_when_it_holds_it() -> None:
    for t in TIMES:
        pose = world.arm_pose(t)
        joint = world.ARM_BASE
        for frame in world.arm_frames(pose).values():
            joint = joint @ frame
        tip = joint @ at(0, 0, world.HAND)
        assert tip.rotation[:, 2] == pytest.approx([0, 0, -1], abs=1e-4)
        if pose.grip == 0.0:
            assert np.linalg.norm(tip.translation - world.parcel_pose(t).translation) < world.PARCEL / 2


def test_the_parcel_never_jumps() -> None:
    steps = np.arange(0, world.CYCLE_SECS * 2, 0.02)
    places = np.array([world.parcel_pose(t).translation for t in steps])
    assert np.linalg.norm(np.diff(places, axis=0), axis=1).max() < 0.06


def test_the_lidar_sees_the_walls_where_they_are() -> None:
    t = float(TIMES[3])
    points = lidar.scan(t, np.random.default_rng(0))
    sensor = world.robot_pose(t) @ world.LIDAR_MOUNT
    in_hall = points @ sensor.rotation.T + sensor.translation
    assert len(points) > 0.8 * lidar.BEAMS * lidar.STEPS
    limits = np.array(world.HALL) + 5 * lidar.NOISE
    assert (np.abs(in_hall[:, :2]) <= limits[:2]).all()
    assert in_hall[:, 2].min() > -0.2
    assert lidar.by_height(points[:, 2]).shape == (len(points), 3)


@pytest.mark.parametrize("which", [camera.FRONT, camera.WALL], ids=["front", "wall"])
def test_cameras_see_the_hall(which: camera.Camera) -> None:
    t = float(TIMES[5])
    place = camera.pose(which, t)
    directions = camera.rays(which) @ place.rotation.T
    picture = camera.shade(cast(place.translation, directions, world.boxes(t)), place, directions, t)
    assert picture.shape == (camera.HEIGHT, camera.WIDTH, 3) and picture.dtype == np.uint8
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


def test_the_capsule_is_closed_and_its_normals_point_out() -> None:
    vertices, normals, triangles = arm.capsule(0.5, 0.1)
    assert triangles.max() < len(vertices)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(len(normals)))
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    faces = np.cross(b - a, c - a)
    outward = (faces * normals[triangles[:, 0]]).sum(axis=1)
    assert (outward >= -1e-9).all()


def test_the_planner_tells_of_every_station_once_a_lap() -> None:
    steps = np.arange(-0.05, world.LAP_SECS - 0.1, 0.1) + 1_700_000_000.0  # the beginning of a lap
    told = [text for step in pairwise(steps) for _, text in planner.messages(*step)]
    for station in planner.STATIONS:
        assert sum(f"reached {station}" in text for text in told) == 1


def test_the_workers_find_the_true_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.time, "sleep", lambda _: None)
    monkeypatch.setattr(workers.rr, "log", lambda *_: None)
    error, radius, track = workers.calibrate((0, 7))
    assert error < 1e-3
    assert radius == pytest.approx(workers.TRUE_RADIUS, rel=0.02)
    assert track == pytest.approx(workers.TRUE_TRACK, rel=0.1)


# the programs


@pytest.mark.timeout(180)
def test_the_demo_leaves_a_file_with_all_entities_and_no_daemon(rerund: Commands) -> None:
    process = rerund.start("demo", "--duration", "3", "-o", "demo.rrd")
    out, err = process.communicate(timeout=150)
    assert (process.returncode, err) == (0, "")
    assert re.search(r"look at it:  http://127\.0\.0\.1:\d+/recordings/rerund_demo/demo-", out)
    assert "open it: rerund demo.rrd" in out
    file = rerund.folder / "demo.rrd"
    subprocess.run([sys.executable, "-m", "rerun", "rrd", "verify", str(file)], check=True)
    assert ENTITIES - entities(file) == set()
    assert rerund.run("status").returncode == 3


@pytest.mark.timeout(180)
def test_the_demo_joins_a_daemon_and_leaves_it_running(rerund: Commands) -> None:
    pid = rerund.json("start")["pid"]
    process = rerund.start("demo", "--duration", "600")
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert any("Ctrl-C ends it" in line for line in lines)
    while not {listed["pid"] for listed in rerund.json("status")["producers"]}:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=150)
    assert (process.returncode, err) == (0, "")
    assert rerund.json("status")["pid"] == pid
    (recording,) = rerund.json("ls")
    assert recording["application_id"] == "rerund_demo"
    assert f"{recording['recording_id']}.rrd" in out
    # None is left; one that had no time to say goodbye on a busy machine is listed for a while, idle
    wait_until(lambda: all(each["idle_secs"] > 5 for each in rerund.json("status")["producers"]))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("program", sorted({command[0] for command in PROGRAMS.values()} - {"rerund"}))
def test_each_program_can_be_started_by_hand(program: str, tmp_path: Path) -> None:
    file = tmp_path / "out.rrd"
    process = subprocess.Popen([sys.executable, "-m", program, "--headless", "--save", str(file)])
    while not file.exists() or file.stat().st_size < 2000:
        assert process.poll() is None
    process.terminate()
    assert process.wait(30) == 0
    subprocess.run([sys.executable, "-m", "rerun", "rrd", "verify", str(file)], check=True)


def entities(file: Path) -> set[str]:
    from rerun.chunk import RrdReader

    return {chunk.entity_path for chunk in RrdReader(file).stream().to_chunks()}
