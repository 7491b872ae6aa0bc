"""A recording far larger than a browser's memory is opened and scrubbed in bounded time and memory; prints figures."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from playwright.sync_api import Page

import rerund_sdk as rr
from rerund.bell import Bells
from rerund.describe import describe, open_chunk
from rerund.store import Store
from rerund_sdk import rrd
from rerund_sdk.wire import TimeRange
from tests.browsers import chromium, opened, wait_until
from tests.daemons import Daemon, fresh_folder

pytestmark = pytest.mark.usefixtures("uncompressed")

GIGABYTES = float(os.environ.get("RERUND_TEST_LARGE_GB", "5"))
SIZE = (480, 640, 3)
FRAME = 0x1122334455667788  # in the template, to be found and replaced
TAB_BYTES = 256 << 20  # of JavaScript's heap and array buffers
DAEMON_BYTES = 250 << 20


def image_messages(count: int) -> Iterator[tuple[bytes, Any]]:
    """Images as our SDK logs them, each with its own ids, time and brightness; made by patching one of them."""
    recording = rr.RecordingStream("app", recording_id="large", send_properties=False)
    recording.set_log_time_enabled(False)
    stream = recording.binary_stream()
    recording.set_time("frame", sequence=FRAME)
    recording.log("camera", rr.Image(np.full(SIZE, 77, dtype=np.uint8)))
    data = stream.read() or b""
    message = next(
        data[frame.start : frame.end]
        for frame in rrd.frames(data, rrd.STREAM_HEADER_SIZE)
        if frame.kind == rrd.Kind.ARROW
    )
    entry = describe(message)
    row_id = open_chunk(message).row_id_column[0].as_py()
    pixels = message.find(bytes([77]) * 1000)
    assert pixels > 0, "the template is compressed"
    for number in range(count):
        chunk_id = entry.chunk_id[:8] + number.to_bytes(8, "big")
        patched = message.replace(entry.chunk_id.hex()[16:].encode(), chunk_id.hex()[16:].encode())
        patched = patched.replace(row_id, row_id[:8] + number.to_bytes(8, "big"))
        patched = patched.replace(FRAME.to_bytes(8, "little"), number.to_bytes(8, "little"))
        patched = patched[:pixels] + bytes([number % 256]) * np.prod(SIZE) + patched[pixels + np.prod(SIZE) :]
        times = (TimeRange("frame", "sequence", number, number),)
        yield patched, entry._replace(chunk_id=chunk_id, ranges=times)


def write_recording(home: Path, gigabytes: float) -> int:
    """How many images it has."""
    recording = Store(home, 256 << 20, Bells()).obtain("app", "large")
    recording.open()
    count = int(gigabytes * 1e9 / np.prod(SIZE))
    for number, (message, entry) in enumerate(image_messages(count)):
        recording.append([message], [entry], len(message))
        if number % 100 == 0:
            recording.write_index()
    recording.write_index()
    recording.release()
    return count


def grey_of(page: Page) -> int:
    """The brightness in the middle of the image that the page shows."""
    look = "c => { const p = c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data; return p[0]; }"
    return int(page.locator(".kind-image canvas").evaluate(look))


@pytest.mark.timeout(600)
def test_a_recording_of_gigabytes_opens_and_scrubs_in_bounded_time_and_memory(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = fresh_folder()
    (folder / "run").mkdir(mode=0o700)
    started = time.monotonic()
    count = write_recording(folder / "home", GIGABYTES)
    written = time.monotonic() - started
    daemon = Daemon(folder)
    try:
        daemon.start()
        with chromium() as browser, opened(f"{daemon.info.http}/recordings/app/large#timeline=frame", browser) as page:
            started = time.monotonic()
            wait_until(page, lambda: page.locator(".kind-image canvas[data-size='640x480']").count(), 60)
            first = time.monotonic() - started
            slider = page.get_by_label("Place in the recording")
            moves = []
            for place in np.random.default_rng(0).integers(0, 10_000, 20).tolist():
                started = time.monotonic()
                slider.fill(str(place))
                wanted = int(place / 10_000 * (count - 1) + 1e-6) % 256
                wait_until(page, lambda wanted=wanted: grey_of(page) == wanted, 60)
                moves.append(time.monotonic() - started)
            heap = int(page.evaluate("performance.memory.usedJSHeapSize"))
            assert daemon.process is not None
            resident = psutil.Process(daemon.process.pid).memory_info().rss
    finally:
        daemon.end()
    with capsys.disabled():
        print(
            f"\n{GIGABYTES:g} GB, {count} images, written in {written:.0f} s: opened in {first:.2f} s; "
            f"scrubbed 20 times, median {np.median(moves):.2f} s, worst {max(moves):.2f} s; "
            f"tab {heap / 1e6:.0f} MB, daemon {resident / 1e6:.0f} MB"
        )
    assert heap < TAB_BYTES
    assert resident < DAEMON_BYTES
