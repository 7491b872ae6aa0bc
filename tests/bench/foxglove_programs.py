"""The programs of programs.py for Foxglove's SDK: its messages for the same data, into an MCAP file."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import foxglove
import numpy as np
from foxglove.channels import FrameTransformChannel, LogChannel, PointCloudChannel, RawImageChannel
from foxglove.mcap import MCAPWriteOptions
from foxglove.messages import (
    FrameTransform,
    Log,
    LogLevel,
    PackedElementField,
    PackedElementFieldNumericType,
    PointCloud,
    Quaternion,
    RawImage,
    Timestamp,
    Vector3,
)

LogRow = Callable[[int], None]


def run(program: str, path: str, measure: Callable[..., dict[str, float]], rows: int) -> dict[str, float]:
    """The figures of a program that writes to `path`, without compression."""
    options = MCAPWriteOptions(compression=None)
    with foxglove.open_mcap(path, allow_overwrite=True, writer_options=options):
        return measure(_PROGRAMS[program](), lambda: None, rows)  # it writes as it logs


def _now() -> Timestamp:
    return Timestamp(*divmod(time.time_ns(), 1_000_000_000))


def _transform() -> LogRow:
    channel = FrameTransformChannel("/arm/joint1")

    def log(row: int) -> None:
        channel.log(
            FrameTransform(
                timestamp=_now(),
                parent_frame_id="arm",
                child_frame_id="joint1",
                translation=Vector3(x=row * 0.1, y=0.0, z=1.0),
                rotation=Quaternion(x=0.0, y=0.0, z=0.0, w=1.0),
            )
        )

    return log


def _text() -> LogRow:
    channel = LogChannel("/planner/log")

    def log(row: int) -> None:
        channel.log(Log(timestamp=_now(), level=LogLevel.Info, message=f"step {row} done"))

    return log


def _points10k() -> LogRow:
    channel = PointCloudChannel("/lidar")
    points = np.random.default_rng(0).random((10_000, 3), np.float32)
    colors = np.random.default_rng(1).integers(0, 255, (10_000, 3), np.uint8)
    number, byte = PackedElementFieldNumericType.Float32, PackedElementFieldNumericType.Uint8
    fields = [PackedElementField(name=name, offset=4 * n, type=number) for n, name in enumerate("xyz")]
    colored = ("red", "green", "blue", "alpha")
    fields += [PackedElementField(name=name, offset=12 + n, type=byte) for n, name in enumerate(colored)]

    def log(_row: int) -> None:
        packed = np.empty((10_000, 16), np.uint8)
        packed[:, :12] = points.view(np.uint8)
        packed[:, 12:15] = colors
        packed[:, 15] = 255
        channel.log(
            PointCloud(timestamp=_now(), frame_id="lidar", point_stride=16, fields=fields, data=packed.tobytes())
        )

    return log


def _image() -> LogRow:
    channel = RawImageChannel("/camera")
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)

    def log(_row: int) -> None:
        channel.log(RawImage(timestamp=_now(), width=640, height=480, encoding="rgb8", step=1920, data=image.tobytes()))

    return log


_PROGRAMS: dict[str, Callable[[], Any]] = {
    "transform": _transform,
    "text": _text,
    "points10k": _points10k,
    "image": _image,
}
