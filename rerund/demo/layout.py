"""How viewers lay the demo out: the hall large, the cameras beside it, plots and the log below."""

from __future__ import annotations

import rerund_sdk.blueprint as rrb


def layout() -> rrb.Blueprint:
    """Follows what comes; the viewer's panels are folded, to leave the room to the robots."""
    hall = rrb.Spatial3DView(
        origin="/world",
        name="hall",
        contents=["$origin/**", "- $origin/robot/front_camera/depth", "- $origin/*/image", "- $origin/*/*/image"],
        eye_controls=rrb.EyeControls3D(position=(-3.9, -9.0, 6.2), look_target=(0.0, -0.9, 0.0)),
        line_grid=rrb.LineGrid3D(visible=True, spacing=1.0, color=[70, 74, 82, 90]),
        background=[18, 20, 24],
    )
    cameras = rrb.Vertical(
        rrb.Spatial2DView(origin="/world/robot/front_camera", contents="$origin/image", name="front camera"),
        rrb.Spatial2DView(origin="/world/robot/front_camera", contents="$origin/depth", name="its depth"),
        rrb.Spatial2DView(origin="/world/wall_camera", name="wall camera"),
    )
    plots = [
        rrb.TimeSeriesView(origin="/arm/joints", name="arm joints (degrees)"),
        rrb.TimeSeriesView(origin="/planner/drive", name="drive"),
        rrb.TimeSeriesView(origin="/calibration", name="calibration error (log10)"),
        rrb.TimeSeriesView(origin="/machine/cpu", name="this machine's CPU"),
        rrb.TextLogView(name="log", columns=rrb.TextLogColumns(text_log_columns=["LogLevel", "Body"])),
    ]
    return rrb.Blueprint(
        rrb.Vertical(
            rrb.Horizontal(hall, cameras, column_shares=[3.4, 1]),
            rrb.Horizontal(*plots, column_shares=[1, 1, 1, 1, 1.7]),
            row_shares=[2.7, 1],
        ),
        rrb.BlueprintPanel(state="collapsed"),
        rrb.SelectionPanel(state="collapsed"),
        rrb.TimePanel(state="collapsed", timeline="log_time", play_state="following"),
    )
