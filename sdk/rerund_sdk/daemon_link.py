"""One ZeroMQ connection to a daemon: its socket and the monitor that tells when it breaks, used by one thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import zmq
import zmq.utils.garbage  # lets go of frames that are sent without a copy, until its own exit hook has run
from zmq.utils.monitor import recv_monitor_message

from rerund_sdk import keys, shared_memory, wire
from rerund_sdk.outbox import InFlight
from rerund_sdk.shared_memory import SharedMemory

GOODBYE_MS: Final = 200  # what the last message may take to leave
_RECONNECT_MS: Final = (50, 500)  # first and longest pause of ZeroMQ between two attempts
_TCP_HEARTBEAT_MS: Final = (2_000, 10_000)  # interval, timeout: finds out about pulled cables
_BROKEN: Final = zmq.EVENT_DISCONNECTED | keys.REFUSALS
_JOIN_BYTES: Final = 64 * 1024  # parts below are joined into one frame, larger ones are sent without a copy


class Link:
    """Made for one attempt: when it is broken, the next one begins with a new one."""

    def __init__(
        self, context: zmq.Context[Any], endpoint: str, bell: int, credentials: keys.Credentials | None
    ) -> None:
        self.memory: SharedMemory | None = None  # what lies there is lent, not sent; None if the daemon does not see it
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.sndhwm = 0  # the outbox's window is the limit
        self._socket.rcvhwm = 0
        self._socket.reconnect_ivl, self._socket.reconnect_ivl_max = _RECONNECT_MS
        self._socket.copy_threshold = _JOIN_BYTES
        if endpoint.startswith("tcp:"):
            self._socket.heartbeat_ivl, self._socket.heartbeat_timeout = _TCP_HEARTBEAT_MS
        if credentials is not None:
            credentials.apply_to(self._socket)
        self._monitor = self._socket.get_monitor_socket(_BROKEN)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._poller.register(bell, zmq.POLLIN)
        self._endpoint = endpoint
        self._has_mail = False

    def connect(self) -> None:
        """Begin; ZeroMQ goes on trying. Raises ZMQError if there can be no such address."""
        self._socket.connect(self._endpoint)

    def wait(self, timeout_secs: float) -> bool:
        """Wait for the daemon, the bell or the timeout; False once the link is broken."""
        ready = dict(self._poller.poll(int(timeout_secs * 1000)))
        self._has_mail = self._socket in ready
        return self._monitor not in ready

    def refusal(self, door: keys.LockedDoor) -> str:
        """Why the link broke, if it was for a key; "" if not, or if it did not break."""
        if not self._monitor.poll(0):
            return ""
        told = recv_monitor_message(self._monitor)
        return door.refusal(told["event"], told["value"])

    def received(self) -> Iterator[list[bytes]]:
        """What the daemon has sent before the last `wait` ended; looking for nothing takes as long as a message."""
        if not self._has_mail:
            return
        with contextlib.suppress(zmq.Again):
            while True:
                yield self._socket.recv_multipart(zmq.NOBLOCK)

    def send(self, message: wire.Message) -> None:
        self._socket.send_multipart(wire.encode(message))

    def send_append(self, append: InFlight, waiting_bytes: int) -> None:
        entries = tuple(queued.message.entry for queued in append.batch)
        frames = list(_joined(part for queued in append.batch for part in queued.message.data))
        lent = _lent(frames, self.memory) if self.memory is not None else {}
        data = tuple(frame for number, frame in enumerate(frames) if number not in lent)
        message = wire.Append(append.seq, entries, data, waiting_bytes, tuple(lent.values()))
        self._socket.send_multipart(wire.encode(message), copy=False)

    def say_goodbye(self, goodbye: wire.Goodbye) -> None:
        self._socket.linger = GOODBYE_MS
        self.send(goodbye)

    def close(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close()


@contextlib.contextmanager
def opened_link(
    context: zmq.Context[Any], endpoint: str, bell: int, credentials: keys.Credentials | None
) -> Iterator[Link]:
    link = Link(context, endpoint, bell, credentials)
    try:
        link.connect()
        yield link
    finally:
        link.close()


def _lent(frames: list[bytes | memoryview], memory: SharedMemory) -> dict[int, wire.Lent]:
    """Those of the frames that lie in `memory`, by their numbers."""
    lent = {}
    for number, frame in enumerate(frames):
        if len(frame) >= shared_memory.MIN_BYTES and (offset := memory.place(frame)) is not None:
            lent[number] = wire.Lent(number, offset, len(frame))
    return lent


def _joined(parts: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """The same bytes in fewer frames: a small frame costs more than its copy."""
    small: list[bytes | memoryview] = []
    for part in parts:
        if len(part) < _JOIN_BYTES:
            small.append(part)
            continue
        if small:
            yield b"".join(small)
            small = []
        yield part
    if small:
        yield b"".join(small)
