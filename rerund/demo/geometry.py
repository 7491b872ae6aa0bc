"""Boxes, rotations, and what a ray hits: all that the demo's sensors need of geometry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vector = tuple[float, float, float]
Array = npt.NDArray[np.float32]

X: Vector = (1.0, 0.0, 0.0)
Y: Vector = (0.0, 1.0, 0.0)
Z: Vector = (0.0, 0.0, 1.0)


class Pose(NamedTuple):
    """Where a thing is: its rotation, then its translation."""

    translation: Array
    rotation: Array  # 3x3

    def __matmul__(self, child: Pose) -> Pose:
        return Pose(self.translation + self.rotation @ child.translation, self.rotation @ child.rotation)


class Box(NamedTuple):
    """A solid box of one colour."""

    pose: Pose
    half_size: Vector  # in metres
    colour: tuple[int, int, int]


class Hits(NamedTuple):
    """What each ray met first."""

    distance: Array  # in lengths of the ray's direction; inf where it met nothing
    box: npt.NDArray[np.intp]  # index of the box; -1 for the floor, or nothing
    normal: Array  # (n, 3), of the surface, in world coordinates


def rotation(axis: Vector, radians: float) -> Array:
    """The matrix that turns by `radians` about `axis`, which is X, Y or Z."""
    c, s = np.cos(radians), np.sin(radians)
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.outer(axis, axis) * (1 - c) + c * np.eye(3) + s * cross, np.float32)


def at(x: float, y: float, z: float, yaw: float = 0.0) -> Pose:
    """The pose of a thing that stands upright."""
    return Pose(np.array([x, y, z], np.float32), rotation(Z, yaw))


def looking(eye: Vector, target: Vector) -> Pose:
    """The pose of a camera (x right, y down, z forward) at `eye` that looks at `target`."""
    forward = np.subtract(target, eye)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, Z)
    right = right / np.linalg.norm(right)
    axes = np.column_stack([right, np.cross(forward, right), forward])
    return Pose(np.array(eye, np.float32), axes.astype(np.float32))


def cast(origin: Array, directions: Array, boxes: Sequence[Box]) -> Hits:
    """Where rays from `origin` along `directions` (n, 3) first meet a box, or the floor z = 0."""
    rays = len(directions)
    columns = np.ascontiguousarray(directions.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        nearest = np.where(columns[2] < -1e-6, -origin[2] / columns[2], np.inf).astype(np.float32)
        hit = np.full(rays, -1, np.intp)
        normal = np.zeros((rays, 3), np.float32)
        normal[:, 2] = 1.0
        for index, box in enumerate(boxes):
            into_box = box.pose.rotation.T  # the slab test is done in the box's own axes
            start = into_box @ (origin - box.pose.translation)
            local = into_box @ columns
            local[local == 0] = 1e-12  # a ray along a face
            inverse = 1.0 / local
            half = np.array(box.half_size, np.float32)[:, None]
            entries = (-half * np.sign(local) - start[:, None]) * inverse
            leaves = (half * np.sign(local) - start[:, None]) * inverse
            entry = entries.max(axis=0)
            met = np.flatnonzero((entry > 0) & (entry < leaves.min(axis=0)) & (entry < nearest))
            if not len(met):
                continue
            face = entries[:, met].argmax(axis=0)
            nearest[met] = entry[met]
            hit[met] = index
            normal[met] = (-np.sign(local[face, met])[:, None]) * box.pose.rotation.T[face]
    return Hits(nearest, hit, normal)
