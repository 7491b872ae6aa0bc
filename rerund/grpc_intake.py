"""What an SDK sends over gRPC, on its way to the log: each of its stores becomes a producer at the intake.

Rule: a stream takes its next message only while few bytes are unacknowledged, so a slow disk reaches the sender through
HTTP/2. What was taken before a stream ends, well or badly, is written.
Blueprints: one belongs to an application, the log is of a recording; so a blueprint's messages go into the recordings
of its application that the same stream writes to. The official SDK sends them before the recording: they are held,
within bounds, until it begins. If it never does, they go to the application's recordings that are active.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import zmq
import zmq.asyncio

from rerund.foreign import ForeignMessage, StoreName, made_up_store_info, read_message, unwrap
from rerund.store import Store
from rerund_sdk import messages, rrd, wire
from rerund_sdk.errors import BadRrd, RerundError
from rerund_sdk.places import INPROC_INGEST
from rerund_sdk.version import VERSION

log = logging.getLogger(__name__)

_MAX_IN_FLIGHT_BYTES: Final = 16 << 20
_MAX_WAITING: Final = 4096  # messages
_LOT_BYTES: Final = 1 << 20  # is sent although something is on its way
_MAX_HELD_BYTES: Final = 64 << 20  # of blueprints whose recording has not begun
_THREAD_BYTES: Final = 128 << 10  # to decode more than this takes a thread, so that viewers are not kept waiting
_UNCOPIED_BYTES: Final = 32 << 10  # smaller frames are cheaper copied
_PING_SECS: Final = 4.0
_RETRY_SECS: Final = 0.5  # after the disk refused
_FINISH_SECS: Final = 10.0  # to have all written, once the sender is gone


class GrpcIntake:
    """Where the streams of one edge come in."""

    def __init__(self, store: Store, context: zmq.Context[Any], max_message_bytes: int) -> None:
        self._store = store
        self._context = zmq.asyncio.Context.shadow(context)
        self._max_message_bytes = max_message_bytes
        self._closing: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def stream(self, peer: str) -> AsyncIterator[Stream]:
        """For one WriteMessages call; at its end, whatever ended it, what was taken is written."""
        stream = Stream(self._store, self._context, self._max_message_bytes, peer)
        try:
            yield stream
        finally:
            closing = asyncio.create_task(stream.close())  # the call itself may be cancelled
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Until all that was taken is written."""
        await asyncio.gather(*self._closing, return_exceptions=True)


class Stream:
    """What one SDK sends over one connection: messages of any stores."""

    def __init__(self, store: Store, context: zmq.asyncio.Context, max_message_bytes: int, peer: str) -> None:
        self._store = store
        self._context = context
        self._max_message_bytes = max_message_bytes
        self._peer = peer
        self._producers: dict[StoreName, Producer] = {}
        self._application_ids: dict[str, str] = {}  # by recording id, for old SDKs that name it only once
        self._held: dict[str, list[ForeignMessage]] = {}  # by application id: blueprints whose recording has not begun
        self._held_bytes = 0

    async def take(self, request: bytes) -> None:
        """Pass a WriteMessagesRequest on. Raises BadRrd, or RerundError if the intake refused a message."""
        if len(request) < _THREAD_BYTES:
            message = self._read(request)
        else:
            message = await asyncio.to_thread(self._read, request)
        store = message.store
        if not store.application_id:
            store = store._replace(application_id=self._application_ids.get(store.recording_id, ""))
            if not store.application_id:
                raise BadRrd(f"a message of recording {store.recording_id!r:.80} does not say of which application")
        self._application_ids[store.recording_id] = store.application_id
        if store.is_blueprint:
            await self._take_blueprint(store.application_id, message)
        else:
            await self._take_recording(store, message)

    def _read(self, request: bytes) -> ForeignMessage:
        return read_message(*unwrap(request), self._max_message_bytes)

    async def _take_recording(self, store: StoreName, message: ForeignMessage) -> None:
        is_info = message.entry.kind == rrd.Kind.STORE_INFO
        producer = self._producers.get(store)
        if producer is None:
            info = b"".join(message.data) if is_info else await self._store_info(store)
            producer = self._begin(store, info)
            for held in self._held.pop(store.application_id, ()):
                self._held_bytes -= held.entry.size
                await producer.append(held)
        elif is_info:
            await producer.append(message)  # the intake drops it if it says what is known
        if not is_info:
            await producer.append(message)

    async def _store_info(self, store: StoreName) -> bytes:
        """The one that the log has, or one made up for a store whose own did not come."""
        recording = self._store.get(store.application_id, store.recording_id)
        if recording is not None:
            await asyncio.to_thread(recording.open)
            with contextlib.closing(recording.cursor()) as cursor:
                if first := cursor.read_now(1):
                    return bytes(first)
        return made_up_store_info(messages.store_id(store.application_id, store.recording_id))

    def _begin(self, store: StoreName, store_info: bytes) -> Producer:
        producer = self._producers[store] = Producer(self._context, store, store_info, self._peer)
        return producer

    async def _take_blueprint(self, application_id: str, message: ForeignMessage) -> None:
        producers = [each for store, each in self._producers.items() if store.application_id == application_id]
        for producer in producers:
            await producer.append(message)
        if not producers:
            self._held_bytes += message.entry.size
            if self._held_bytes > _MAX_HELD_BYTES:
                raise BadRrd(f"over {_MAX_HELD_BYTES} bytes of blueprint came before anything of a recording")
            self._held.setdefault(application_id, []).append(message)

    async def finish(self) -> None:
        """Until all is written. Raises RerundError if the intake refused a message."""
        for application_id in list(self._held):
            await self._place_held(application_id)
        for producer in self._producers.values():
            await producer.flush()

    async def _place_held(self, application_id: str) -> None:
        """Put a blueprint that came alone into the recordings it is for."""
        held = self._held.pop(application_id)
        recordings = [
            each
            for each in self._store.recordings()
            if each.application_id == application_id and each.active_since_start
        ]
        if not recordings:
            log.warning(
                "a blueprint from %s is dropped: no recording of application %r is active", self._peer, application_id
            )
        for recording in recordings:
            store = StoreName(messages.STORE_KIND_RECORDING, application_id, recording.recording_id)
            producer = self._begin(store, await self._store_info(store))
            for message in held:
                await producer.append(message)

    async def close(self) -> None:
        """Wait a while for what is not yet written, and end. Never raises."""
        try:
            await asyncio.wait_for(self.finish(), _FINISH_SECS)
        except asyncio.TimeoutError:
            log.error("an SDK at %s is gone and not all that it sent could be written", self._peer)
        except RerundError as error:
            log.error("not all that an SDK at %s sent was written: %s", self._peer, error)
        for producer in self._producers.values():
            await producer.close()


class Producer:
    """One store of one stream, as a producer of the intake.

    What comes while nothing is on its way is sent at once; what comes while something is waits for its ack, or until
    there is a lot of it: so a busy stream makes few large appends.
    """

    def __init__(self, context: zmq.asyncio.Context, store: StoreName, store_info: bytes, peer: str) -> None:
        self._hello = wire.Hello(
            wire.PROTOCOL,
            os.urandom(wire.PRODUCER_ID_SIZE),
            0,
            socket.gethostname(),
            f"gRPC client {peer}",
            store.application_id,
            store.recording_id,
            VERSION,
            store_info,
        )
        self._socket = context.socket(zmq.DEALER)
        self._socket.sndhwm = 0  # we bound it ourselves: so a send is done when it returns
        self._socket.linger = int(_FINISH_SECS * 1000)
        self._socket.connect(INPROC_INGEST)
        self._seq = 0
        self._waiting: list[ForeignMessage] = []
        self._waiting_bytes = 0
        self._in_flight: deque[wire.Append] = deque()
        self._in_flight_bytes = 0
        self._is_welcome = False  # only then are appends taken
        self._window = 0  # bytes that may be on their way
        self._asked = 0  # bytes for which a turn was asked
        self._changed = asyncio.Event()
        self._error: RerundError | None = None
        self._send(self._hello)
        self._tasks = (asyncio.create_task(self._listen()), asyncio.create_task(self._ping()))

    async def append(self, message: ForeignMessage) -> None:
        """Send a message on; waits while too much is unacknowledged. Raises RerundError if the intake refused one."""
        await self._until(self._has_room)
        self._waiting.append(message)
        self._waiting_bytes += message.entry.size
        self._send_waiting()

    async def flush(self) -> None:
        """Until all is written. Raises RerundError if the intake refused a message."""
        await self._until(lambda: not self._in_flight and not self._waiting)

    async def close(self) -> None:
        """Say goodbye. What is unacknowledged by now may be lost."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._send(wire.Goodbye(self._seq, ()))
        self._socket.close()

    def _has_room(self) -> bool:
        """One message is always taken: what does not fit the window waits here for its turn."""
        most = min(_MAX_IN_FLIGHT_BYTES, self._window)
        size = self._in_flight_bytes + self._waiting_bytes
        return not size or (size < most and len(self._waiting) < _MAX_WAITING)

    async def _until(self, ready: Callable[[], bool]) -> None:
        while self._error is None and not ready():
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    def _send_waiting(self) -> None:
        if not self._is_welcome or not self._waiting or (self._in_flight and self._waiting_bytes < _LOT_BYTES):
            return
        if self._in_flight_bytes + self._waiting_bytes <= self._window:
            self._seq += 1
            append = wire.Append(self._seq, tuple(each.entry for each in self._waiting), _joined(self._waiting))
            self._in_flight.append(append)
            self._in_flight_bytes += self._waiting_bytes
            self._waiting, self._waiting_bytes, self._asked = [], 0, 0
            self._send(append)
        elif not self._in_flight and self._asked != self._waiting_bytes:
            self._asked = self._waiting_bytes
            self._send(wire.Ping(wants=self._asked))

    def _send(self, message: wire.Message) -> None:
        frames = wire.encode(message)
        self._socket.send_multipart(frames, copy=sum(map(len, frames)) < _UNCOPIED_BYTES)

    async def _listen(self) -> None:
        while self._error is None:
            await self._handle(wire.decode(await self._socket.recv_multipart()))
            self._changed.set()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(_PING_SECS)
            self._send(wire.Ping(wants=self._asked))

    async def _handle(self, answer: wire.Message) -> None:
        if isinstance(answer, wire.Ack):
            self._window = answer.window
            self._forget(answer.written_seq)
        elif isinstance(answer, wire.Welcome):
            self._window = answer.window
            self._is_welcome = True
            self._send_again()
        elif isinstance(answer, wire.Reject):
            await self._handle_reject(answer)
        self._send_waiting()

    async def _handle_reject(self, reject: wire.Reject) -> None:
        if reject.code == "not-now":
            await asyncio.sleep(_RETRY_SECS)
            if self._is_welcome:
                self._send_again()
            else:  # the disk is not well, or too many are connected
                self._send(self._hello)
        elif reject.code == "unknown-producer":
            if self._is_welcome:  # one hello for all the appends that were refused
                self._is_welcome = False
                self._send(self._hello)
        else:
            self._error = RerundError(reject.reason)

    def _forget(self, written_seq: int) -> None:
        while self._in_flight and self._in_flight[0].seq <= written_seq:
            self._in_flight_bytes -= sum(entry.size for entry in self._in_flight.popleft().entries)

    def _send_again(self) -> None:
        for append in self._in_flight:
            self._send(append)


def _joined(batch: list[ForeignMessage]) -> tuple[bytes | memoryview, ...]:
    """The data of all messages: neighbours that are small in one frame, large bodies as they are."""
    frames: list[bytes | memoryview] = []
    small: list[bytes | memoryview] = []
    for message in batch:
        header, body = message.data
        if len(body) < _UNCOPIED_BYTES:
            small += (header, body)
        else:
            frames += (b"".join((*small, header)), body)
            small = []
    return (*frames, b"".join(small)) if small else tuple(frames)
