"""The pictures in docs/pictures, of `rerund demo`: `python -m tests.pictures` makes them, people look at them."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser
from rich.console import Console

from rerund import lifecycle
from rerund.top import Watch
from rerund.top_frame import frame
from tests.browsers import chromium
from tests.daemons import fresh_folder

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
LOOKS = 25  # once a second: what the graphs of `rerund top` show
PAGE_SECS = 12  # until all views of a page are there, without a GPU
DESKTOP, PHONE = (1400, 900), (390, 844)


def main() -> None:
    folder = fresh_folder()
    here = {"RERUND_HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder), "RERUND_HTTP_PORT": "0"}
    os.environ.update(here, RERUND_GRPC_PORT="0")
    demo = subprocess.Popen([sys.executable, "-m", "rerund", "demo", "-o", str(folder / "demo.rrd")])
    try:
        picture_of_top = svg_of_top()
        status = lifecycle.request("status")
        name = status["recordings"][0]["recording_id"]
        with chromium() as browser:
            take_svg(browser, picture_of_top, PICTURES / "top.png")
            page = f"{status['http']}/recordings/rerund_demo/{name}"
            take(browser, page, "recording.png", DESKTOP, "light")
            take(browser, page, "recording-dark.png", DESKTOP, "dark")
            take(browser, page, "recording-phone.png", PHONE, "light")
            take(browser, status["http"], "home.png", (1200, 860), "dark")
    finally:
        demo.terminate()
        demo.wait()
        lifecycle.stop()
        shutil.rmtree(folder)


def svg_of_top() -> str:
    """What the terminal shows once graphs have something to show."""
    while not (lifecycle.places.read_daemon() and len(lifecycle.request("status")["producers"]) >= 8):
        time.sleep(1)
    watch = Watch(lifecycle.request)
    for _ in range(LOOKS):
        look = watch.look()
        time.sleep(1)
    console = Console(record=True, width=110, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(frame(look, watch.meter, 110, 34))
    return console.export_svg(title="rerund top")


def take_svg(browser: Browser, svg: str, path: Path) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1000}, java_script_enabled=False)
    page.route("**/*", lambda route: route.abort())  # rich names a font that lies elsewhere
    page.set_content(svg)
    page.locator("svg").first.screenshot(path=path, omit_background=True)
    page.close()


def take(browser: Browser, url: str, name: str, size: tuple[int, int], colours: str) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=colours)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url)
    page.wait_for_timeout(PAGE_SECS * 1000)
    page.screenshot(path=PICTURES / name)
    context.close()


if __name__ == "__main__":
    main()
