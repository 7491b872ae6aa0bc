"""The gRPC edge: Rerun's message proxy, so that stock SDKs log into the daemon and stock viewers show what it has.

Form: `rerun.sdk_comms.v1alpha1.MessageProxyService`; bodies pass as they are, only their wrapping changes.
A viewer gets every recording that is active since the daemon started, also those that become so later (`grpc_replay`
chooses others); see grpc_feed.py.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import grpc

from rerund import ports
from rerund.grpc_feed import Feed
from rerund.grpc_intake import GrpcIntake
from rerund.limits import Limits
from rerund.tls import Certificate
from rerund.tokens import Access, Gate
from rerund_sdk.errors import BadRrd, RerundError

if TYPE_CHECKING:
    from rerund.server import Server

log = logging.getLogger(__name__)

SERVICE: Final = "rerun.sdk_comms.v1alpha1.MessageProxyService"
USUAL_PORT: Final = 9876
_STOP_SECS: Final = 1.0  # for streams to end by themselves
_REQUEST_OVERHEAD: Final = 64 * 1024  # of a message, beside the .rrd message in it
_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),  # a port that is taken is taken
    ("grpc.max_send_message_length", -1),
    ("grpc.http2.max_ping_strikes", 0),  # viewers ping after data, to measure the connection: no abuse
    ("grpc.http2.min_ping_interval_without_data_ms", 1),
    ("grpc.keepalive_permit_without_calls", 1),
    # A peer that is gone is let go after 20 minutes; one that is only frozen answers again before that, and no Rerun
    # viewer reconnects. Both cost next to nothing.
    ("grpc.keepalive_time_ms", 5 * 60_000),
    ("grpc.keepalive_timeout_ms", 15 * 60_000),
)


class GrpcEdge:
    """Serves viewers and takes data from SDKs, on one port."""

    def __init__(self, server: Server, gate: Gate, limits: Limits, certificate: Certificate | None) -> None:
        """certificate: None: without TLS."""
        self.endpoint = ""
        self._gate = gate
        self._limits = limits
        self._streams = 0
        self._credentials = certificate.for_grpc() if certificate is not None else None
        self._store = server.store
        self._viewers = server.viewers
        self._config = server.config
        self._memory = server.memory
        self._max_message_bytes = server.max_message_bytes
        self._intake = GrpcIntake(server.store, server.context, server.max_message_bytes)
        self._grpc: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Bind and serve. Raises ConfigError, KeyFailure."""
        self._gate.open()
        most = self._max_message_bytes + _REQUEST_OVERHEAD
        self._grpc = grpc.aio.server(options=(*_OPTIONS, ("grpc.max_receive_message_length", min(most, 2**31 - 1))))
        # All of them as streams of requests, which is the same on the wire: so none is taken in, and inflated, before
        # its sender is admitted. What no answer depends on is not taken in at all.
        handlers = {
            "ReadMessages": grpc.stream_stream_rpc_method_handler(self._read_messages),
            "WriteMessages": grpc.stream_unary_rpc_method_handler(self._write_messages),
            "WriteTable": grpc.stream_unary_rpc_method_handler(_refuse_tables),
            "ReadTables": grpc.stream_unary_rpc_method_handler(_refuse_tables),
        }
        self._grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        port = ports.bind_port(self._bind, self._config.grpc_port, USUAL_PORT, "--grpc-port")
        await self._grpc.start()
        scheme = "rerun+http" if self._credentials is None else "rerun+https"
        self.endpoint = f"{scheme}://{ports.local_address(self._config.grpc_host, port)}/proxy"

    def _bind(self, port: int) -> int:
        assert self._grpc is not None
        host = self._config.grpc_host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family):  # gRPC would tell on stderr that a port is taken
            pass
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._credentials is not None:
                return self._grpc.add_secure_port(address, self._credentials)
            return self._grpc.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(str(error)) from error

    async def stop(self) -> None:
        """End every stream and give the port back."""
        if self._grpc is not None:
            serving, self._grpc = self._grpc, None
            await serving.stop(_STOP_SECS)
            await self._intake.close()

    @contextlib.asynccontextmanager
    async def _admitted(self, context: grpc.aio.ServicerContext[bytes, bytes], *, writes: bool) -> AsyncIterator[None]:
        """For one call, which is aborted if it may not be."""
        streams = self._streams
        if refusal := self._limits.refusal("gRPC streams", streams) or self._memory.refusal_of_stream(streams):
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, refusal)
        access = self._gate.access(_token(context), _address(context.peer()))
        if not access.may_read:
            sentence = f"this daemon wants a token, and got {access.value}: send `authorization: Bearer TOKEN`"
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, sentence)
        if writes and access is not Access.FULL:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "nothing is logged with a read-only token")
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    async def _write_messages(self, requests: Any, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        async with self._admitted(context, writes=True), self._intake.stream(context.peer()) as stream:
            try:
                async for request in requests:
                    await stream.take(request)
                await stream.finish()
            except BadRrd as error:
                log.warning("an SDK at %s sent what is no Rerun data, its stream ends: %s", context.peer(), error)
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            except RerundError as error:
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return b""

    async def _read_messages(self, _requests: Any, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        async def write(response: bytes) -> None:
            try:
                await context.write(response)
            except grpc.aio.BaseError as error:
                raise ConnectionError(str(error)) from error

        async with self._admitted(context, writes=False):
            await Feed(self._store, self._viewers, context.peer(), write).run(self._config.grpc_replay)


def _token(context: grpc.aio.ServicerContext[bytes, bytes]) -> str | None:
    for name, value in context.invocation_metadata() or ():
        scheme, _, token = str(value).partition(" ")
        if name == "authorization" and scheme.lower() == "bearer":
            return token.strip()
    return None


def _address(peer: str) -> str:
    """Of gRPC's "ipv4:127.0.0.1:1234", without the port."""
    return peer.partition(":")[2].rpartition(":")[0]


async def _refuse_tables(_requests: Any, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "rerund keeps no tables: log the data to a recording")
    return b""
