"""The sink that delivers a recording to a rerund daemon, through its restarts, or keeps it until there is one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import zmq

from rerund_sdk import places, shared_memory, wire
from rerund_sdk.connection import Connection
from rerund_sdk.delivery_sink import DeliverySink, program_name
from rerund_sdk.keys import Credentials
from rerund_sdk.outbox import Delivery, Outbox
from rerund_sdk.sinks import Store
from rerund_sdk.version import VERSION


class DaemonSink(DeliverySink):
    """Delivers to the daemon at `endpoint`, ipc:// or tcp://; None: this machine's."""

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        delivery: Delivery = Delivery(),  # noqa: B008 - frozen
        credentials: Credentials | None = None,
    ) -> None:
        """credentials: for a daemon that takes keys; see keys.py."""
        super().__init__(endpoint or places.ingest_endpoint(), delivery)
        self._credentials = credentials
        self._connection: Connection | None = None

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, DaemonSink) and self._credentials == other._credentials

    __hash__ = DeliverySink.__hash__

    @property
    def is_local(self) -> bool:
        """Whether the daemon sees the same files."""
        return not self.endpoint.startswith("tcp:")

    @property
    def welcome(self) -> wire.Welcome | None:
        """What the daemon said of itself; None while it does not answer."""
        connection = self._connection
        return connection.welcome if connection is not None and connection.connected else None

    def sync(self, deadline: float) -> bool:
        connection = self._courier
        if not isinstance(connection, Connection):
            return False
        last_seq = self._outbox.last_seq
        return self._outbox.wait_until(lambda: connection.synced_seq >= last_seq, deadline)

    @property
    def control(self) -> tuple[str, Credentials | None] | None:
        """Where, and with which keys, requests to this daemon go; None while it does not answer, or takes none."""
        welcome = self.welcome
        if welcome is None:
            return None
        if self.is_local:
            return welcome.control, None
        host = self.endpoint.rpartition(":")[0]  # as we know it, whatever address it listens at
        port = welcome.remote_control.rpartition(":")[2]
        return (f"{host}:{port}", self._credentials) if port else None

    def after_fork(self) -> None:
        super().after_fork()
        self._connection = None

    def _make_courier(self, store: Store, outbox: Outbox) -> Connection:
        memory = shared_memory.obtain(self.delivery.shared_bytes) if self.endpoint.startswith("ipc:") else None
        offered = memory.memory if memory is not None else None
        self._connection = Connection(
            self.endpoint, lambda id_: _hello(id_, store, offered), outbox, self._context(), self._credentials, memory
        )
        return self._connection

    def _context(self) -> zmq.Context[Any] | None:
        return None  # the connection makes its own


class EmbeddedSink(DaemonSink):
    """Delivers to a daemon inside this process, which ends with the sink.

    start: makes the daemon, in the ZeroMQ context that it is given.
    """

    def __init__(self, start: Callable[[zmq.Context[Any]], Any], *, delivery: Delivery = Delivery()) -> None:  # noqa: B008
        context: zmq.Context[Any] = zmq.Context()
        try:
            self.daemon = start(context)
        except BaseException:
            context.destroy(linger=0)
            raise
        self._shared_context: zmq.Context[Any] | None = context
        self._owner = os.getpid()
        super().__init__(self.daemon.ingest, delivery=delivery)

    def __eq__(self, other: object) -> bool:
        return self is other  # the endpoint has the same name in every process

    __hash__ = object.__hash__

    def close(self) -> None:
        super().close()
        if self._shared_context is not None and self._owner == os.getpid():
            self.daemon.close()
            self._shared_context.term()
            self._shared_context = None

    def after_fork(self) -> None:
        super().after_fork()
        self.endpoint = self.daemon.ingest_of_children
        self._shared_context = None

    def _context(self) -> zmq.Context[Any] | None:
        return self._shared_context


def _hello(producer_id: bytes, store: Store, memory: wire.Memory | None) -> wire.Hello:
    return wire.Hello(
        wire.PROTOCOL,
        producer_id,
        os.getpid(),
        socket.gethostname(),
        program_name(),
        store.application_id,
        store.recording_id,
        VERSION,
        store.store_info,
        memory,
    )
