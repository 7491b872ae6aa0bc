"""The planner: where the robot wants to go, how fast, and what it thinks of it.

Shows: line strips, arrows, labelled points, plots, and a text log with levels.
"""

from __future__ import annotations

import numpy as np

import rerund_sdk as rr
from rerund.demo import program, world
from rerund.demo.geometry import Array

STATIONS = {"inbound": 0.0, "packing": 10.0, "outbound": 20.0, "charging": 30.0}  # seconds into a lap
HORIZON_SECS = 12.0
NARROW = 1.45  # metres of clearance below which the planner warns


def main() -> None:
    program.begin(program.arguments(__doc__).parse_args())
    log_what_never_changes()
    previous = None
    for t in program.ticks(hz=10):
        log_plan(t)
        if previous is not None:
            for level, text in messages(previous, t):
                rr.log("/planner/log", rr.TextLog(text, level=level))
        previous = t


def log_what_never_changes() -> None:
    places = [world.robot_pose(at).translation for at in STATIONS.values()]
    colour = [120, 220, 140]
    rr.log("/world/stations", rr.Points3D(places, labels=list(STATIONS), colors=colour, radii=0.09), static=True)
    rr.log("/planner/drive", rr.SeriesLines(names=["speed (m/s)", "clearance (m)"], widths=2), static=True)


def log_plan(t: float) -> None:
    ahead = route(t)
    rr.log("/world/plan/route", rr.LineStrips3D([ahead], colors=[110, 230, 150], radii=0.025))
    velocity = (ahead[1] - ahead[0]) / np.linalg.norm(ahead[1] - ahead[0]) * world.robot_speed(t) * 1.5
    arrow = rr.Arrows3D(origins=[ahead[0] + [0, 0, 0.9]], vectors=[velocity], colors=[255, 210, 70], radii=0.03)
    rr.log("/world/plan/velocity", arrow)
    rr.log("/planner/drive", rr.Scalars([world.robot_speed(t), world.clearance(t)[0]]))


def route(t: float) -> Array:
    """The way that lies ahead, a point each quarter of a second, just above the floor."""
    times = t + np.arange(0, HORIZON_SECS, 0.25)
    places = np.array([world.robot_pose(later).translation for later in times])
    return places + np.array([0, 0, 0.03], np.float32)


def messages(previous: float, now: float) -> list[tuple[str, str]]:
    """What is worth a line between two moments: (level, text)."""
    lines = []
    for name, at in STATIONS.items():
        if (previous - at) // world.LAP_SECS != (now - at) // world.LAP_SECS:
            lines.append(("INFO", f"reached {name}, lap {int(now // world.LAP_SECS) % 10_000}"))
    gap, piece = world.clearance(now)
    if gap < NARROW <= world.clearance(previous)[0]:
        x, y = piece.pose.translation[:2]
        lines.append(("WARN", f"{gap:.2f} m of clearance at ({x:.1f}, {y:.1f}): slowing down"))
    if previous // (world.CYCLE_SECS / 2) != now // (world.CYCLE_SECS / 2):
        lines.append(("DEBUG", "arm has put its parcel down, next one"))
    return lines


if __name__ == "__main__":
    main()
