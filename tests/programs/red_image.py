"""Logs one red image to this machine's daemon."""

import numpy as np

import rerund_sdk as rr
import rerund_sdk.blueprint as rrb

rr.init("rerund_test_red", recording_id="red")
rr.connect(default_blueprint=rrb.Blueprint(rrb.Spatial2DView(origin="camera"), collapse_panels=True))
rr.log("camera", rr.Image(np.full((480, 640, 3), (255, 0, 0), np.uint8)))
if not rr.flush(timeout_sec=30):
    raise SystemExit("not written")
