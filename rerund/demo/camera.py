"""Two cameras: one on the robot, with depth, and one on the wall that watches the arm.

Shows: pinhole cameras, images and depth images that the viewer also places in the 3D scene.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import rerund_sdk as rr
from rerund.demo import program, world
from rerund.demo.geometry import Array, Hits, Pose, cast, looking

WIDTH, HEIGHT = 320, 240
DEPTH_RANGE = 10.0  # in metres
SUN = np.array([0.35, -0.5, 0.8], np.float32) / np.float32(1.007)
SKY = np.array([214, 226, 238], np.float32)
FLOOR = np.array([[150, 152, 156], [126, 129, 135]], np.float32)  # of its two kinds of tiles


class Camera(NamedTuple):
    """A camera: the entity it is logged to, and its focal length in pixels."""

    path: str
    focal_length: float
    depth: bool


FRONT = Camera("/world/robot/front_camera", 220.0, depth=True)
WALL = Camera("/world/wall_camera", 300.0, depth=False)


def main() -> None:
    parser = program.arguments(__doc__)
    parser.add_argument("--camera", choices=["front", "wall"], default="front", help="which one (default: front)")
    args = parser.parse_args()
    program.begin(args)
    camera = FRONT if args.camera == "front" else WALL
    log_what_never_changes(camera)
    for t in program.ticks(hz=6):
        log_frame(camera, t)


def log_what_never_changes(camera: Camera) -> None:
    mount = world.FRONT_CAMERA_MOUNT if camera is FRONT else pose(camera, 0.0)
    rr.log(camera.path, rr.Transform3D(translation=mount.translation, mat3x3=mount.rotation), static=True)
    pinhole = rr.Pinhole(focal_length=camera.focal_length, width=WIDTH, height=HEIGHT, image_plane_distance=0.6)
    rr.log(camera.path, pinhole, static=True)


def log_frame(camera: Camera, t: float) -> None:
    place = pose(camera, t)
    directions = rays(camera) @ place.rotation.T
    hits = cast(place.translation, directions, world.boxes(t))
    rr.log(f"{camera.path}/image", rr.Image(shade(hits, place, directions, t)))
    if camera.depth:
        millimetres = np.minimum(hits.distance, DEPTH_RANGE) * 1000  # a ray's z is 1, so its length is the depth
        depth = millimetres.astype(np.uint16).reshape(HEIGHT, WIDTH)
        rr.log(f"{camera.path}/depth", rr.DepthImage(depth, meter=1000.0, depth_range=[0, DEPTH_RANGE * 1000]))


def pose(camera: Camera, t: float) -> Pose:
    """Where the camera is, in the hall."""
    if camera is FRONT:
        return world.robot_pose(t) @ world.FRONT_CAMERA_MOUNT
    return looking(eye=(2.3, -2.0, 2.3), target=(-0.1, -4.3, 0.95))


def rays(camera: Camera) -> Array:
    """The ray through each pixel's centre, with z = 1, in the camera's frame."""
    column, row = np.meshgrid(np.arange(WIDTH) + 0.5 - WIDTH / 2, np.arange(HEIGHT) + 0.5 - HEIGHT / 2)
    through = np.stack([column / camera.focal_length, row / camera.focal_length, np.ones_like(column)], axis=-1)
    return through.reshape(-1, 3).astype(np.float32)


def shade(hits: Hits, camera: Pose, directions: Array, t: float) -> npt.NDArray[np.uint8]:
    """The picture: each surface's colour in the sun's light, with tiles on the floor and haze in the distance."""
    colours = np.array([box.colour for box in world.boxes(t)] + [SKY], np.float32)[hits.box]
    floor = np.flatnonzero((hits.box < 0) & np.isfinite(hits.distance))
    tiles = (
        np.floor(camera.translation[:2] + directions[floor, :2] * hits.distance[floor, None]).astype(int).sum(axis=1)
    )
    colours[floor] = FLOOR[tiles % 2]
    light = 0.62 + 0.38 * np.maximum(hits.normal @ SUN, 0)
    haze = np.clip(hits.distance / 22, 0, 0.6)[:, None]
    pixels = np.where(np.isfinite(hits.distance)[:, None], colours * light[:, None] * (1 - haze) + SKY * haze, SKY)
    return pixels.astype(np.uint8).reshape(HEIGHT, WIDTH, 3)


if __name__ == "__main__":
    main()
