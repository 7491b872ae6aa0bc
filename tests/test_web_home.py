from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browsers import chromium, opened, wait_until
from tests.daemons import Daemon
from tests.raw_producer import RawProducer, chunk


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_the_home_page_lists_recordings_as_they_come_and_links_to_them(daemon: Daemon, browser: Browser) -> None:
    with opened(daemon.info.http, browser) as page:
        page.get_by_text("Nothing was logged yet").wait_for()
        with RawProducer(daemon.ingest, "run/1 ü") as producer:
            producer.append_and_wait(chunk("run/1 ü", "/a", [1.0, 2.0], [1, 2]))
            row = page.locator("[data-recording='app/run/1 ü']")
            row.get_by_text("2 rows").wait_for()
            row.get_by_text("1 process", exact=False).wait_for()
        with page.expect_download() as download:
            row.get_by_text("Download").click()
        assert download.value.path().read_bytes() == daemon.segments()[0].read_bytes()
        assert row.get_by_role("link").first.get_attribute("href") == "/recordings/app/run%2F1%20%C3%BC"


def test_names_are_shown_as_text_whatever_they_contain(daemon: Daemon, browser: Browser) -> None:
    name = "<img src=x onerror=document.body.id='broken'>"
    with RawProducer(daemon.ingest, name) as producer:
        producer.append_and_wait(chunk(name, "/a", [1.0], [1]))
        with opened(daemon.info.http, browser) as page:
            page.get_by_text(name).first.wait_for()
            assert page.locator("body#broken, main img").count() == 0


def test_a_banner_says_that_the_daemon_is_away(daemon: Daemon, browser: Browser) -> None:
    with opened(daemon.info.http, browser) as page:
        page.get_by_text("Nothing was logged yet").wait_for()
        daemon.kill()
        page.get_by_text("The daemon is away").wait_for()


def test_the_colours_that_were_chosen_are_kept(daemon: Daemon, browser: Browser) -> None:
    with opened(daemon.info.http, browser) as page:
        page.get_by_role("button", name="Colours: system").click()
        page.reload()
        page.get_by_role("button", name="Colours: dark").wait_for()
        wait_until(page, lambda: page.evaluate("getComputedStyle(document.body).colorScheme") == "dark")


def test_a_recording_is_deleted_only_after_a_question(daemon: Daemon, browser: Browser) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    with opened(daemon.info.http, browser) as page:
        page.get_by_label("Delete app/run").click()
        page.get_by_role("button", name="Cancel").click()
        page.locator("dialog").wait_for(state="detached")
        assert daemon.segments()
        page.get_by_label("Delete app/run").click()
        page.locator("dialog").get_by_role("button", name="Delete").click()
        page.get_by_text("Nothing was logged yet").wait_for()
        assert daemon.segments() == []
