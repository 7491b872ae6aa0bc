"""A client of gRPC calls that take a stream of messages and give one answer: HTTP/2 (RFC 9113) over a socket.

gRPC's own library keeps threads and state of the whole process, and crashes in children that were forked meanwhile.
Here a child closes its copy of the socket, and that is all.
Form: one connection, calls one after the other, on streams 1, 3, 5 and so on.
Rule: the caller's thread sends; one more reads what the other side says, and answers its pings. The socket is used by
one of them at a time, never while it waits.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote

from rerund_sdk import hpack
from rerund_sdk.errors import RerundError

CONNECT_SECS: Final = 5.0  # for a connection to be made, and for the other side's first word
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK: Final = 1
_END_STREAM: Final = 1
_END_HEADERS: Final = 4
_PADDED, _PRIORITY = 8, 32
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = 1, 2, 4, 5
_USUAL_WINDOW: Final = 65535
_USUAL_FRAME: Final = 16384
_LARGEST_FRAME: Final = 1 << 20  # that we take
_LARGEST_ANSWER: Final = 1 << 20
_SILENT_MS: Final = 20_000  # data that nobody acknowledges for so long: the other machine is gone


class CallFailed(RerundError):
    """The call, or its connection, came to nothing."""


class Frame(NamedTuple):
    """What HTTP/2 is made of."""

    kind: int
    flags: int
    stream: int
    body: bytes


class GrpcConnection:
    """To one server. For one thread, but for `interrupt`."""

    def __init__(self, host: str, port: int, is_secure: bool, on_end: Callable[[], None]) -> None:
        """on_end: called on any thread when a call that is under way has ended, well or badly."""
        self._host = host
        self._port = port
        self._is_secure = is_secure
        self._on_end = on_end
        self._reader: threading.Thread | None = None
        self._socket: socket.socket | None = None
        self._using = threading.Lock()  # the socket, for a moment
        self._sending = threading.Lock()  # a whole frame
        self._changed = threading.Condition()  # guards what follows
        self._broken = ""  # why nothing more can be sent
        self._is_greeted = False  # the other side has spoken
        self._room = _USUAL_WINDOW  # bytes that may be sent, on the connection...
        self._stream_room = _USUAL_WINDOW  # ...and on the present stream
        self._initial_room = _USUAL_WINDOW
        self._frame_bytes = _USUAL_FRAME
        self._stream = -1
        self._fields: dict[str, str] = {}  # of the answer
        self._is_answered = False

    def open(self) -> None:
        """Connect. Raises CallFailed."""
        try:
            self._socket = self._connected()
            self._send_all(
                _PREFACE + _frame(_SETTINGS, 0, 0, struct.pack(">HIHI", _HEADER_TABLE_SIZE, 0, _ENABLE_PUSH, 0))
            )
        except OSError as error:
            raise CallFailed(error.strerror or str(error)) from error
        self._reader = threading.Thread(target=self._read, name="rerund grpc answers", daemon=True)
        self._reader.start()
        with self._changed:
            self._changed.wait_for(lambda: self._is_greeted or self._broken, CONNECT_SECS)
            if not self._is_greeted:
                raise CallFailed(self._broken or f"it said nothing for {CONNECT_SECS:.0f} s")

    def _connected(self) -> socket.socket:
        made = socket.create_connection((self._host, self._port), CONNECT_SECS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_MS)
        if self._is_secure:
            context = ssl.create_default_context()
            context.set_alpn_protocols(["h2"])
            made = context.wrap_socket(made, server_hostname=self._host)
        made.setblocking(False)
        return made

    def call(self, path: str, metadata: Sequence[tuple[str, str]], requests: Iterable[bytes]) -> None:
        """Send all requests and wait for the answer. Raises CallFailed."""
        with self._changed:
            self._stream += 2
            self._stream_room = self._initial_room
            self._fields, self._is_answered = {}, False
        scheme = "https" if self._is_secure else "http"
        fields = [(":method", "POST"), (":scheme", scheme), (":path", path), (":authority", self._authority)]
        fields += [("te", "trailers"), ("content-type", "application/grpc"), *metadata]
        try:
            self._send(_frame(_HEADERS, _END_HEADERS, self._stream, hpack.encode(fields)))
            for request in requests:
                self._send_message(request)
            if not self._has_ended():
                self._send(_frame(_DATA, _END_STREAM, self._stream, b""))
        except OSError as error:
            self._break(error.strerror or str(error))
        with self._changed:
            self._changed.wait_for(self._has_ended)
            self._raise_unless_ok()

    @property
    def _authority(self) -> str:
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    def _has_ended(self) -> bool:
        return self._is_answered or bool(self._broken)

    def _raise_unless_ok(self) -> None:
        if not self._is_answered:
            raise CallFailed(self._broken)
        if self._fields.get("grpc-status") != "0":
            said = (
                unquote(self._fields.get("grpc-message", "")) or f"HTTP status {self._fields.get(':status', 'unknown')}"
            )
            raise CallFailed(f"status {self._fields.get('grpc-status', 'none')}: {said}")

    def _send_message(self, message: bytes) -> None:
        """In frames, as the other side has room; not to its end if the call has ended."""
        rest = memoryview(b"".join((b"\0", struct.pack(">I", len(message)), message)))
        while rest:
            with self._changed:
                self._changed.wait_for(lambda: self._has_ended() or (self._room > 0 and self._stream_room > 0))
                if self._has_ended():
                    return
                size = min(len(rest), self._room, self._stream_room, self._frame_bytes)
                self._room -= size
                self._stream_room -= size
            self._send(_frame(_DATA, 0, self._stream, rest[:size]))
            rest = rest[size:]

    def interrupt(self) -> None:
        """Break whatever is under way, but for the making of a connection. From any thread."""
        self._break("it was interrupted")
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Nothing is under way any more."""
        self.interrupt()
        if self._reader is not None:
            self._reader.join()
        if self._socket is not None:
            self._socket.close()

    def forget(self) -> None:
        """In a forked child: the connection is the parent's."""
        if self._socket is not None:
            os.close(self._socket.detach())  # not as TLS closes: that would tell the other side

    # the socket

    def _send(self, frame: bytes) -> None:
        with self._sending:
            self._send_all(frame)

    def _send_all(self, data: bytes) -> None:
        assert self._socket is not None
        rest = memoryview(data)
        while rest:
            if self._broken:
                raise ConnectionError(self._broken)
            sent = 0
            with self._using, contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                sent = self._socket.send(rest)
            if not sent:
                _wait(self._socket, select.POLLOUT)
            rest = rest[sent:]

    def _receive(self) -> bytes:
        """What there is; b"" at the end."""
        assert self._socket is not None
        while True:
            with self._using, contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return self._socket.recv(65536)
            _wait(self._socket, select.POLLIN)

    # the thread that reads

    def _read(self) -> None:
        try:
            received = bytearray()
            while data := self._receive():
                received += data
                while (frame := _taken(received)) is not None:
                    self._take(frame)
            self._break("it ended the connection")
        except (OSError, ValueError, struct.error) as error:
            self._break(getattr(error, "strerror", None) or str(error))

    def _take(self, frame: Frame) -> None:
        if frame.kind == _SETTINGS and not frame.flags & _ACK:
            self._set(frame.body)
            self._send(_frame(_SETTINGS, _ACK, 0, b""))
        elif frame.kind == _PING and not frame.flags & _ACK:
            self._send(_frame(_PING, _ACK, 0, frame.body))
        elif frame.kind == _WINDOW_UPDATE:
            self._grow(frame.stream, struct.unpack(">I", frame.body)[0] & 0x7FFFFFFF)
        elif frame.kind == _GOAWAY:
            self._break("it goes away")
        elif frame.stream == self._stream:
            self._take_answer(frame)

    def _set(self, body: bytes) -> None:
        with self._changed:
            for name, value in struct.iter_unpack(">HI", body):
                if name == _INITIAL_WINDOW_SIZE:
                    self._stream_room += value - self._initial_room
                    self._initial_room = value
                elif name == _MAX_FRAME_SIZE:
                    self._frame_bytes = min(value, _LARGEST_FRAME)
            self._is_greeted = True
            self._changed.notify_all()

    def _grow(self, stream: int, size: int) -> None:
        with self._changed:
            if stream == 0:
                self._room += size
            elif stream == self._stream:
                self._stream_room += size
            self._changed.notify_all()

    def _take_answer(self, frame: Frame) -> None:
        if frame.kind == _DATA and frame.body:
            self._send(_frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", len(frame.body))))  # room for further answers
        elif frame.kind == _HEADERS:
            if not frame.flags & _END_HEADERS:
                raise ValueError("its headers are in several frames")
            self._fields.update(hpack.decode(_without_padding(frame)))
        elif frame.kind == _RST_STREAM and not self._is_answered:
            raise ValueError(f"it ended the call with HTTP/2 error {int.from_bytes(frame.body, 'big')}")
        if frame.kind in (_HEADERS, _DATA) and frame.flags & _END_STREAM:
            with self._changed:
                self._is_answered = True
                self._changed.notify_all()
            self._on_end()

    def _break(self, why: str) -> None:
        with self._changed:
            self._broken = self._broken or why or "it ended"
            self._changed.notify_all()
        self._on_end()


def _frame(kind: int, flags: int, stream: int, body: bytes | memoryview) -> bytes:
    return b"".join((len(body).to_bytes(3, "big"), bytes((kind, flags)), stream.to_bytes(4, "big"), body))


def _taken(received: bytearray) -> Frame | None:
    """The first frame, which is taken out, if all of it is there. Raises ValueError."""
    if len(received) < 9:
        return None
    size = int.from_bytes(received[:3], "big")
    if size > _LARGEST_ANSWER:
        raise ValueError("it does not speak HTTP/2")
    if len(received) < 9 + size:
        return None
    stream = int.from_bytes(received[5:9], "big") & 0x7FFFFFFF
    frame = Frame(received[3], received[4], stream, bytes(received[9 : 9 + size]))
    del received[: 9 + size]
    return frame


def _without_padding(frame: Frame) -> bytes:
    body = frame.body
    if frame.flags & _PADDED:
        body = body[1 : len(body) - body[0]]
    return body[5:] if frame.flags & _PRIORITY else body


def _wait(waited: socket.socket, event: int) -> None:
    """Until the socket can be used, or is broken."""
    poll = select.poll()
    poll.register(waited, event)
    poll.poll()
