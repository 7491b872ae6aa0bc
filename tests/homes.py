"""Directories of one rerund installation, with or without a daemon, in the environment of the test's processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from rerund_sdk import places, rrd
from rerund_sdk.chunk_reader import Chunk, parse_arrow_msg, read_chunk
from rerund_sdk.control import ControlClient
from tests.daemons import Daemon, fresh_folder

WAIT_SECS = 40.0  # the machine may be slow
_T = TypeVar("_T")


def wait_until(condition: Callable[[], _T], secs: float = WAIT_SECS) -> _T:
    """The first true value of `condition`."""
    end = time.monotonic() + secs
    while not (value := condition()):
        assert time.monotonic() < end, f"did not come true within {secs} s"
        time.sleep(0.01)
    return value


def run_to_end(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """As asyncio.run, and the transports of its clients have ended, too: that takes another turn of the loop."""

    async def whole() -> _T:
        try:
            return await coroutine
        finally:
            await asyncio.sleep(0.05)

    return asyncio.run(whole())


class Home:
    """What the processes of one user share."""

    def __init__(self) -> None:
        self.folder = fresh_folder()
        self._daemon = Daemon(self.folder)
        env = self._daemon.env
        where = {name: env[name] for name in ("XDG_RUNTIME_DIR", "RERUND_HOME")}
        self.environment = {**where, "RERUND_GRPC_PORT": "0", "RERUND_HTTP_PORT": "0"}
        self.state = self._daemon.home

    def daemon(self, *options: str) -> Daemon:
        """Start one here."""
        self._daemon.options = options
        return self._daemon.start()

    def status(self) -> dict[str, Any]:
        """What the daemon says of itself, whoever started it."""
        with ControlClient() as client:
            found: dict[str, Any] = client.request("status", timeout=WAIT_SECS)
            return found

    def chunks(self, recording_id: str, application_id: str = "app") -> list[Chunk]:
        """All chunks of a recording's log."""
        return [chunk_of(message) for message in self.messages(recording_id, application_id) if is_chunk(message)]

    def messages(self, recording_id: str, application_id: str = "app") -> list[bytes]:
        """All messages of a recording's log, as they lie there."""
        segments = sorted((self.state / places.recording_dir(application_id, recording_id)).glob("*.rrd"))
        return [message for path in segments for message in messages_of(path)]

    def rows(self, recording_id: str, application_id: str = "app") -> dict[str, list[float]]:
        """The scalars of each entity, in the order of the log; properties and loss entries are left out."""
        found: dict[str, list[float]] = {}
        for chunk in self.chunks(recording_id, application_id):
            if not chunk.entity_path.startswith("/__"):
                [scalars] = [each for each in chunk.components if each.descriptor.component == "Scalars:scalars"]
                found.setdefault(chunk.entity_path, []).extend(scalars.column.flatten().to_pylist())
        return found

    def spilled(self) -> list[Path]:
        """What producers left behind."""
        return sorted((self.state / "spill").glob("*.rrd"))

    def end(self) -> None:
        """End whatever daemon runs here, and leave nothing behind."""
        info = places.read_daemon()
        if info is not None and self.folder in Path(info.home).parents:
            os.kill(info.pid, signal.SIGCONT)
            os.kill(info.pid, signal.SIGKILL)
            wait_until(lambda: places.process_start_time(info.pid) is None)
        self._daemon.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def program(text: str, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end."""
    command = [sys.executable, "-c", text, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECS, **options)


def is_chunk(message: bytes) -> bool:
    return rrd.frame_header(message, 0)[0] == rrd.Kind.ARROW


def chunk_of(message: bytes) -> Chunk:
    return read_chunk(parse_arrow_msg(memoryview(message)[rrd.MESSAGE_HEADER_SIZE :]))


def chunk_messages(data: bytes) -> list[bytes]:
    """The chunks in what a byte stream of the SDK gave."""
    frames = rrd.frames(data, rrd.STREAM_HEADER_SIZE)
    return [data[each.start : each.end] for each in frames if each.kind == rrd.Kind.ARROW]


def messages_of(path: Path) -> Iterator[bytes]:
    """The messages of an .rrd file, which must be whole; what follows the End is left out."""
    data = path.read_bytes()
    rrd.check_stream_header(data[: rrd.STREAM_HEADER_SIZE])
    end = rrd.STREAM_HEADER_SIZE
    for frame in rrd.frames(data, end):
        if frame.kind == rrd.Kind.END:
            return
        yield data[frame.start : frame.end]
        end = frame.end
    assert end == len(data), f"{path} is torn at {end} of {len(data)} bytes"
