"""Who logs: one process's part in one recording, as the intake knows it.

Rule: appends of a producer are taken in the order of their numbers, without gap, each once. The first append of one
that this daemon has not met may have any number: what came before was taken by an earlier daemon.
"""

from __future__ import annotations

from typing import NamedTuple

from rerund.lent_memory import LentMemory
from rerund.recording import Recording
from rerund_sdk.wire import Append, Hello


class ProducerInfo(NamedTuple):
    """A producer, for `status`."""

    producer_id: str
    application_id: str
    recording_id: str
    pid: int
    host: str
    name: str
    sdk_version: str
    connected: float  # seconds since the epoch
    idle_secs: float  # since anything came from it
    lag_secs: float  # from the log_time of its latest row to its arrival; 0.0: unknown
    waiting_bytes: int  # that it keeps because they were not sent yet, about
    messages: int
    rows: int
    bytes: int
    lost_rows: int  # as it declared


class Producer:
    """Belongs to the intake thread; others only read its figures."""

    def __init__(self, hello: Hello, recording: Recording, now: float) -> None:
        self.hello = hello
        self.recording = recording
        self.identity = b""  # its present connection
        self.memory: LentMemory | None = None  # from which it lends frames
        self.is_inside = False  # of this process: what it waits with is memory of ours
        self.connected = now
        self.last_heard = now
        self.taken_seq: int | None = None  # last append that was taken into a pass; None: any may come first
        self.written_seq = 0
        self.synced_seq = 0
        self.unacked_appends = 0  # written, and it was not told yet
        self.unacked_bytes = 0
        self.refusing = False  # an append was refused: those after it are dropped until it comes again
        self.messages = 0
        self.rows = 0
        self.bytes = 0
        self.lost_rows = 0
        self.lag_secs = 0.0
        self.waiting_bytes = 0
        self.losses_id = b""  # of the last losses that are in the log

    def hear_of(self, append: Append) -> None:
        """What an append tells, whether it is taken or not. Clocks of other machines may be ahead of ours."""
        self.waiting_bytes = append.waiting_bytes
        logged = next((each.max for each in append.entries[-1].ranges if each.timeline == "log_time"), None)
        if logged is not None:
            self.lag_secs = max(0.0, self.last_heard - logged / 1e9)

    def info(self, now: float) -> ProducerInfo:
        hello = self.hello
        return ProducerInfo(
            hello.producer_id.hex(),
            self.recording.application_id,
            self.recording.recording_id,
            hello.pid,
            hello.host,
            hello.name,
            hello.sdk_version,
            self.connected,
            max(0.0, now - self.last_heard),
            self.lag_secs,
            self.waiting_bytes,
            self.messages,
            self.rows,
            self.bytes,
            self.lost_rows,
        )
