from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser

from rerund_sdk import links, wire
from tests.browsers import opened, wait_until
from tests.daemons import Daemon
from tests.raw_producer import RawProducer, chunk
from tests.recorded import scalars_in


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


def test_a_recording_is_pinned_and_unpinned_after_a_question(daemon: Daemon, browser: Browser) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    with opened(daemon.info.http, browser) as page:
        page.get_by_label("Pin app/run").click()
        page.locator("dialog").get_by_role("button", name="Pin").click()
        page.locator(".recording .pinned").wait_for()
        assert is_pinned(daemon)
        page.get_by_label("Unpin app/run").click()
        page.locator("dialog").get_by_role("button", name="Unpin").click()
        page.get_by_label("Pin app/run", exact=True).wait_for()  # not "Unpin"
        assert not is_pinned(daemon)


def is_pinned(daemon: Daemon) -> bool:
    with daemon.client() as client:
        return bool(client.request("recording", recording="app/run")["pinned"])


def test_a_recording_is_followed_into_a_file_until_that_is_stopped(daemon: Daemon, browser: Browser) -> None:
    file = daemon.home / "saved" / "my run.rrd"
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
        with opened(daemon.info.http, browser) as page:
            page.get_by_label("Follow app/run").click()
            page.locator("dialog").get_by_text(str(daemon.home / "saved")).wait_for()
            name = page.get_by_label("Name of the file")
            assert name.input_value() == "app-run.rrd"
            name.fill("../run.rrd")
            page.locator("dialog").get_by_role("button", name="Follow").click()
            page.get_by_role("alert").get_by_text("is no name for a file").wait_for()
            name.fill(file.name)
            page.keyboard.press("Enter")
            page.get_by_role("rowheader", name=str(file)).wait_for()
            producer.append_and_wait(chunk("run", "/a", [2.0], [2]))
            page.get_by_label(f"Stop {file}").click()
            page.locator("dialog").get_by_role("button", name="Stop").click()
            page.get_by_text("Files that are followed").wait_for(state="detached")
    assert scalars_in(file, "/a") == [1.0, 2.0]


def test_the_disk_and_what_waits_at_a_process_are_shown(daemon: Daemon, browser: Browser) -> None:
    message = chunk("run", "/a", [1.0], [1])
    with RawProducer(daemon.ingest) as producer, opened(daemon.info.http, browser) as page:
        producer.send(wire.Append(1, (message.entry,), (message.data,), waiting_bytes=5_000_000))
        page.get_by_role("cell", name="5.0 MB").wait_for()
        page.get_by_text("Writing ends when only").wait_for()
        page.get_by_role("img", name="free").wait_for()


def test_a_link_to_look_shows_all_and_offers_nothing_that_changes_it(
    make_daemon: Callable[..., Daemon], browser: Browser, tmp_path: Path
) -> None:
    daemon = make_daemon(f"--token-file={tmp_path}/tokens")
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    for name, count in (("read-only", 0), ("full", 3)):
        with opened(f"{daemon.info.http}/?token={links.token(daemon.info, name)}", browser) as page:
            page.get_by_text("Download").wait_for()
            page.get_by_text("Writing ends when only").wait_for()
            wait_until(page, lambda count=count: page.locator(".recording button").count() == count)
