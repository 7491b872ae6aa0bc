"""A producer without a daemon, on a disk that refuses: recordings with a state directory each, that must spill much."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import rerund_sdk as rr
from rerund_sdk.delivery_sink import DeliverySink
from rerund_sdk.recording import RecordingStream
from tests.faults.disk import RefusingDisk
from tests.faults.journal import now
from tests.faults.process import become

STEPS: Final = 40
_BLOB_BYTES: Final = 12_000
_MEMORY_BYTES: Final = 200_000


def run(folder: Path, env: dict[str, str], names: list[str]) -> None:
    """Log into a recording of each name; the state directory of each is `folder`/home/NAME.

    Leaves in `folder`/NAME.json how many rows were lost, and how long the longest call of `log` took.
    """
    become(env, folder / "producer.log")
    RefusingDisk(folder / "home", folder / "refusals").arm()
    recordings = {}
    for name in names:
        os.environ["RERUND_HOME"] = str(folder / "home" / name)
        recordings[name] = RecordingStream("spill", recording_id=name, send_properties=False)
        rr.connect(recording=recordings[name], delivery=rr.Delivery(memory_bytes=_MEMORY_BYTES))
    with ThreadPoolExecutor(len(names)) as pool:
        for name, figures in zip(names, pool.map(_log_all, recordings.values()), strict=True):
            (folder / f"{name}.json").write_text(json.dumps(figures))
    sys.exit(0)


def _log_all(recording: RecordingStream) -> tuple[int, float]:
    (sink,) = recording._batcher._sinks
    assert isinstance(sink, DeliverySink)
    slowest = 0.0
    for step in range(STEPS):
        recording.set_time("row", sequence=step)
        start = now()
        recording.log("blobs", rr.AnyValues(blob=os.urandom(_BLOB_BYTES)))
        slowest = max(slowest, now() - start)
        recording.flush(level="sent")  # so that it is a message of its own
    recording.disconnect()
    return sink.status.lost_rows, slowest
