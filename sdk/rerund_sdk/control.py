"""Requests to the daemon: a small blocking client of its control socket."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, NamedTuple

import zmq
from zmq.utils.monitor import recv_monitor_message

from rerund_sdk import keys, places, wire
from rerund_sdk.errors import DaemonError

_TELL_SECS: Final = 10.0  # for what asks for no answer to leave


class Messages(NamedTuple):
    """What a subscription yields."""

    data: bytes  # whole .rrd messages
    position: str  # where the next begins: `from_` of a subscription that continues here


class ControlClient:
    """For one thread. `endpoint`: of the control socket; None: this machine's daemon."""

    def __init__(
        self,
        endpoint: str | None = None,
        context: zmq.Context[Any] | None = None,
        *,
        credentials: keys.Credentials | None = None,
    ) -> None:
        """credentials: for a daemon that takes keys; default: as of `connect` without arguments. Raises KeyFailure."""
        self._endpoint = endpoint or places.control_endpoint()
        self._credentials = credentials or keys.credentials(self._endpoint)
        self._door = keys.LockedDoor(self._endpoint, self._credentials)
        self._context = context or zmq.Context.instance()
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None  # tells why we are not let in
        self._ids = itertools.count(1)

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.disable_monitor()
            self._socket.close(linger=0)
            self._socket = None
        if self._monitor is not None:
            self._monitor.close(linger=0)
            self._monitor = None

    def request(self, verb: str, timeout: float = 10.0, **args: Any) -> Any:
        """Ask and wait for the answer. Raises TimeoutError after `timeout` seconds, DaemonError if it is refused."""
        deadline = time.monotonic() + timeout
        number = self._send(verb, args, deadline)
        while True:
            reply = self._receive(verb, deadline)
            if reply.id == number:
                return reply.result

    def subscribe(
        self, recording: str, from_: str = "start", timeout: float | None = None, follow: bool = True
    ) -> Iterator[Messages]:
        """All messages of a recording from a place on ("start", "end" or "SEGMENT:OFFSET"), then live.

        timeout: longest silence, in seconds, then TimeoutError; None: waits for ever. Not `follow`: ends at the end.
        """
        args = {"recording": recording, "from": from_, "follow": follow}
        number = self._send("subscribe", args, None if timeout is None else time.monotonic() + timeout)
        try:
            while True:
                reply = self._receive("subscribe", None if timeout is None else time.monotonic() + timeout)
                if reply.id != number:
                    continue
                if reply.data:
                    yield Messages(bytes(reply.data[0]), reply.result["position"])
                    self._send("more", {"subscription": number}, time.monotonic() + _TELL_SECS)
                if not reply.more:
                    return
        finally:
            if self._socket is not None:
                with contextlib.suppress(TimeoutError, DaemonError):
                    self._send("unsubscribe", {"subscription": number}, time.monotonic())

    def _send(self, verb: str, args: dict[str, Any], deadline: float | None) -> int:
        if self._socket is None:
            self._socket = self._context.socket(zmq.DEALER)
            if self._credentials is not None:
                self._credentials.apply_to(self._socket)
            self._monitor = self._socket.get_monitor_socket(keys.REFUSALS)
            self._socket.connect(self._endpoint)
        number = next(self._ids)
        frames = wire.encode(wire.Request(number, verb, args))
        while True:
            self._wait(zmq.POLLOUT, verb, deadline)
            with contextlib.suppress(zmq.Again):  # the connection was there a moment ago and broke
                self._socket.send_multipart(frames, zmq.NOBLOCK)
                return number

    def _wait(self, event: int, verb: str, deadline: float | None) -> None:
        """Until the socket can be used. Raises TimeoutError, and DaemonError if we are not let in."""
        assert self._socket is not None and self._monitor is not None
        poller = zmq.Poller()
        poller.register(self._socket, event)
        poller.register(self._monitor, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(None if deadline is None else max(0, int((deadline - time.monotonic()) * 1000))))
            if self._socket in ready:
                return
            if not ready:
                raise TimeoutError(f"no daemon answered {verb!r} in time: {self._endpoint}")
            told = recv_monitor_message(self._monitor)
            if reason := self._door.refusal(told["event"], told["value"]):
                self.close()
                raise DaemonError(f"the daemon at {self._endpoint} does not let us in: {reason}")

    def _receive(self, verb: str, deadline: float | None) -> wire.Reply:
        self._wait(zmq.POLLIN, verb, deadline)
        assert self._socket is not None
        reply = wire.decode(self._socket.recv_multipart())
        self._door.let_us_in()
        if not isinstance(reply, wire.Reply):
            raise DaemonError(f"{self._endpoint} answered {type(reply).__name__}: this is no control socket")
        if reply.error:
            raise DaemonError(reply.error)
        return reply
