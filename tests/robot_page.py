"""The page of a recording of one robot, which the official SDK logs: how tests open it, and what they see on it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import rerun as rr
from PIL import Image
from playwright.sync_api import Locator, Page

from tests.daemons import Daemon

MAGENTA, LIME, BLUE = (255, 0, 255), (0, 255, 0), (0, 0, 255)


def logging_into(daemon: Daemon) -> rr.RecordingStream:
    recording = rr.RecordingStream("robot", recording_id="run 1")
    recording.connect_grpc(daemon.info.grpc)
    return recording


def url(daemon: Daemon, place: str = "") -> str:
    return f"{daemon.info.http}/recordings/robot/run%201{place}"


def panel(page: Page, kind: str) -> Locator:
    return page.locator(f".kind-{kind}").first


def pixels_of(target: Locator, colour: tuple[int, int, int], tolerance: int = 3) -> Any:
    """Which of its pixels have this colour."""
    pixels = np.asarray(Image.open(io.BytesIO(target.screenshot())).convert("RGB")).astype(int)
    return np.abs(pixels - colour).max(axis=2) <= tolerance


def of_colour(target: Locator, colour: tuple[int, int, int]) -> float:
    """How much of it has this colour, from 0 to 1."""
    return float(pixels_of(target, colour).mean())


def image(colour: tuple[int, int, int]) -> rr.Image:
    return rr.Image(np.full((60, 80, 3), colour, dtype=np.uint8))


def log_at(recording: rr.RecordingStream, frame: int, path: str, what: Any) -> None:
    recording.set_time("frame", sequence=frame)
    recording.log(path, what)
