"""The robot that drives through the hall, and its laser scanner.

Shows: point clouds in the frame of a sensor that moves, colours by value, and static furniture.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import rerund_sdk as rr
from rerund.demo import program, world
from rerund.demo.geometry import Array, Box, cast

ROBOT = "/world/robot"
BEAMS, STEPS = 24, 480  # elevations; directions in one turn
RANGE = 14.0  # in metres
NOISE = 0.012  # standard deviation of a distance, in metres


def main() -> None:
    program.begin(program.arguments(__doc__).parse_args())
    log_what_never_changes()
    random = np.random.default_rng()
    for t in program.ticks(hz=10):
        log_robot(t)
        points = scan(t, random)
        rr.log(f"{ROBOT}/lidar", rr.Points3D(points, colors=by_height(points[:, 2]), radii=rr.Radius.ui_points(1.6)))


def log_what_never_changes() -> None:
    rr.log("/world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    furniture = world.furniture()[world.WALLS :]  # walls would stand in the way of who looks at the hall from outside
    rr.log(
        "/world/furniture",
        rr.Boxes3D(
            centers=[box.pose.translation for box in furniture],
            half_sizes=[box.half_size for box in furniture],
            rotation_axis_angles=[rr.RotationAxisAngle([0, 0, 1], radians=yaw(box)) for box in furniture],
            colors=[box.colour for box in furniture],
            fill_mode="solid",
        ),
        static=True,
    )
    x, y, _ = world.HALL
    outline = [(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0), (-x, -y, 0)]
    rr.log("/world/walls", rr.LineStrips3D([outline], colors=[120, 126, 136], radii=0.015), static=True)
    body = rr.Boxes3D(
        centers=[(0, 0, 0.3), (0, 0, 0.62)],
        half_sizes=[(0.42, 0.28, 0.22), (0.08, 0.08, 0.1)],
        colors=[(58, 64, 78), (70, 200, 170)],
        fill_mode="solid",
    )
    rr.log(f"{ROBOT}/body", body, static=True)
    rr.log(f"{ROBOT}/lidar", rr.Transform3D(translation=world.LIDAR_MOUNT.translation), static=True)


def log_robot(t: float) -> None:
    pose = world.robot_pose(t)
    rr.log(ROBOT, rr.Transform3D(translation=pose.translation, mat3x3=pose.rotation))


def scan(t: float, random: np.random.Generator) -> Array:
    """One turn of the scanner: the points it met, in its own frame."""
    sensor = world.robot_pose(t) @ world.LIDAR_MOUNT
    directions = beams()
    seen = [box for box in world.boxes(t) if np.hypot(*(box.pose.translation - sensor.translation)[:2]) > 0.1]
    distance = cast(sensor.translation, directions @ sensor.rotation.T, seen).distance
    distance = distance + random.normal(0.0, NOISE, len(distance)).astype(np.float32)
    met = distance < RANGE
    return directions[met] * distance[met, None]


def beams() -> Array:
    """The direction of every beam of one turn, in the scanner's frame."""
    elevation = np.radians(np.linspace(-22, 12, BEAMS))[:, None]
    azimuth = np.linspace(-np.pi, np.pi, STEPS, endpoint=False)[None, :]
    flat = np.cos(elevation)
    directions = np.stack(np.broadcast_arrays(flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)), -1)
    return directions.reshape(-1, 3).astype(np.float32)


_COLOURS = np.array([(48, 56, 140), (30, 140, 170), (80, 200, 140), (230, 220, 90), (250, 150, 60)], np.float32)


def by_height(z: Array) -> npt.NDArray[np.uint8]:
    """Blue at the floor to orange at the top of the walls."""
    height = np.clip((z + world.LIDAR_MOUNT.translation[2]) / world.HALL[2], 0, 1) * (len(_COLOURS) - 1)
    below = np.minimum(height.astype(int), len(_COLOURS) - 2)
    part = (height - below)[:, None]
    return np.asarray(_COLOURS[below] * (1 - part) + _COLOURS[below + 1] * part, np.uint8)


def yaw(box: Box) -> float:
    """By how much a piece of furniture is turned."""
    return float(np.arctan2(box.pose.rotation[1, 0], box.pose.rotation[0, 0]))


if __name__ == "__main__":
    main()
