"""The sink that delivers a recording to a stock Rerun viewer or server, over its gRPC message proxy.

The protocol has no acknowledgement but one: the answer to a stream of messages, at its end. So a stream is ended when
somebody waits, when enough was sent, or when nothing more comes, and the next one begins. What was sent in a stream
that broke is sent again in the next one, after the SetStoreInfo; viewers know chunks by their ids.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from rerund_sdk import background, patience
from rerund_sdk.delivery_sink import DeliverySink
from rerund_sdk.errors import ModeError
from rerund_sdk.grpc_client import CallFailed, GrpcConnection
from rerund_sdk.messages import varint
from rerund_sdk.outbox import Delivery, InFlight, Outbox
from rerund_sdk.rrd import MESSAGE_HEADER_SIZE, Kind
from rerund_sdk.sinks import Store

logger = logging.getLogger("rerund_sdk")

Parts: TypeAlias = "Sequence[bytes | memoryview]"

DEFAULT_URL: Final = "rerun+http://127.0.0.1:9876/proxy"
_METHOD: Final = "/rerun.sdk_comms.v1alpha1.MessageProxyService/WriteMessages"
_UNLIMITED: Final = 2**63
_IDLE_SECS: Final = 0.5  # of silence that end a stream
_RETRY_SECS: Final = 0.5
_STOP_SECS: Final = 0.5  # for the thread to see that it is the end; if it is connecting, it need not


class GrpcSink(DeliverySink):
    """Streams to a Rerun viewer or server. Mirrors `rerun.GrpcSink`.

    url: rerun+http://HOST:PORT/proxy, or rerun+https:// or rerun:// (TLS); default: rerun+http://127.0.0.1:9876/proxy.
    Raises ModeError if it is no such URL.
    """

    def __init__(self, url: str | None = None, *, delivery: Delivery = Delivery()) -> None:  # noqa: B008 - frozen
        super().__init__(url or DEFAULT_URL, delivery)
        self._address = parse_url(self.endpoint)

    def _make_courier(self, store: Store, outbox: Outbox) -> GrpcStream:
        return GrpcStream(*self._address, store, outbox)


def parse_url(url: str) -> tuple[str, int, bool]:
    """(host, port, whether it is TLS) of a Rerun URL. Raises ModeError."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("rerun", "rerun+http", "rerun+https") or parts.path != "/proxy" or not parts.hostname:
        port = -1
    if port == -1:
        raise ModeError(f"{url!r} is no address of a Rerun viewer: must be rerun+http://HOST:PORT/proxy")
    is_secure = parts.scheme != "rerun+http"
    if port is None:
        is_local = parts.hostname in ("127.0.0.1", "localhost")
        port = 9876 if is_local else 443 if is_secure else 80
    return parts.hostname or "", port, is_secure


class GrpcStream:
    """The thread that empties an outbox into one stream after the other."""

    def __init__(self, host: str, port: int, is_secure: bool, store: Store, outbox: Outbox) -> None:
        self.producer_id = os.urandom(16)
        self.connected = False
        self.on_change: Callable[[], None] = lambda: None
        self._address = (host, port, is_secure)
        self._store = store
        self._outbox = outbox
        self._bell = _Bell()
        self._is_fresh = True  # the other side may not know the recording
        self._away_told = False
        self._requests: _Requests | None = None  # of the present stream
        self._connection: GrpcConnection | None = None
        self._thread = threading.Thread(target=self._run, name="rerund grpc", daemon=True)

    def start(self) -> None:
        background.start(self._thread)

    def ring(self) -> None:
        self._bell.ring(news=True)

    def hurry(self) -> None:
        self._bell.ring(hurry=True)

    def dismiss(self) -> None:
        self._bell.ring(stop=True)

    def stop(self) -> None:
        self.dismiss()
        if self._connection is not None:
            self._connection.interrupt()
        if self._thread.ident is not None:
            patience.join(self._thread, _STOP_SECS)

    def after_fork(self) -> None:
        if self._connection is not None:
            self._connection.forget()

    # The thread

    def _run(self) -> None:
        token = os.environ.get("RERUND_TOKEN")  # rerund daemons beyond this machine want one; others don't look
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        while not self._bell.stopped:
            connection = self._connection = GrpcConnection(*self._address, self._end_stream)
            try:
                connection.open()
                self._note(connected=True)
                while not self._bell.stopped:
                    self._stream_once(connection, metadata)
            except CallFailed as error:
                self._tell_away(error)
            finally:
                connection.close()
                self._is_fresh = True
                self._note(connected=False)
            with self._bell.changed:
                self._bell.changed.wait_for(lambda: self._bell.stopped, _RETRY_SECS)

    def _stream_once(self, connection: GrpcConnection, metadata: Sequence[tuple[str, str]]) -> None:
        requests = _Requests(self._outbox, self._bell, self._store.store_info if self._is_fresh else None)
        self._requests = requests
        connection.call(_METHOD, metadata, requests)
        if not requests.were_all_sent:
            raise CallFailed("it answered before the end of the stream")
        self._is_fresh = False
        self._outbox.acked(requests.last_seq)

    def _end_stream(self) -> None:
        """Nothing more is sent in it: it was answered, or broke."""
        if self._requests is not None:
            self._requests.end()

    def _note(self, *, connected: bool) -> None:
        if connected and self._away_told:
            self._away_told = False
            logger.warning("%s answers again", self._name)
        if connected != self.connected:
            self.connected = connected
            self.on_change()

    def _tell_away(self, error: CallFailed) -> None:
        if not self._away_told and not self._bell.stopped:
            self._away_told = True
            logger.warning("no Rerun viewer answers at %s (%s): rows are kept and sent when it does", self._name, error)

    @property
    def _name(self) -> str:
        host, port, _ = self._address
        return f"{host}:{port}"


class _Requests:
    """What is sent in one stream, until it is time for an answer."""

    def __init__(self, outbox: Outbox, bell: _Bell, store_info: bytes | None) -> None:
        self.last_seq = 0
        self._outbox = outbox
        self._bell = bell
        self._ended = False
        self._pending: deque[tuple[int, int, Parts]] = deque()  # seq, kind, message
        if store_info is not None:
            self._pending.append((0, Kind.STORE_INFO, (store_info,)))
        for append in outbox.in_flight:
            self._add(append)

    def __iter__(self) -> _Requests:
        return self

    def __next__(self) -> bytes:
        with self._bell.changed:
            while not self._pending:
                self._wait_for_more()
            if self._ended:
                raise StopIteration
            self.last_seq, kind, parts = self._pending.popleft()
        return _request(kind, parts)

    @property
    def were_all_sent(self) -> bool:
        """Nothing is left of an append of which something was sent."""
        return not self._pending

    def end(self) -> None:
        """The stream is over: nothing more is taken from the outbox for it."""
        with self._bell.changed:
            self._ended = True
            self._bell.changed.notify_all()

    def _wait_for_more(self) -> None:
        """Raises StopIteration if the stream should end."""
        bell = self._bell
        bell.has_news = False
        if self._ended or bell.stopped:
            raise StopIteration
        if append := self._outbox.next_append(_UNLIMITED):
            self._add(append)
            return
        awaits_answer = self.last_seq > 0 and len(self._outbox.in_flight) > 0
        if awaits_answer and (bell.in_hurry or self._outbox.has_waiting):
            raise StopIteration
        bell.in_hurry = False
        bell.changed.wait_for(
            lambda: bell.has_news or bell.in_hurry or bell.stopped or self._ended,
            _IDLE_SECS if awaits_answer else None,
        )
        if awaits_answer and not bell.has_news:
            raise StopIteration

    def _add(self, append: InFlight) -> None:
        for queued in append.batch:
            self._pending.append((append.seq, queued.message.entry.kind, queued.message.data))


class _Bell:
    """What the other threads want of the stream."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.has_news = False
        self.in_hurry = False
        self.stopped = False

    def ring(self, *, news: bool = False, hurry: bool = False, stop: bool = False) -> None:
        with self.changed:
            self.has_news |= news
            self.in_hurry |= hurry
            self.stopped |= stop
            self.changed.notify_all()


def _request(kind: int, parts: Parts) -> bytes:
    """A WriteMessagesRequest that holds a LogMsg that holds the message's body."""
    first = memoryview(parts[0])[MESSAGE_HEADER_SIZE:]
    size = len(first) + sum(len(part) for part in parts[1:])
    field = bytes((kind << 3 | 2,)) + varint(size)
    return b"".join((b"\x0a", varint(len(field) + size), field, first, *parts[1:]))
