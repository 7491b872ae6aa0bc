"""A newer daemon takes the place of the running one, and nobody notices."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

import rerund_sdk as rr
from rerund.relay import Relay
from rerund_sdk.errors import BadRrd, DaemonError
from rerund_sdk.version import VERSION
from tests.browsers import chromium, opened
from tests.browsers import wait_until as wait_until_page
from tests.commands import Commands
from tests.daemons import free_port, fresh_folder
from tests.homes import chunk_of, is_chunk, messages_of, wait_until
from tests.official import RERUN
from tests.raw_producer import values_of

NEWER = "99.0.0"
LONGEST_LOG_SECS = 0.25  # a call takes microseconds; what is to be found is one that waits for a daemon

Rows = dict[str, list[float]]


@pytest.fixture
def rerund(monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """Commands of which some are of a newer version; this process finds the same daemon."""
    commands = Commands(fresh_folder())
    commands.env["RERUND_HTTP_PORT"] = str(free_port())
    for name in ("XDG_RUNTIME_DIR", "RERUND_HOME"):
        monkeypatch.setenv(name, commands.env[name])
    patch = commands.folder / "newer" / "sitecustomize.py"
    patch.parent.mkdir()
    patch.write_text(f"import sys, rerund_sdk\nsys.modules['rerund_sdk.version'].VERSION = {NEWER!r}\n")
    yield commands
    commands.end()
    shutil.rmtree(commands.folder, ignore_errors=True)


def newer(rerund: Commands) -> dict[str, str]:
    """The environment of the newer version."""
    return {"PYTHONPATH": str(rerund.folder / "newer")}


def test_start_of_another_version_says_which_one_runs_and_what_to_do(rerund: Commands) -> None:
    pid = rerund.json("start")["pid"]
    first, second = rerund.ok("start", **newer(rerund)).splitlines()
    assert first.startswith(f"runs already: pid {pid}, ")
    assert second.startswith(
        f"it is rerund {VERSION}, and this is {NEWER}: `rerund restart` puts this one in its place"
    )
    assert rerund.json("restart", **newer(rerund))["version"] == NEWER
    assert rerund.ok("start", **newer(rerund)).count("\n") == 1


def test_a_restart_with_options_that_the_new_version_does_not_have_changes_nothing(rerund: Commands) -> None:
    pid = rerund.json("start")["pid"]
    gone = rerund.folder / "newer" / "sitecustomize.py"
    gone.write_text("import sys, rerund.lifecycle\nrerund.lifecycle._options_of = lambda _: ['--was-once=1']\n")
    refused = rerund.run("restart", **newer(rerund))
    assert "this version has no option --was-once=1, which the daemon was given" in refused.stderr
    assert rerund.json("status")["pid"] == pid


class Subscriber(threading.Thread):
    """Follows the recording through `rr.subscribe`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.rows: Rows = {}

    def run(self) -> None:
        with suppress(DaemonError, TimeoutError):  # at the end of the test, when there is no daemon any more
            for message in rr.subscribe("app/run"):
                if message.entity_path in ("/one", "/two"):
                    self.rows.setdefault(message.entity_path, []).extend(values_of(bytes(message.data)))


class NativeViewer(threading.Thread):
    """The official program, without a window, at a relay as `rerund view --native` makes it; writes what it is sent."""

    def __init__(self, seen: Path) -> None:
        super().__init__(daemon=True)
        self._seen = seen
        self._end: Callable[[], object] = lambda: None

    @property
    def rows(self) -> Rows:
        try:
            return rows_in(self._seen)
        except (AssertionError, FileNotFoundError, BadRrd):  # while it is being written
            return {}

    def run(self) -> None:
        asyncio.run(self._watch())

    async def _watch(self) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self._end = partial(loop.call_soon_threadsafe, ended.set)
        relay = Relay(("app", "run"))
        await relay.start()
        words = ("--connect", relay.url, "--port", "auto", "--bind", "127.0.0.1", "--save", str(self._seen))
        viewer = await asyncio.create_subprocess_exec(RERUN, *words, stderr=asyncio.subprocess.DEVNULL)
        await ended.wait()
        viewer.kill()
        await viewer.wait()
        await relay.stop()

    def end(self) -> None:
        self._end()
        self.join()


def rows_in(path: Path) -> Rows:
    """The scalars of each entity, in the order of the file."""
    rows: Rows = {}
    for message in messages_of(path):
        if is_chunk(message) and (entity := chunk_of(message).entity_path) in ("/one", "/two"):
            rows.setdefault(entity, []).extend(values_of(message))
    return rows


def count(rows: Rows) -> int:
    return sum(map(len, list(rows.values())))


@pytest.mark.timeout(180)
def test_an_upgrade_in_the_middle_of_a_run_is_noticed_by_nobody(rerund: Commands) -> None:
    old = rerund.json("start")
    producer = subprocess.Popen(
        [sys.executable, Path(__file__).parent / "programs" / "steady.py"],
        env=rerund.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: any(each["rows"] for each in rerund.json("ls")))
    file = rerund.folder / "followed.rrd"
    rerund.ok("save", "run", "-o", str(file), "--follow")
    subscriber, viewer = Subscriber(), NativeViewer(rerund.folder / "seen.rrd")
    subscriber.start()
    viewer.start()
    with chromium() as browser, opened(old["http"], browser) as page:
        row = page.locator("[data-recording='app/run']")

        def shown() -> int:
            words = row.inner_text().replace(",", "").split()
            return int(words[words.index("rows") - 1])

        row.get_by_text("rows").first.wait_for()
        wait_until_page(page, lambda: count(viewer.rows) > 50 and count(subscriber.rows) > 50)
        page.evaluate("window.isTheSame = true")

        restarted = rerund.json("restart", **newer(rerund))

        before = count(subscriber.rows)
        assert (restarted["version"], restarted["stopped"]) == (NEWER, old["pid"])
        wait_until_page(page, lambda: count(subscriber.rows) > before + 200)
        out, said = producer.communicate("\n", timeout=50)
        told = json.loads(out)
        wait_until_page(page, lambda: shown() >= sum(told["counts"].values()))
        assert page.evaluate("window.isTheSame") is True  # it was not loaded again
    assert told["delivered"] and told["longest_secs"] < LONGEST_LOG_SECS, told
    assert [line for line in said.splitlines() if not re.search(r"rows are kept|answers again", line)] == []
    expected = {entity: list(map(float, range(rows))) for entity, rows in told["counts"].items()}
    wait_until(lambda: count(subscriber.rows) >= count(expected))
    wait_until(lambda: count(viewer.rows) >= count(expected))
    viewer.end()
    rerund.ok("unsave", str(file))
    assert subscriber.rows == expected
    assert viewer.rows == expected
    assert rows_in(file) == expected
    log = sorted((rerund.home / "recordings" / "app" / "run").glob("*.rrd"), key=lambda path: int(path.stem))
    rows: Rows = {}
    for path in log:
        for entity, values in rows_in(path).items():
            rows.setdefault(entity, []).extend(values)
    assert rows == expected
