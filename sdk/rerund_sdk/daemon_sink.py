"""The sink that delivers a recording to a rerund daemon, through its restarts, or keeps it until there is one.

At the end, what could not be delivered is left in files of the state directory, and one line says where. A forked
child starts empty, as a producer of its own in the same recording, at its first message.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import zmq

from rerund_sdk import places, wire
from rerund_sdk.connection import Connection
from rerund_sdk.outbox import Delivery, Outbox
from rerund_sdk.sinks import EncodedMessage, Store
from rerund_sdk.spiller import Spiller
from rerund_sdk.version import VERSION

logger = logging.getLogger("rerund_sdk")

_CLOSE_SECS: Final = 1.0  # for goodbye and for what is left to be written


class DeliveryStatus(NamedTuple):
    """How far the delivery of a recording is."""

    endpoint: str
    connected: bool  # the daemon answers
    daemon_version: str  # "" while not connected
    undelivered_messages: int
    memory_bytes: int
    disk_bytes: int
    lost_rows: int


class DaemonSink:
    """Delivers to the daemon at `endpoint` (ipc://, tcp:// or inproc://); None: this machine's."""

    tick_secs = 0.0  # rows leave at once, in batches under load

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        delivery: Delivery = Delivery(),  # noqa: B008 - frozen
        context: zmq.Context[Any] | None = None,
        endpoint_of_children: str | None = None,
    ) -> None:
        """context: of the daemon, for inproc. endpoint_of_children: for forked ones, where inproc does not reach."""
        self.endpoint = endpoint or places.ingest_endpoint()
        self.delivery = delivery
        self._context = context
        self._endpoint_of_children = endpoint_of_children
        self._store: Store | None = None
        self._outbox = Outbox(delivery)
        self._connection: Connection | None = None
        self._spiller: Spiller | None = None
        self._losses_told = 0
        self._closed = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DaemonSink) and self.endpoint == other.endpoint

    def __hash__(self) -> int:
        return hash(self.endpoint)

    def __repr__(self) -> str:
        return f"DaemonSink({self.endpoint!r})"

    @property
    def status(self) -> DeliveryStatus:
        """How it stands now."""
        connection, spiller = self._connection, self._spiller
        connected = connection is not None and connection.connected
        welcome = connection.welcome if connection is not None else None
        return DeliveryStatus(
            self.endpoint,
            connected,
            welcome.daemon_version if welcome is not None and connected else "",
            len(self._outbox),
            self._outbox.memory,
            spiller.nbytes if spiller is not None else 0,
            self._outbox.lost_rows,
        )

    @property
    def welcome(self) -> wire.Welcome | None:
        """What the connected daemon said of itself."""
        connection = self._connection
        return connection.welcome if connection is not None and connection.connected else None

    def open(self, store: Store) -> None:
        self._store = store
        self._start()

    def send(self, messages: Sequence[EncodedMessage]) -> None:
        if self._connection is None and not self._start():
            return
        assert self._connection is not None
        self._outbox.put(messages)
        self._connection.ring()

    def flush(self, deadline: float) -> bool:
        """Whether the daemon has written all that was sent so far, and nothing was lost since the last flush."""
        delivered = self._outbox.wait_delivered(self._outbox.last_number, deadline)
        lost, self._losses_told = self._outbox.lost_rows - self._losses_told, self._outbox.lost_rows
        return delivered and not lost

    def close(self) -> None:
        """Say goodbye; what is not delivered is left on disk."""
        if self._closed:
            return
        self._closed = True
        if self._connection is None or self._spiller is None:
            return
        self._connection.stop(time.monotonic() + _CLOSE_SECS)
        rest = self._spiller.close(time.monotonic() + _CLOSE_SECS)
        if rest.messages and rest.paths:
            where = ", ".join(map(str, rest.paths))
            logger.warning("%s has not taken %d messages: they are kept in %s", self.endpoint, rest.messages, where)
        elif rest.messages:
            logger.error("%s has not taken %d messages: they are lost", self.endpoint, rest.messages)

    def after_fork(self) -> None:
        if self._connection is not None:
            self._connection.after_fork()
        if self._spiller is not None:
            self._spiller.after_fork()
        self._outbox = Outbox(self.delivery)
        self._connection = self._spiller = None
        self._losses_told = 0
        if self._endpoint_of_children is not None:
            self.endpoint, self._context, self._endpoint_of_children = self._endpoint_of_children, None, None

    def _start(self) -> bool:
        """Become a producer of this process, at its first use."""
        store = self._store
        if store is None or self._closed:
            return False
        connection = Connection(self.endpoint, lambda id_: _hello(id_, store), self._outbox, self._context)
        name = f"{connection.producer_id.hex()}-{os.getpid()}"
        self._spiller = Spiller(self._outbox, spill_directory(), name, store.store_info, connection.ring)
        self._connection = connection
        try:
            connection.start()
        except RuntimeError:  # the interpreter is ending and starts no more threads; close() puts all on disk
            logger.debug("no connection to %s was made: the program is ending", self.endpoint)
        return True


def spill_directory() -> Path:
    """Where producers leave what they could not deliver."""
    return places.home() / "spill"


def _hello(producer_id: bytes, store: Store) -> wire.Hello:
    return wire.Hello(
        wire.PROTOCOL,
        producer_id,
        os.getpid(),
        socket.gethostname(),
        _program_name(),
        store.application_id,
        store.recording_id,
        VERSION,
        store.store_info,
    )


def _program_name() -> str:
    """What people know this process by."""
    script = sys.argv[0] if sys.argv else ""
    return Path(script).name or Path(sys.executable).name
