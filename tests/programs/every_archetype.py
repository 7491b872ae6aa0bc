"""A script as people write them, with every archetype of daily use: `every_archetype.py rerun|rerund_sdk FILE.rrd`."""

from __future__ import annotations

import importlib
import sys

import numpy as np

rr = importlib.import_module(sys.argv[1])
rr.init("rerund_test_every_archetype", recording_id="same")
rr.save(sys.argv[2])

random = np.random.default_rng(0)
rr.log("/", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
rr.log("plots/sine", rr.SeriesLines(colors=[255, 0, 0], names="sine", widths=2.0), static=True)
rr.log(
    "plots/noise", rr.SeriesPoints(colors=[0, 0, 255], names="noise", markers="circle", marker_sizes=2.0), static=True
)
rr.log("camera", rr.Pinhole(focal_length=500.0, width=64, height=48), static=True)
rr.log("note", rr.TextDocument("# A *document*", media_type="text/markdown"), static=True)

for frame in range(10):
    rr.set_time("frame", sequence=frame)
    rr.set_time("elapsed", duration=frame * 0.1)
    rr.log("plots/sine", rr.Scalars(np.sin(frame)))
    rr.log("plots/noise", rr.Scalars(random.random()))
    rr.log("log", rr.TextLog(f"frame {frame}", level=rr.TextLogLevel.WARN if frame % 2 else "INFO", color=0xFF8800FF))
    rr.log("arm/joint", rr.Transform3D(translation=[frame, 0, 1], rotation=rr.Quaternion(xyzw=[0, 0, 0.6, 0.8])))
    rr.log("arm/hand", rr.Transform3D(mat3x3=np.eye(3) * frame, translation=np.arange(3.0)))
    rr.log("arm/scaled", rr.Transform3D(scale=2.0, rotation=rr.RotationAxisAngle(axis=[0, 0, 1], degrees=frame * 10)))
    rr.log("lidar", rr.Points3D(random.random((100, 3)), colors=random.integers(0, 255, (100, 4), np.uint8), radii=0.1))
    rr.log("keypoints", rr.Points2D([[1, 2], [3, 4]], labels=["left", "right"], class_ids=[1, 2], keypoint_ids=[3, 4]))
    rr.log("path2d", rr.LineStrips2D([[[0, 0], [1, frame]], [[2, 2], [3, 3], [4, 4]]], colors=[[1, 2, 3], [4, 5, 6]]))
    rr.log("path3d", rr.LineStrips3D(random.random((4, 5, 3)), radii=[0.1, 0.2, 0.3, 0.4]))
    rr.log("boxes2d", rr.Boxes2D(mins=[[0, 0]], sizes=[[2, frame + 1]], labels="box"))
    rr.log("boxes3d", rr.Boxes3D(centers=[[0, 0, frame]], half_sizes=[[1, 2, 3]], fill_mode="solid"))
    rr.log("arrows2d", rr.Arrows2D(vectors=[[1, frame]], origins=[[0, 0]]))
    rr.log("arrows3d", rr.Arrows3D(vectors=[[1, 0, frame]], colors=[0.5, 0.25, 1.0]))
    rr.log("camera/image", rr.Image(random.integers(0, 255, (48, 64, 3), np.uint8)))
    rr.log("camera/gray", rr.Image(random.integers(0, 255, (48, 64), np.uint8)))
    rr.log("camera/depth", rr.DepthImage(random.random((48, 64)).astype(np.float32), meter=1.0, colormap="turbo"))
    rr.log("camera/classes", rr.SegmentationImage(random.integers(0, 5, (48, 64), np.uint8)))
    rr.log("camera/png", rr.EncodedImage(contents=b"\x89PNG\r\n\x1a\n" + bytes(20), media_type="image/png"))
    rr.log("mesh", rr.Mesh3D(vertex_positions=np.eye(3), triangle_indices=[[0, 1, 2]], vertex_colors=[[255, 0, 0]] * 3))
    rr.log("histogram", rr.BarChart(np.arange(frame + 1)))
    rr.log("any", rr.AnyValues(speed=frame * 1.5, names=["a", "b"], flag=True))
    rr.log("both", rr.Points3D([[frame, 0, 0]]), rr.AnyValues(confidence=0.5))
    rr.log("path3d", rr.LineStrips3D.from_fields(colors=[frame, 0, 0]))
    rr.log(["spaced out", frame], rr.Scalars(frame))
    if frame == 5:
        rr.log("lidar", rr.Clear(recursive=True))

rr.reset_time()
rr.set_time("capture", timestamp=1_700_000_000.25)
rr.log("plots/sine", rr.Scalars(1.0))
rr.disable_timeline("capture")
rr.log("plots/sine", rr.Scalars([1.0, 2.0]))
rr.send_columns(
    "columns",
    indexes=[rr.TimeColumn("frame", sequence=range(20)), rr.TimeColumn("elapsed", duration=np.arange(20) / 10)],
    columns=rr.Scalars.columns(scalars=np.arange(20.0)),
)
rr.send_columns(
    "columns/points",
    indexes=[rr.TimeColumn("capture", timestamp=np.arange(4).astype("datetime64[s]"))],
    columns=[
        *rr.Points3D.columns(positions=np.arange(30.0).reshape(10, 3)).partition([1, 2, 3, 4]),
        *rr.Points3D.columns(radii=[1.0, 2.0, 3.0, 4.0]),
    ],
)
rr.send_recording_name("every archetype")
rr.send_property("weather", rr.AnyValues(sun=True))
