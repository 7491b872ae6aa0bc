"""The hall, and all that moves in it, as functions of the time in seconds.

Units: metres, radians, seconds. Axes: x along the hall, y across, z up. Everything repeats, so any clock will do.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from rerund.demo.geometry import Array, Box, Pose, Y, Z, at, rotation

HALL = (7.0, 5.0, 2.6)  # half length, half width, height
LAP_SECS = 40.0  # of the driving robot
CYCLE_SECS = 16.0  # of the arm: a parcel there and back

_WALL = (196, 200, 206)
_PILLAR = (236, 186, 72)
_SHELF = (92, 110, 138)
_TABLE = (158, 122, 88)
_PARCELS = ((206, 150, 92), (188, 128, 74), (222, 170, 110), (86, 148, 164), (200, 92, 72))
_ROBOT = (58, 64, 78)
_ARM = (240, 124, 48)
_ARM_THICKNESS = {"yaw": 0.09, "shoulder": 0.06, "elbow": 0.05, "wrist": 0.035}
_CARRIED = (64, 160, 226)

LIDAR_MOUNT = at(0.0, 0.0, 0.72)  # on the robot
FRONT_CAMERA_MOUNT = Pose(
    np.array([0.36, 0.0, 0.62], np.float32), np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], np.float32)
)
ARM_BASE = at(0.0, -4.25, 0.75)

SHOULDER_HEIGHT, UPPER_ARM, FOREARM, HAND = 0.36, 0.52, 0.46, 0.22
LINKS = {"yaw": SHOULDER_HEIGHT, "shoulder": UPPER_ARM, "elbow": FOREARM, "wrist": HAND}  # length by joint
PARCEL = 0.16  # edge of the one that the arm carries
TRAY_RADIUS = 0.72  # of both trays, from the arm's axis


class ArmPose(NamedTuple):
    """The arm's joint angles, and how far its gripper is open."""

    yaw: float
    shoulder: float
    elbow: float
    wrist: float
    grip: float


@functools.cache
def furniture() -> tuple[Box, ...]:
    """What never moves, walls first."""
    length, width, height = HALL
    walls = [Box(at(sign * (length + 0.1), 0, height / 2), (0.1, width, height / 2), _WALL) for sign in (-1, 1)] + [
        Box(at(0, sign * (width + 0.1), height / 2), (length, 0.1, height / 2), _WALL) for sign in (-1, 1)
    ]
    pillars = [Box(at(x, y, height / 2), (0.2, 0.2, height / 2), _PILLAR) for x in (-6.2, 6.2) for y in (-4.2, 4.2)]
    return (*walls, *pillars, *_racks(), Box(at(0, -4.3, 0.375), (1.0, 0.42, 0.375), _TABLE))


def _racks() -> list[Box]:
    """Two racks with two shelves each, and parcels on them."""
    boxes = []
    parcel = 0
    for x in (-1.9, 1.9):
        for z in (0.15, 0.85, 1.55):
            boxes.append(Box(at(x, 0, z), (1.4, 0.5, 0.04), _SHELF))
        boxes += [Box(at(x + side * 1.36, 0, 0.8), (0.04, 0.5, 0.8), _SHELF) for side in (-1, 1)]
        for z in (0.19, 0.89, 1.59):
            for place in (-0.85, 0.05, 0.8):
                size = 0.16 + 0.03 * (parcel * 7 % 5)
                pose = at(x + place, 0.08 * (parcel * 5 % 3 - 1), z + size, yaw=0.3 * (parcel * 3 % 7 - 3) / 3)
                boxes.append(Box(pose, (size * 1.2, size, size), _PARCELS[parcel % len(_PARCELS)]))
                parcel += 1
    return boxes


WALLS = 4  # the first boxes of furniture()


def robot_pose(t: float) -> Pose:
    """The driving robot: rounds the racks once in LAP_SECS, slower in the bends."""
    x, y = _track(t)
    ahead_x, ahead_y = _track(t + 0.05)
    return at(x, y, 0.0, yaw=math.atan2(ahead_y - y, ahead_x - x))


def robot_speed(t: float) -> float:
    """In metres per second."""
    return math.dist(_track(t - 0.05), _track(t + 0.05)) / 0.1


def _track(t: float) -> tuple[float, float]:
    lap = 2 * math.pi * t / LAP_SECS
    angle = lap + 0.12 * math.sin(2 * lap)
    return 5.0 * math.cos(angle), 2.7 * math.sin(angle) + 0.15 * math.sin(3 * angle)


def arm_pose(t: float) -> ArmPose:
    """Takes the parcel from the one tray to the other, then back."""
    half = CYCLE_SECS / 2
    yaw, height, grip = _hand(t % half)
    if t % CYCLE_SECS >= half:
        yaw = math.pi - yaw
    return _reach(yaw, TRAY_RADIUS, height, grip)


# seconds, yaw, height of the fingertips over the table, opening of the gripper
_KEYFRAMES = np.array(
    [
        (0.0, 0.0, 0.50, 1.0),
        (1.2, 0.0, 0.12, 1.0),
        (1.6, 0.0, 0.12, 0.0),
        (2.6, 0.0, 0.55, 0.0),
        (4.6, math.pi, 0.55, 0.0),
        (5.6, math.pi, 0.12, 0.0),
        (6.0, math.pi, 0.12, 1.0),
        (7.0, math.pi, 0.50, 1.0),
        (8.0, math.pi, 0.50, 1.0),
    ]
)
_HELD = (1.5, 5.9)  # seconds within half a cycle


def _hand(t: float) -> tuple[float, float, float]:
    after = int(np.searchsorted(_KEYFRAMES[:, 0], t, side="right"))
    before, frame = _KEYFRAMES[after - 1], _KEYFRAMES[min(after, len(_KEYFRAMES) - 1)]
    part = (t - before[0]) / max(frame[0] - before[0], 1e-9)
    smooth = part * part * (3 - 2 * part)  # starts and ends at rest
    yaw, height, grip = before[1:] + smooth * (frame[1:] - before[1:])
    return float(yaw), float(height), float(grip)


def _reach(yaw: float, radius: float, height: float, grip: float) -> ArmPose:
    """Inverse kinematics of two links in a plane; the hand always points down."""
    rise = height + HAND - SHOULDER_HEIGHT
    distance = math.hypot(radius, rise)
    cos_elbow = (distance**2 - UPPER_ARM**2 - FOREARM**2) / (2 * UPPER_ARM * FOREARM)
    elbow = math.acos(max(-1.0, min(1.0, cos_elbow)))
    lift = math.atan2(rise, radius) + math.atan2(FOREARM * math.sin(elbow), UPPER_ARM + FOREARM * math.cos(elbow))
    shoulder = math.pi / 2 - lift  # 0 is straight up, as the links' own z axes are
    return ArmPose(yaw, shoulder, elbow, math.pi - shoulder - elbow, grip)


def arm_frames(arm: ArmPose) -> dict[str, Pose]:
    """The pose of each joint in the frame of the one before it. A link lies along the z axis of its joint."""
    return {
        "yaw": Pose(np.zeros(3, np.float32), rotation(Z, arm.yaw)),
        "shoulder": Pose(np.array([0, 0, SHOULDER_HEIGHT], np.float32), rotation(Y, arm.shoulder)),
        "elbow": Pose(np.array([0, 0, UPPER_ARM], np.float32), rotation(Y, arm.elbow)),
        "wrist": Pose(np.array([0, 0, FOREARM], np.float32), rotation(Y, arm.wrist)),
    }


def parcel_pose(t: float) -> Pose:
    """The parcel that the arm carries: in the gripper, or on a tray."""
    half = CYCLE_SECS / 2
    start, end = _HELD
    if start <= t % half <= end:
        yaw, height, _ = _hand(t % half)
    else:
        yaw, height = (0.0 if t % half < start else math.pi), 0.12
    if t % CYCLE_SECS >= half:
        yaw = math.pi - yaw
    offset = at(TRAY_RADIUS * math.cos(yaw), TRAY_RADIUS * math.sin(yaw), height - 0.04, yaw)
    return ARM_BASE @ offset


def moving(t: float) -> list[Box]:
    """What moves, as boxes: what the cameras and the lidar see of it."""
    robot = robot_pose(t)
    boxes = [Box(robot @ at(0, 0, 0.3), (0.42, 0.28, 0.22), _ROBOT), Box(parcel_pose(t), (PARCEL / 2,) * 3, _CARRIED)]
    joint = ARM_BASE
    for name, frame in arm_frames(arm_pose(t)).items():
        joint = joint @ frame
        half = LINKS[name] / 2
        thick = _ARM_THICKNESS[name]
        boxes.append(Box(joint @ at(0, 0, half), (thick, thick, half), _ARM))
    return boxes


def boxes(t: float) -> list[Box]:
    """All that a sensor can meet, beside the floor."""
    return [*furniture(), *moving(t)]


def clearance(t: float) -> tuple[float, Box]:
    """The horizontal distance from the robot's centre to the nearest piece of furniture, and that piece."""
    place = robot_pose(t).translation
    gaps = [(_gap(place, box), index) for index, box in enumerate(furniture())]
    gap, index = min(gaps)
    return gap, furniture()[index]


def _gap(place: Array, box: Box) -> float:
    local = np.abs(box.pose.rotation.T @ (place - box.pose.translation)) - box.half_size
    return float(np.hypot(*np.maximum(local[:2], 0)))
