"""Debian's Chromium, headless and with a software GPU, for tests of the pages."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from typing import TypeVar

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
VIEWER_SECS = 50.0  # the Rerun viewer is 47 MB of WebAssembly to compile, and draws without a GPU here

T = TypeVar("T")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(url: str, browser: Browser, *, width: int = 1200, height: int = 800) -> Iterator[Page]:
    """A page of a fresh profile. It must ask nobody but its daemon, break no policy, and not fail."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    asked: list[str] = []
    refused: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(url)
    try:
        yield page
    finally:
        context.close()
    own = "/".join(url.split("/")[:3])
    assert [each for each in asked if not each.startswith((own, own.replace("http", "ws", 1), "blob:"))] == []
    assert refused == []
    assert failures == [], failures


def wait_until(page: Page, get: Callable[[], T], secs: float = 30.0) -> T:
    """What `get` returns once that is true; the page goes on meanwhile."""
    for _ in range(int(secs / 0.05)):
        if found := get():
            return found
        page.wait_for_timeout(50)
    raise AssertionError(f"nothing within {secs} s; the page says:\n{page.inner_text('body')}")
