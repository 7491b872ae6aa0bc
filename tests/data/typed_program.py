"""A program as users write it. mypy must take all of it but the lines marked `WRONG: CODE`, and no other.

test_typing.py runs mypy over it; nothing runs it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import rerund_sdk as rr
import rerund_sdk.blueprint as rrb


def right(cloud: npt.NDArray[np.float32], image: npt.NDArray[np.uint8]) -> str:
    recording: rr.RecordingStream = rr.init("typed", recording_id="run", strict=True)
    rr.set_time("frame", sequence=1)
    rr.set_time("clock", timestamp=1.5)
    rr.log("points", rr.Points3D(cloud, radii=0.1, colors=[255, 0, 0], labels=["a", "b"]))
    rr.log("points", rr.Points3D(positions=[[1, 2, 3]], class_ids=[1]), static=True)
    rr.log("boxes", rr.Boxes3D(half_sizes=[1, 2, 3], fill_mode=rr.components.FillMode.Solid))
    rr.log("image", rr.Image(image, color_model="RGB").compress(jpeg_quality=90))
    rr.log("camera", rr.Pinhole(focal_length=4.0, width=640, height=480))
    rr.log("pose", rr.Transform3D(translation=[1, 2, 3], quaternion=rr.Quaternion(xyzw=[0, 0, 0, 1])))
    rr.log("value", rr.Scalars(0.5))
    rr.log("text", rr.TextLog("hello", level=rr.TextLogLevel.INFO), rr.AnyValues(size=3))
    rr.log("radii", rr.Points3D([1, 2, 3]).as_component_batches())
    rr.log("any", rr.Points3D.from_fields(radii=[1.0], clear_unset=True))
    rr.send_columns(
        "values", indexes=[rr.TimeColumn("frame", sequence=[1, 2])], columns=rr.Scalars.columns(scalars=[1, 2])
    )
    layout = rrb.Blueprint(
        rrb.Horizontal(rrb.Spatial3DView(origin="/", name="world"), rrb.TimeSeriesView(), column_shares=[2, 1]),
        rrb.TimePanel(state="collapsed"),
        collapse_panels=True,
    )
    rr.send_blueprint(layout, make_active=True)
    rr.connect("tcp://robot7:9877", delivery=rr.Delivery())
    rr.save("run.rrd", default_blueprint=layout, recording=recording)
    rr.set_sinks(rr.GrpcServerSink(), rr.FileSink("run.rrd"), rr.GrpcSink(), default_blueprint=layout)
    if not rr.flush(timeout_sec=3, level="synced"):
        return rr.serve_grpc(grpc_port=9876)
    return rr.serve(open_browser=False, recording=recording)


def wrong(cloud: npt.NDArray[np.float32]) -> None:
    rr.Points3D(cloud, colour=[255, 0, 0])  # WRONG: call-arg
    rr.Points3D()  # WRONG: call-arg
    rr.Points3D(cloud, [1.0])  # WRONG: call-arg
    rr.Boxes3D(half_size=[1, 2, 3])  # WRONG: call-arg
    rr.Pinhole(focal_length=4, heigth=480)  # WRONG: call-arg
    rr.Image(cloud, colormodel="RGB")  # WRONG: call-arg
    rr.log(3, rr.Points3D(cloud))  # WRONG: arg-type
    rr.log("points", "no archetype")  # WRONG: arg-type
    rr.set_time("frame", sequences=1)  # WRONG: call-arg
    rr.init("typed", recording=7)  # WRONG: call-arg
    rr.connect(port=9876)  # WRONG: call-arg
    rr.save()  # WRONG: call-arg
    rr.flush(level="everywhere")  # WRONG: arg-type
    rr.set_sinks("run.rrd")  # WRONG: arg-type
    rr.Point3D(cloud)  # WRONG: attr-defined
    rrb.Spatial3DView(orign="/")  # WRONG: call-arg
    rrb.Horizontal(column_share=[1])  # WRONG: call-arg
    path: int = rr.serve_grpc()  # WRONG: assignment
    del path
