"""The page of one recording, in a real browser, with a real daemon and the official SDK as the producer."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rerun as rr
from PIL import Image
from playwright.sync_api import Browser, Page

from rerund.web import pages
from tests.browsers import opened, wait_until
from tests.daemons import Daemon
from tests.robot_page import BLUE, LIME, MAGENTA, image, log_at, logging_into, of_colour, panel, pixels_of, url


@pytest.fixture
def robot(daemon: Daemon) -> Iterator[rr.RecordingStream]:
    with logging_into(daemon) as recording:
        yield recording


NOTE_POINTS = """
window.points = [];
new MutationObserver((changes) => changes.forEach((each) => points.push(each.target.dataset.points))).observe(
  document, {subtree: true, attributes: true, attributeFilter: ["data-points"]});
"""


def log_speeds(robot: rr.RecordingStream) -> None:
    """A hundred of them, up to 9.9."""
    for frame in range(100):
        log_at(robot, frame, "arm/speed", rr.Scalars(frame / 10))
    robot.flush()


def test_a_plot_shows_what_was_logged_and_goes_on_live(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    log_speeds(robot)
    with opened(url(daemon, "#timeline=frame"), browser) as page:
        plot = panel(page, "plot").locator(".plot")
        wait_until(page, lambda: plot.count() and plot.get_attribute("data-points") == "100")
        assert plot.get_attribute("data-last") == "9.9"
        for frame in range(100, 120):
            log_at(robot, frame, "arm/speed", rr.Scalars(frame / 10))
            robot.flush()
        wait_until(page, lambda: plot.get_attribute("data-points") == "120")
        assert plot.get_attribute("data-last") == "11.9"
        wait_until(page, lambda: "#119" in plot.inner_text() and "11.9" in plot.inner_text())
        page.get_by_label("Place in the recording").fill("0")
        wait_until(page, lambda: "#0" in plot.inner_text() and "11.9" not in plot.inner_text())


def test_a_plot_never_loses_its_lines_while_it_is_loaded_or_gets_another(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    log_speeds(robot)
    with opened(url(daemon, "#timeline=frame"), browser) as page:
        page.add_init_script(NOTE_POINTS)
        page.reload()
        wait_until(page, lambda: page.evaluate("points").count("100"))
        log_at(robot, 100, "arm/torque", rr.Scalars(1.0))
        robot.flush()
        wait_until(page, lambda: "101" in page.evaluate("points"))
        seen = [int(each) for each in page.evaluate("points")]
        assert seen == sorted(seen)
        assert seen[0] == 100


def test_a_plot_of_a_million_points_is_drawn_with_as_many_as_it_has_room_for(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    count = 1_000_000
    values = np.sin(np.arange(count) / 1000)
    values[count // 2] = 50.0  # one spike, that no thinning may lose
    robot.send_columns("noise", [rr.TimeColumn("frame", sequence=np.arange(count))], rr.Scalars.columns(scalars=values))
    robot.flush()
    with opened(url(daemon, f"#timeline=frame&span={count}"), browser) as page:
        plot = panel(page, "plot").locator(".plot")
        points = wait_until(page, lambda: plot.count() and int(plot.get_attribute("data-points") or 0))
        assert 500 < points < 10_000
        assert page.locator(".u-axis").count() > 0
        shown = page.evaluate("document.querySelector('.kind-plot .plot').dataset.most")
        assert float(shown) == 50.0


def test_images_of_every_kind_show_their_pixels(daemon: Daemon, robot: rr.RecordingStream, browser: Browser) -> None:
    png = io.BytesIO()
    Image.new("RGB", (80, 60), LIME).save(png, "PNG")
    robot.log("raw", image(MAGENTA), static=True)
    robot.log("bgr", rr.Image(np.full((60, 80, 3), (255, 0, 0), np.uint8), color_model="BGR"), static=True)
    robot.log("png", rr.EncodedImage(contents=png.getvalue(), media_type="image/png"), static=True)
    robot.log(
        "depth",
        rr.DepthImage(np.full((60, 80), 2.0, np.float32), colormap="grayscale", depth_range=(0, 2)),
        static=True,
    )
    robot.flush()
    with opened(url(daemon), browser, height=1400) as page:
        for path, colour in (("/raw", MAGENTA), ("/bgr", BLUE), ("/png", LIME), ("/depth", (255, 255, 255))):
            shown = page.locator(f"[data-view='image {path}'] canvas")
            wait_until(page, lambda shown=shown: shown.count() and shown.get_attribute("data-size") == "80x60")
            assert of_colour(shown, colour) > 0.5, path


def test_scrubbing_shows_what_was_there_at_the_time(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    for frame, colour in ((0, MAGENTA), (10, LIME), (20, BLUE)):
        log_at(robot, frame, "camera", image(colour))
    robot.flush()
    with opened(url(daemon, "#timeline=frame"), browser) as page:
        camera = panel(page, "image").locator("canvas")
        wait_until(page, lambda: of_colour(camera, BLUE) > 0.5)
        slider = page.get_by_label("Place in the recording")
        for place, colour in ((5000, LIME), (4999, MAGENTA), (10_000, BLUE), (0, MAGENTA)):
            slider.fill(str(place))
            wait_until(page, lambda colour=colour: of_colour(camera, colour) > 0.5)
        page.keyboard.press("ArrowRight")
        wait_until(page, lambda: of_colour(camera, LIME) > 0.5)
        page.keyboard.press("End")
        wait_until(page, lambda: of_colour(camera, BLUE) > 0.5)
        page.keyboard.press("Home")
        wait_until(page, lambda: of_colour(camera, MAGENTA) > 0.5)
        wait_until(page, lambda: "at=0" in page.url)
        place = page.url
    with opened(place, browser) as page:
        wait_until(page, lambda: of_colour(panel(page, "image").locator("canvas"), MAGENTA) > 0.5)


def test_a_3d_scene_shows_points_boxes_and_meshes_where_their_transforms_put_them(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    robot.log("world/robot", rr.Transform3D(translation=[1, 2, 0]), static=True)
    robot.log("world/robot/body", rr.Boxes3D(half_sizes=[[0.5, 0.5, 0.5]], colors=[LIME]), static=True)
    robot.log("world/cloud", rr.Points3D(np.random.default_rng(0).normal(size=(500, 3)), colors=[MAGENTA]), static=True)
    corners = [[-3, -3, -1], [3, -3, -1], [0, 3, -1]]
    robot.log("world/floor", rr.Mesh3D(vertex_positions=corners, vertex_colors=[BLUE] * 3), static=True)
    robot.flush()
    with opened(url(daemon), browser) as page:
        scene = panel(page, "scene").locator(".scene")
        wait_until(page, lambda: scene.get_attribute("data-entities") == "3")
        wait_until(page, lambda: of_colour(scene, MAGENTA) > 0.002 and of_colour(scene, BLUE) > 0.002)
        cloud, box = (np.argwhere(pixels_of(scene, colour, 60)).mean(axis=0) for colour in (MAGENTA, LIME))
        assert box[1] > cloud[1] + 20, "the box is to the right of the cloud, where its robot is"


def test_a_text_log_comes_live_and_can_be_filtered_and_searched(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    log_at(robot, 1, "log", rr.TextLog("motor is warm", level="WARN"))
    log_at(robot, 2, "log", rr.TextLog("all well", level="INFO"))
    robot.flush()
    with opened(url(daemon, "#timeline=frame"), browser) as page:
        rows = panel(page, "text_log").locator(".row")
        wait_until(page, lambda: rows.count() == 2)
        log_at(robot, 3, "log", rr.TextLog("<b id=broken>fire</b>", level="ERROR"))
        robot.flush()
        page.get_by_text("<b id=broken>fire</b>").wait_for()
        assert page.locator("#broken").count() == 0
        page.get_by_label("Least level").select_option("WARN")
        wait_until(page, lambda: rows.count() == 2)
        page.get_by_label("Find in the log").fill("MOTOR")
        wait_until(page, lambda: rows.count() == 1)


def test_no_row_of_a_text_log_is_left_out_however_many_come(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    log_at(robot, 0, "log", rr.TextLog("row 0"))
    robot.flush()
    with opened(url(daemon, "#timeline=frame"), browser) as page:
        rows = panel(page, "text_log").locator(".row")
        wait_until(page, lambda: rows.count() == 1)
        for frame in range(1, 701):
            log_at(robot, frame, "log", rr.TextLog(f"row {frame}"))
        robot.flush()
        wait_until(page, lambda: rows.count() == 701)
        assert panel(page, "text_log").locator(".text").all_inner_texts() == [f"row {n}" for n in range(700, -1, -1)]


def test_markdown_is_shown_and_cannot_run_or_load_anything(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    evil = "# Hello\n<img src=x onerror=\"document.body.id='broken'\"><script>document.body.id='broken'</script>\n"
    evil += "<a href=\"javascript:document.body.id='broken'\">link</a> <style>body{display:none}</style> **bold**"
    robot.log("notes", rr.TextDocument(evil, media_type="text/markdown"), static=True)
    robot.flush()
    context = browser.new_context()
    page = context.new_page()
    page.goto(url(daemon))
    notes = panel(page, "document").locator("article")
    notes.locator("h1", has_text="Hello").wait_for()
    notes.locator("strong", has_text="bold").wait_for()
    assert page.locator("body#broken").count() == 0
    assert notes.locator("script, style, [onerror], [href^=javascript]").count() == 0
    context.close()


def test_bars_and_other_values_are_shown(daemon: Daemon, robot: rr.RecordingStream, browser: Browser) -> None:
    robot.log("histogram", rr.BarChart(np.array([3, 1, 4, 1, 5])), static=True)
    robot.log("place", rr.AnyValues(name="dock 7"), static=True)
    robot.flush()
    with opened(url(daemon), browser) as page:
        wait_until(page, lambda: panel(page, "bar_chart").locator("canvas").get_attribute("data-values") == "3 1 4 1 5")
        panel(page, "table").get_by_text("dock 7").wait_for()


def test_views_can_be_closed_moved_and_given_to_a_colleague(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    for path in ("a/x", "b/x", "c/x"):
        log_at(robot, 1, path, rr.Scalars(1.0))
    robot.flush()
    with opened(url(daemon), browser) as page:
        shown = page.locator(".panel")
        wait_until(page, lambda: shown.count() == 3)
        page.get_by_label("Close /b/x").click()
        shown.nth(1).locator("header").drag_to(shown.nth(0))
        wait_until(page, lambda: "views=" in page.url)
        page.wait_for_timeout(600)
        place = page.url
    with opened(place, browser) as page:
        wait_until(page, lambda: shown_views(page) == ["plot /c/x", "plot /a/x"])
        page.get_by_label("Show /b/x as Plot").click()
        assert shown_views(page) == ["plot /b/x", "plot /c/x", "plot /a/x"]
        page.get_by_text("Arrange by itself").click()
        wait_until(page, lambda: shown_views(page) == ["plot /a/x", "plot /b/x", "plot /c/x"])


def shown_views(page: Page) -> list[str | None]:
    return [each.get_attribute("data-view") for each in page.locator(".panel").all()]


def test_an_open_page_goes_on_after_the_daemon_was_killed(make_daemon: Callable[..., Daemon], browser: Browser) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = make_daemon(f"--http-port={port}")
    with logging_into(daemon) as robot:
        log_at(robot, 1, "camera", image(MAGENTA))
    with opened(url(daemon), browser) as page:
        camera = panel(page, "image").locator("canvas")
        wait_until(page, lambda: of_colour(camera, MAGENTA) > 0.5)
        daemon.kill()
        page.get_by_text("The daemon is away").wait_for()
        daemon.start()
        with logging_into(daemon) as robot:
            log_at(robot, 2, "camera", image(LIME))
        wait_until(page, lambda: of_colour(camera, LIME) > 0.5)
        assert page.get_by_text("The daemon is away").count() == 0


def test_two_tabs_stand_where_each_was_put(daemon: Daemon, robot: rr.RecordingStream, browser: Browser) -> None:
    log_at(robot, 0, "camera", image(MAGENTA))
    log_at(robot, 1, "camera", image(LIME))
    robot.flush()
    with (
        opened(url(daemon, "#timeline=frame"), browser) as live,
        opened(url(daemon, "#timeline=frame&at=0"), browser) as paused,
    ):
        followed, stopped = (panel(page, "image").locator("canvas") for page in (live, paused))
        wait_until(live, lambda: followed.count() and of_colour(followed, LIME) > 0.5)
        wait_until(paused, lambda: stopped.count() and of_colour(stopped, MAGENTA) > 0.5)
        log_at(robot, 2, "camera", image(BLUE))
        robot.flush()
        wait_until(live, lambda: of_colour(followed, BLUE) > 0.5)
        assert of_colour(stopped, MAGENTA) > 0.5
        paused.get_by_label("Place in the recording").fill("5000")
        wait_until(paused, lambda: of_colour(stopped, LIME) > 0.5)
        assert of_colour(followed, BLUE) > 0.5
        paused.keyboard.press("End")
        wait_until(paused, lambda: of_colour(stopped, BLUE) > 0.5)


def test_a_page_can_be_used_soon_after_it_was_asked_for(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    log_at(robot, 0, "camera", image(MAGENTA))
    log_at(robot, 1, "speed", rr.Scalars(1.0))
    robot.flush()
    took = []
    for path, ready in (("/", ".recording"), ("/recordings/robot/run%201", ".panel canvas")):
        started = time.monotonic()
        with opened(daemon.info.http + path, browser) as page:
            page.locator(ready).first.wait_for()
            page.get_by_role("button", name="Colours").click()
            page.locator("html[data-theme=dark]").wait_for()
            took.append(time.monotonic() - started)
    with capsys.disabled():
        print(f"\nopened and used, in a fresh browser profile: home {took[0]:.2f} s, recording {took[1]:.2f} s")
    assert max(took) < 5


def test_a_phone_shows_one_view_below_the_other(daemon: Daemon, robot: rr.RecordingStream, browser: Browser) -> None:
    log_at(robot, 1, "camera", image(MAGENTA))
    log_at(robot, 1, "speed", rr.Scalars(1.0))
    robot.flush()
    with opened(url(daemon), browser, width=360, height=740) as page:
        wait_until(page, lambda: page.locator(".panel").count() == 2)
        boxes = [each.bounding_box() or {} for each in page.locator(".panel").all()]
        assert boxes[0]["x"] == boxes[1]["x"] and boxes[0]["y"] < boxes[1]["y"]
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.get_by_role("button", name="Live", exact=True).is_visible()


class SlowLink:
    """A TCP relay to a daemon that lets only so many bytes a second back."""

    def __init__(self, daemon: Daemon, bytes_per_sec: int) -> None:
        self._target = ("127.0.0.1", int(daemon.info.http.rsplit(":", 1)[1]))
        self._rate = bytes_per_sec
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._relay, "127.0.0.1"), self._loop)
        self._server = started.result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        try:
            there = asyncio.create_task(self._pass(reader, far_writer, None))
            await self._pass(far_reader, writer, self._rate)
            there.cancel()
        finally:
            for each in (writer, far_writer):
                each.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rate: int | None) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(16 * 1024):
                writer.write(data)
                await writer.drain()
                if rate:
                    await asyncio.sleep(len(data) / rate)

    def end(self) -> None:
        async def cancel_all() -> None:
            self._server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.05)  # transports close in the loop's next rounds

        asyncio.run_coroutine_threadsafe(cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.mark.timeout(180)
def test_a_slow_link_gets_fewer_images_and_every_row_of_text_and_says_so(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)  # 230 kB: eight a second fit
    log_at(robot, 0, "camera", rr.Image(noise))
    log_at(robot, 0, "log", rr.TextLog("row 0"))
    robot.flush()
    link = SlowLink(daemon, 2_000_000)
    try:
        with opened(f"{link.url}/recordings/robot/run%201#timeline=frame", browser) as page:
            rows = panel(page, "text_log").locator(".row")
            wait_until(page, lambda: rows.count() == 1, 60)
            for frame in range(1, 301):
                log_at(robot, frame, "camera", rr.Image(np.roll(noise, frame, axis=1)))
                log_at(robot, frame, "log", rr.TextLog(f"row {frame}"))
                page.wait_for_timeout(20)
            robot.flush()
            page.get_by_text("frames/s").wait_for()
            wait_until(page, lambda: rows.count() == 301, 60)
            texts = panel(page, "text_log").locator(".text").all_inner_texts()
            assert texts == [f"row {n}" for n in range(300, -1, -1)]
    finally:
        link.end()


def test_an_open_page_says_that_its_recording_was_removed(
    daemon: Daemon, robot: rr.RecordingStream, browser: Browser
) -> None:
    log_at(robot, 1, "speed", rr.Scalars(1.0))
    robot.flush()
    robot.disconnect()
    with opened(url(daemon), browser) as page:
        wait_until(page, lambda: page.locator(".panel").count() == 1)
        with daemon.client() as client:
            client.request("remove", recording="robot/run 1")
        page.locator("[role=status]", has_text="robot/run 1").wait_for()
    assert "Traceback" not in daemon.said()


def test_what_a_first_visit_loads_is_small() -> None:
    """Of the recording page with a 3D scene, compressed; the Rerun viewer is loaded only by its own page."""
    folder = pages.STATIC
    text = (folder / "recording.html").read_text() + "".join(
        each.read_text() for each in (folder / "assets").glob("recording-*.js")
    )
    loaded = {name for name in (each.name for each in (folder / "assets").glob("*.[jc]s*")) if name in text}
    sizes = {name: (folder / "assets" / f"{name}.gz").stat().st_size for name in loaded if not name.endswith(".gz")}
    assert any(name.startswith("stage-") for name in sizes)
    assert sum(sizes.values()) < 400_000, sizes
