"""A robot arm that carries a parcel from one tray to the other.

Shows: transforms that hang on each other by their entity paths, meshes, boxes, and joint angles as plots.
"""

from __future__ import annotations

import numpy as np

import rerund_sdk as rr
from rerund.demo import program, world
from rerund.demo.geometry import Array

ARM = "/world/arm"
ORANGE = (240, 124, 48)
GREY = (72, 78, 92)
LINKS = {  # length and radius of the link that lies along each joint's z axis, in metres
    "yaw": (world.SHOULDER_HEIGHT, 0.085, GREY),
    "shoulder": (world.UPPER_ARM, 0.062, ORANGE),
    "elbow": (world.FOREARM, 0.052, ORANGE),
    "wrist": (world.HAND - 0.07, 0.036, GREY),
}


def main() -> None:
    program.begin(program.arguments(__doc__).parse_args())
    log_what_never_changes()
    for t in program.ticks(hz=30):
        log_motion(t)


def log_what_never_changes() -> None:
    """Static data belongs to every moment of every timeline, and is logged once."""
    rr.log("/world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    base = world.ARM_BASE
    rr.log(ARM, rr.Transform3D(translation=base.translation), static=True)
    path = ARM
    for joint, (length, radius, colour) in LINKS.items():
        path = f"{path}/{joint}"
        vertices, normals, triangles = capsule(length, radius)
        mesh = rr.Mesh3D(
            vertex_positions=vertices,
            vertex_normals=normals,
            triangle_indices=triangles,
            vertex_colors=np.tile(np.array(colour, np.uint8), (len(vertices), 1)),
        )
        rr.log(f"{path}/link", mesh, static=True)
    rr.log("/arm/joints", rr.SeriesLines(names=list(LINKS), widths=2), static=True)


def log_motion(t: float) -> None:
    """One transform a joint, each in the frame of the joint before it: the viewer puts them together."""
    arm = world.arm_pose(t)
    path = ARM
    for joint, frame in world.arm_frames(arm).items():
        path = f"{path}/{joint}"
        rr.log(path, rr.Transform3D(translation=frame.translation, mat3x3=frame.rotation))
    rr.log(f"{path}/gripper", fingers(arm.grip))
    rr.log("/arm/joints", rr.Scalars(np.degrees(arm[: len(LINKS)])))  # several lines of one plot

    parcel = world.parcel_pose(t)
    rr.log("/world/parcel", rr.Transform3D(translation=parcel.translation, mat3x3=parcel.rotation))
    rr.log("/world/parcel", rr.Boxes3D(sizes=[world.PARCEL] * 3, colors=[64, 160, 226], fill_mode="solid"))


def fingers(opening: float) -> rr.Boxes3D:
    """Two fingers at the end of the hand; `opening` from 0 to 1."""
    gap = world.PARCEL / 2 + 0.012 + 0.05 * opening
    reach = world.HAND - 0.04
    return rr.Boxes3D(
        centers=[(0, -gap, reach), (0, gap, reach), (0, 0, reach - 0.06)],
        half_sizes=[(0.025, 0.012, 0.06), (0.025, 0.012, 0.06), (0.03, gap + 0.012, 0.012)],
        colors=[40, 44, 52],
        fill_mode="solid",
    )


def capsule(length: float, radius: float, segments: int = 24, rings: int = 6) -> tuple[Array, Array, Array]:
    """A tube with round ends from the origin along z: vertices, normals and triangles."""
    tilt = np.concatenate([np.linspace(-np.pi / 2, 0, rings), np.linspace(0, np.pi / 2, rings)])
    around = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    tilts, arounds = np.meshgrid(tilt, around, indexing="ij")
    normals = np.stack(
        [np.cos(tilts) * np.cos(arounds), np.cos(tilts) * np.sin(arounds), np.sin(tilts)], axis=-1
    ).reshape(-1, 3)
    vertices = normals * radius
    vertices[len(vertices) // 2 :, 2] += length
    ring, side = np.meshgrid(np.arange(2 * rings - 1), np.arange(segments), indexing="ij")
    a, b = ring * segments + side, ring * segments + (side + 1) % segments
    c, d = a + segments, b + segments
    triangles = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    return vertices.astype(np.float32), normals.astype(np.float32), triangles.astype(np.uint32)


if __name__ == "__main__":
    main()
