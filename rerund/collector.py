"""What producers left behind when they ended, brought into their recordings: the files in the state directory's spill/.

A file says by itself where it belongs, and its name who wrote it (rerund_sdk/spill.py). Its messages go to the intake
as those of a producer, so that one thread writes logs; the file is deleted once they are in the log, and synced.
Rule 1: a file that is locked belongs to a producer that lives. The files of one producer are taken in together, in
order, when none is locked.
Rule 2: exactly once. Of what was delivered already the chunk ids are in the recording's index, however old.
Rule 3: what cannot be taken in is kept aside as NAME.damaged, and said once.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import zmq

from rerund.errors import LogWriteError, RecordingRemoved
from rerund.foreign import ForeignMessage, read_message
from rerund.log import mapped
from rerund.store import Store
from rerund_sdk import rrd, wire
from rerund_sdk.errors import BadRrd
from rerund_sdk.places import INPROC_INGEST
from rerund_sdk.version import VERSION

log = logging.getLogger(__name__)

COLLECT_SECS: Final = 3.0
_SETTLED_SECS: Final = 1.0  # a younger file may be one that its producer is about to lock
_NAME: Final = re.compile(r"(?P<producer>[0-9a-f]+-(?P<pid>\d+))-(?P<queue>\w+)-(?P<number>\d+)\.rrd")
_IN_FLIGHT_BYTES: Final = 8 << 20
_APPEND_BYTES: Final = 1 << 20
_APPEND_MESSAGES: Final = 512
_ANSWER_SECS: Final = 30.0
_POLL_MS: Final = 200


class SpillFile(NamedTuple):
    """One file, by its name."""

    path: Path
    producer: str
    pid: int
    queue: str
    number: int


class _Later(Exception):
    """Not now: it is tried again in the next round."""


class _Refused(Exception):
    """The intake will never take a message."""


class Collector:
    """Belongs to the thread that calls `collect`."""

    def __init__(self, directory: Path, store: Store, context: zmq.Context[Any], wait_synced: bool) -> None:
        self._directory = directory
        self._store = store
        self._context = context
        self._wait_synced = wait_synced

    def waiting(self) -> tuple[int, int]:
        """(files, bytes) that lie there. From any thread."""
        sizes = []
        for file in _files(self._directory):
            with contextlib.suppress(OSError):
                sizes.append(file.path.stat().st_size)
        return len(sizes), sum(sizes)

    def collect(self, stopping: threading.Event) -> None:
        """Take in what nobody owns any more."""
        by_producer: dict[str, list[SpillFile]] = {}
        for file in _files(self._directory):
            by_producer.setdefault(file.producer, []).append(file)
        for producer, files in by_producer.items():
            with _owned(files) as is_ours:
                if is_ours and set(files) == self._files_of(producer):
                    self._take_in(sorted(files, key=lambda file: (file.queue, file.number)), stopping)

    def _files_of(self, producer: str) -> set[SpillFile]:
        """All, once one of them is unlocked: it may have ended between the look at the directory and the locks."""
        return {file for file in _files(self._directory) if file.producer == producer}

    def _take_in(self, files: list[SpillFile], stopping: threading.Event) -> None:
        for file in files:
            if stopping.is_set():
                return
            try:
                self._take_in_one(file, stopping)
            except (_Later, LogWriteError, RecordingRemoved) as reason:
                log.debug("not yet taken in (%s): %s", reason, file.path)
                return
            except OSError as error:
                log.error("what a producer left behind cannot be read (%s): %s", error, file.path)
                return

    def _take_in_one(self, file: SpillFile, stopping: threading.Event) -> None:
        content = _Content(file.path)
        if content.store_info is None:
            if content.damage:
                _keep_aside(file.path, content.damage)
            else:
                _delete(file.path)  # its producer ended before it had written anything
            return
        store = content.store_info.store
        recording = self._store.obtain(store.application_id, store.recording_id)
        recording.open()
        known = recording.index.known_chunk_ids([each.entry.chunk_id for each in content.messages])
        fresh = [each for each in content.messages if not each.entry.chunk_id or each.entry.chunk_id not in known]
        if fresh:
            try:
                with _Producer(self._context, file, content.store_info, stopping) as producer:
                    producer.deliver(fresh, self._wait_synced)
            except _Refused as error:
                content.damage = content.damage or str(error)
        rows = sum(each.entry.rows for each in fresh)
        log.info("took in %d rows that pid %d had left behind: recording %s", rows, file.pid, recording.name)
        if content.damage:
            _keep_aside(file.path, content.damage)
        else:
            _delete(file.path)


class _Content:
    """What lies in a spill file. `damage` says what cannot be used; a tail torn by a kill is none."""

    def __init__(self, path: Path) -> None:
        self.store_info: ForeignMessage | None = None
        self.messages: list[ForeignMessage] = []
        self.damage = ""
        view = mapped(path)
        if len(view) < rrd.STREAM_HEADER_SIZE:
            return
        try:
            rrd.check_stream_header(bytes(view[: rrd.STREAM_HEADER_SIZE]))
            for frame in rrd.frames(view, rrd.STREAM_HEADER_SIZE):
                if frame.kind == rrd.Kind.END:
                    raise BadRrd(f"the stream ends at offset {frame.start}")
                self._add(frame, view)
        except BadRrd as error:
            self.damage = self.damage or str(error)

    def _add(self, frame: rrd.Frame, view: memoryview) -> None:
        try:
            message = read_message(frame.kind, view[frame.body])
        except BadRrd as error:
            self.damage = self.damage or f"at offset {frame.start}: {error}"
            return
        if self.store_info is None:
            if frame.kind != rrd.Kind.STORE_INFO:
                raise BadRrd("it does not begin with a store info")
            self.store_info = message
        else:
            self.messages.append(message)


class _Producer:
    """A producer that sends what another one could not."""

    def __init__(
        self, context: zmq.Context[Any], file: SpillFile, store_info: ForeignMessage, stopping: threading.Event
    ) -> None:
        self._stopping = stopping
        self._seq = 0
        self._in_flight: dict[int, int] = {}  # seq -> bytes
        self._synced_seq = 0
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(INPROC_INGEST)
        self._send(
            wire.Hello(
                wire.PROTOCOL,
                os.urandom(wire.PRODUCER_ID_SIZE),
                file.pid,
                socket.gethostname(),
                f"left behind by pid {file.pid}",
                store_info.store.application_id,
                store_info.store.recording_id,
                VERSION,
                b"".join(store_info.data),
            )
        )

    def __enter__(self) -> _Producer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close(linger=1000)

    def deliver(self, messages: list[ForeignMessage], wait_synced: bool) -> None:
        """Until all is written, and synced. Raises _Later, _Refused."""
        while not isinstance(self._receive(), wire.Welcome):
            pass
        for batch in _batches(messages):
            self._until(lambda: sum(self._in_flight.values()) < _IN_FLIGHT_BYTES)
            self._seq += 1
            self._in_flight[self._seq] = sum(each.entry.size for each in batch)
            data = tuple(part for each in batch for part in each.data)
            self._send(wire.Append(self._seq, tuple(each.entry for each in batch), data))
        self._until(lambda: not self._in_flight)
        if wait_synced:
            self._until(lambda: self._synced_seq >= self._seq)
        self._send(wire.Goodbye(self._seq, ()))

    def _send(self, message: wire.Message) -> None:
        self._socket.send_multipart(wire.encode(message))

    def _until(self, done: Any) -> None:
        while not done():
            answer = self._receive()
            if isinstance(answer, wire.Ack):
                self._synced_seq = answer.synced_seq
                for seq in [seq for seq in self._in_flight if seq <= answer.written_seq]:
                    del self._in_flight[seq]

    def _receive(self) -> wire.Message:
        """The next answer, unless it is a refusal. Raises _Later, _Refused."""
        until = time.monotonic() + _ANSWER_SECS
        while not self._socket.poll(_POLL_MS):
            if self._stopping.is_set() or time.monotonic() > until:
                raise _Later("no answer came")
        answer = wire.decode(self._socket.recv_multipart())
        if isinstance(answer, wire.Reject):
            raise (_Refused if answer.code == "bad-message" else _Later)(answer.reason)
        return answer


def _batches(messages: list[ForeignMessage]) -> Iterator[list[ForeignMessage]]:
    batch: list[ForeignMessage] = []
    size = 0
    for message in messages:
        if batch and (size + message.entry.size > _APPEND_BYTES or len(batch) == _APPEND_MESSAGES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += message.entry.size
    if batch:
        yield batch


def _files(directory: Path) -> list[SpillFile]:
    try:
        names = os.listdir(directory)  # noqa: PTH208 - names are all that is needed
    except FileNotFoundError:
        return []
    found = ((name, _NAME.fullmatch(name)) for name in names)
    return [
        SpillFile(directory / name, match["producer"], int(match["pid"]), match["queue"], int(match["number"]))
        for name, match in found
        if match
    ]


@contextlib.contextmanager
def _owned(files: list[SpillFile]) -> Iterator[bool]:
    """Whether all of them are nobody's, and now ours until the end of the block."""
    with contextlib.ExitStack() as opened:
        try:
            for file in files:
                fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
                opened.callback(os.close, fd)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(fd).st_mtime < _SETTLED_SECS:
                    raise BlockingIOError
        except OSError:  # locked, or gone
            yield False
            return
        yield True


def _keep_aside(path: Path, reason: str) -> None:
    aside = path.with_name(path.name + ".damaged")
    path.rename(aside)
    path.with_suffix(".index").unlink(missing_ok=True)
    log.error("not all that a producer left behind can be taken in (%s), it is kept aside: %s", reason, aside)


def _delete(path: Path) -> None:
    path.unlink()
    path.with_suffix(".index").unlink(missing_ok=True)
