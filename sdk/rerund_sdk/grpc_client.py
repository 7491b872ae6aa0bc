"""A client of gRPC calls that take a stream of messages and give one answer: the h2 library over a socket of our own.

gRPC's own library keeps threads and state of the whole process, and crashes in children that were forked meanwhile.
Here a child closes its copy of the socket, and that is all.
Form: one connection, calls one after the other. h2 turns what is to be said into bytes, and bytes into events; it knows
no socket and no thread.
Rule 1: the caller's thread sends; one more reads what the other side says. The socket is used by one of them at a time,
never while it waits.
Rule 2: h2 is asked with `_changed` held; what it then has to say is sent in that order, with `_sending` held.
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
from typing import Final
from urllib.parse import unquote

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from rerund_sdk import background
from rerund_sdk.errors import RerundError

CONNECT_SECS: Final = 5.0  # for a connection to be made, and for the other side's first word
_PART_BYTES: Final = 256 << 10  # of a message: handed to the socket at once
_SILENT_MS: Final = 20_000  # data that nobody acknowledges for so long: the other machine is gone


class CallFailed(RerundError):
    """The call, or its connection, came to nothing."""


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
        self._sending = threading.Lock()  # all that h2 has to say
        self._changed = threading.Condition()  # guards what follows
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._http.local_settings = Settings(client=True, initial_values={SettingCodes.ENABLE_PUSH: 0})
        self._broken = ""  # why nothing more can be sent
        self._is_greeted = False  # the other side has spoken
        self._stream = 0  # of the present call
        self._fields: dict[str, str] = {}  # of its answer
        self._is_answered = False

    def open(self) -> None:
        """Connect. Raises CallFailed."""
        try:
            self._socket = self._connected()
            self._http.initiate_connection()
            self._send()
        except OSError as error:
            raise CallFailed(error.strerror or str(error)) from error
        self._reader = threading.Thread(target=self._read, name="rerund grpc answers", daemon=True)
        background.start(self._reader)
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
        try:
            self._begin(path, metadata)
            for request in requests:
                self._send_message(request)
            with self._changed:
                if not self._has_ended():
                    self._http.end_stream(self._stream)
            self._send()
        except (OSError, ProtocolError) as error:
            self._break(getattr(error, "strerror", None) or str(error))
        with self._changed:
            self._changed.wait_for(self._has_ended)
            self._raise_unless_ok()

    def _begin(self, path: str, metadata: Sequence[tuple[str, str]]) -> None:
        scheme = "https" if self._is_secure else "http"
        host = f"[{self._host}]" if ":" in self._host else self._host
        fields = [(":method", "POST"), (":scheme", scheme), (":path", path), (":authority", f"{host}:{self._port}")]
        fields += [("te", "trailers"), ("content-type", "application/grpc"), *metadata]
        with self._changed:
            self._fields, self._is_answered = {}, False
            self._stream = self._http.get_next_available_stream_id()
            self._http.send_headers(self._stream, fields)
        self._send()

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
        """As the other side has room; not to its end if the call has ended."""
        rest = memoryview(b"".join((b"\0", struct.pack(">I", len(message)), message)))
        while rest:
            with self._changed:
                self._changed.wait_for(lambda: self._has_ended() or self._room() > 0)
                if self._has_ended():
                    return
                part = rest[: min(self._room(), _PART_BYTES)]
                for start in range(0, len(part), self._http.max_outbound_frame_size):
                    self._http.send_data(self._stream, bytes(part[start : start + self._http.max_outbound_frame_size]))
            rest = rest[len(part) :]
            self._send()

    def _room(self) -> int:
        """Bytes that may be sent now."""
        return self._http.local_flow_control_window(self._stream)

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

    def _send(self) -> None:
        """All that h2 has to say."""
        assert self._socket is not None
        with self._sending:
            with self._changed:
                rest = memoryview(self._http.data_to_send())
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
            while data := self._receive():
                with self._changed:
                    had_ended = self._has_ended()
                    for event in self._http.receive_data(data):
                        self._take(event)
                    self._changed.notify_all()
                    has_just_ended = self._has_ended() and not had_ended
                self._send()
                if has_just_ended:
                    self._on_end()
            self._break("it ended the connection")
        except ProtocolError as error:
            self._break(f"it does not speak HTTP/2 as it should: {error}")
        except OSError as error:
            self._break(error.strerror or str(error))

    def _take(self, event: events.Event) -> None:
        """`_changed` is held."""
        if isinstance(event, events.RemoteSettingsChanged):
            self._is_greeted = True
        elif isinstance(event, events.ConnectionTerminated):
            self._broken = self._broken or "it goes away"
        elif getattr(event, "stream_id", None) != self._stream:
            return
        elif isinstance(event, events.ResponseReceived | events.TrailersReceived):
            self._fields.update((str(name), str(value)) for name, value in event.headers or ())
        elif isinstance(event, events.DataReceived):
            self._http.acknowledge_received_data(event.flow_controlled_length or 0, self._stream)
        elif isinstance(event, events.StreamReset) and not self._is_answered:
            self._broken = self._broken or f"it ended the call with HTTP/2 error {event.error_code}"
        elif isinstance(event, events.StreamEnded):
            self._is_answered = True

    def _break(self, why: str) -> None:
        with self._changed:
            self._broken = self._broken or why or "it ended"
            self._changed.notify_all()
        self._on_end()


def _wait(waited: socket.socket, event: int) -> None:
    """Until the socket can be used, or is broken."""
    poll = select.poll()
    poll.register(waited, event)
    poll.poll()
