"""The official Rerun web viewer, fed by our pages and by gRPC-web, in a real browser."""

from __future__ import annotations

import io
import socket
import subprocess
from typing import Any

import numpy as np
import pytest
import rerun
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browsers import VIEWER_SECS, opened, wait_until
from tests.daemons import Daemon, free_port
from tests.official import RERUN
from tests.raw_producer import frames_of

Colour = tuple[int, int, int]
MAGENTA, LIME = (255, 0, 255), (0, 255, 0)


def log_image(daemon: Daemon, colour: Colour, frame: int) -> None:
    """An image of one colour, by the official SDK."""
    recording = rerun.RecordingStream("robot", recording_id="run 1")
    recording.connect_grpc(daemon.info.grpc)
    recording.set_time("frame", sequence=frame)
    recording.log("camera", rerun.Image(np.full((60, 80, 3), colour, dtype=np.uint8)))
    recording.flush()
    recording.disconnect()


def messages_in_log(daemon: Daemon) -> int:
    return sum(len(frames_of(segment.read_bytes())) for segment in daemon.segments())


def shows(page: Page, colour: Colour) -> bool:
    """Whether a good part of the page has exactly this colour."""
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    return int((np.abs(pixels.astype(int) - colour).max(axis=2) <= 2).sum()) > 10_000


def received(page: Page) -> int:
    return int(page.locator("#received").get_attribute("data-messages") or 0)


@pytest.mark.timeout(180)
def test_the_rerun_viewer_shows_what_is_logged_live_and_goes_on_after_the_daemon_was_killed(
    make_daemon: Any, browser: Browser
) -> None:
    daemon = make_daemon(f"--http-port={free_port()}")
    log_image(daemon, MAGENTA, 1)
    with opened(f"{daemon.info.http}/rerun/robot/run%201", browser) as page:
        wait_until(page, lambda: shows(page, MAGENTA), VIEWER_SECS)
        daemon.kill()
        page.locator("#state[data-state=away]").wait_for()
        assert "daemon is away" in page.inner_text("#state")
        daemon.start()
        log_image(daemon, LIME, 2)
        wait_until(page, lambda: shows(page, LIME), VIEWER_SECS)
        assert page.inner_text("#state") == ""
        assert received(page) == messages_in_log(daemon)


@pytest.mark.timeout(120)
def test_any_rerun_web_viewer_can_connect_over_grpc_web(daemon: Daemon, browser: Browser) -> None:
    """The viewer inside the installed `rerun` program, which is a page of another origin."""
    log_image(daemon, MAGENTA, 1)
    port = free_port()
    command = [RERUN, "--serve-web", "--bind=127.0.0.1", f"--web-viewer-port={port}", f"--port={free_port()}"]
    address = daemon.info.http.replace("http://", "rerun%2Bhttp://") + "/proxy"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as host:
        try:
            context = browser.new_context(viewport={"width": 1200, "height": 800})
            page = context.new_page()
            wait_until(page, lambda: _answers(port))
            page.goto(f"http://localhost:{port}/?url={address}")
            wait_until(page, lambda: shows(page, MAGENTA), VIEWER_SECS)
            log_image(daemon, LIME, 2)
            wait_until(page, lambda: shows(page, LIME), VIEWER_SECS)
            context.close()
        finally:
            host.kill()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
