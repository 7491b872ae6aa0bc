"""A process that logs until it is told to end, and keeps a journal of what it did."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

import rerund_sdk as rr
import rerund_sdk.modes
from rerund_sdk import losses
from rerund_sdk.recording import RecordingStream
from tests.faults import points
from tests.faults.journal import ENTITIES, Journal, now
from tests.faults.plan import Producer
from tests.faults.process import become

RECORDING = ("faults", "run")
_LOADED = (rr.Scalars, rr.TextLog, rr.Image, rr.Delivery, rerund_sdk.modes)  # before the process is forked


def entity(number: int, name: str) -> str:
    """Where producer `number` logs what it calls by `name`."""
    return f"/p{number}/{name}"


def run(folder: Path, env: dict[str, str], number: int, how: Producer, armed: points.Armed | None) -> None:
    """The life of producer `number`."""
    become(env, folder / f"p{number}.log")
    logging.basicConfig(level="WARNING")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    _Life(folder, number, how, stop).run(armed)


class _Life:
    def __init__(self, folder: Path, number: int, how: Producer, stop: threading.Event) -> None:
        self.number = number
        self.how = how
        self.stop = stop
        self.chance = random.Random(how.seed)
        self.journal = Journal(folder / f"p{number}.journal")
        self.image = np.frombuffer(self.chance.randbytes(how.image_bytes // 10 * 10), np.uint8).reshape(-1, 10)
        self._note_losses()

    def _note_losses(self) -> None:
        """What the SDK declares lost goes into the journal as well."""
        names = {entity(self.number, name): place for place, name in enumerate(ENTITIES)}
        add, lost = losses.LossCounter.add, self.journal.lost

        def add_and_note(counter: losses.LossCounter, entry: Any, cause: str) -> None:
            add(counter, entry, cause)
            if entry.entity_path in names:
                lost[names[entry.entity_path]] += entry.rows

        losses.LossCounter.add = add_and_note  # type: ignore[method-assign, assignment]

    def run(self, armed: points.Armed | None) -> None:
        recording = RecordingStream(RECORDING[0], recording_id=RECORDING[1], send_properties=False)
        if armed is not None:
            points.arm(armed)
        delivery = rr.Delivery(memory_bytes=self.how.memory_bytes, spill_bytes=self.how.spill_bytes)
        rr.connect(delivery=delivery, recording=recording)
        thread = threading.Thread(target=self._log_in_thread, args=(recording,))
        thread.start()
        while not self.stop.is_set():
            self._burst(recording)
            if self.chance.random() < 0.3:
                self._flush(recording)
            self.stop.wait(self.chance.uniform(0.0, 0.03))
        thread.join()
        self._end(recording)

    def _burst(self, recording: RecordingStream) -> None:
        for _ in range(self.chance.randint(1, 30)):
            self._log(recording, 0)
        for _ in range(self.chance.randint(0, 3)):
            self._log(recording, 1)
        if self.chance.random() < 0.3:
            self._log(recording, 2)
        if self.chance.random() < 0.02:
            self._log(recording, 3)

    def _log_in_thread(self, recording: RecordingStream) -> None:
        while not self.stop.wait(0.005):
            self._log(recording, 4)

    def _log(self, recording: RecordingStream, place: int) -> None:
        journal, name = self.journal, ENTITIES[place]
        row = int(journal.begun[place])
        data: Any = rr.Scalars(row)
        if name == "texts":
            data = rr.TextLog(f"row {row}")
        elif name == "images":
            data = rr.Image(self.image)
        recording.set_time("row", sequence=row)
        journal.begun[place] = row + 1
        start = now()
        recording.log(entity(self.number, name), data, static=name == "fixed")
        journal.took(start, now())
        journal.logged[place] = row + 1

    def _flush(self, recording: RecordingStream) -> None:
        """What it says was reached is true of all that was logged before, and since the flush before."""
        logged = self.journal.snapshot()
        (level,) = self.chance.choices(("sent", "written", "synced"), (1, 5, 3))
        flushed = recording.flush(level=level, timeout=self.chance.choice((0.01, 0.3, 2.0)))
        self.journal.note("flush", level, flushed.reached, logged, self.journal.snapshot())

    def _end(self, recording: RecordingStream) -> None:
        if self.how.ending == "disconnect":
            recording.disconnect()
        elif self.how.ending == "exit":
            sys.exit(0)
        elif self.how.ending == "exception":
            raise RuntimeError("as it was told to")
        assert os.getpid()
