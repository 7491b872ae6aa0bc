"""Sockets that listen: how they are set up, and one sentence for each reason why an address cannot be used."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import zmq

from rerund import ports
from rerund.errors import ConfigError
from rerund.guard import Door
from rerund.limits import Limits
from rerund_sdk import places, wire

log = logging.getLogger(__name__)

_BACKLOG: Final = 128  # producers that connect at once; others try again
_LOOK_SECS: Final = 0.02  # how often file descriptors are counted...
_LOOK_SELDOM_SECS: Final = 0.1  # ...and while few of them are open: counting them is most of what an idle daemon does
_AGAIN: Final = 0.8  # of what it was shut at, a door is opened: who finds it then is let in (limits.py)
_FEW: Final = 0.3  # of the file descriptors
_SHUT: Final = ".shut"
_FOR_PRODUCERS: Final = 0.6  # of the file descriptors
_FOR_REQUESTS: Final = 0.75  # they come last: `rerund status` is to tell what is wrong for as long as it can
_WAITING_MESSAGES: Final = 64  # per peer, in memory before the intake takes them; the rest waits in its socket
_JOINED_BYTES: Final = 4 << 20  # producers may join small messages to one frame
_WAITING_ACKS: Final = 10_000  # acks that wait for one peer; more are dropped: each says all that the last one said


def prepare(router: zmq.Socket[bytes], max_message_bytes: int) -> None:
    """Options of the intake's socket; before it is bound."""
    # A larger frame makes ZeroMQ drop its sender's connection; what is only a bit too large is refused in a sentence.
    router.maxmsgsize = max(max_message_bytes, wire.MAX_HEADER_BYTES) + _JOINED_BYTES
    router.rcvhwm = _WAITING_MESSAGES
    router.sndhwm = _WAITING_ACKS
    router.backlog = _BACKLOG
    router.router_handover = True  # a peer that names itself and comes back is the new one
    router.tcp_keepalive = 1


def bind(router: zmq.Socket[Any], endpoints: Sequence[str], door: Door) -> list[str]:
    """Listen at `endpoints`; they come back with the ports that were chosen. Raises ConfigError.

    door: of the socket; lets in only those with a key where an endpoint can be reached from beyond this machine.
    """
    bound: dict[int, str] = {}
    for number, endpoint in sorted(
        enumerate(endpoints), key=lambda each: _is_open(each[1])
    ):  # those without keys first
        bound[number] = _bind(router, endpoint, door)
    return [bound[number] for number in range(len(endpoints))]


def _bind(router: zmq.Socket[Any], endpoint: str, door: Door) -> str:
    scheme, _, address = endpoint.partition("://")
    if scheme not in ("tcp", "ipc", "inproc"):
        raise ConfigError(f"cannot listen at {endpoint!r}: must be tcp://HOST:PORT, like tcp://127.0.0.1:9877")
    remove_socket(endpoint)  # of a daemon that was killed: we hold the lock of its directory
    try:
        if _is_open(endpoint):
            return door.bind(endpoint)
        router.bind(endpoint.replace("localhost", "127.0.0.1", 1) if scheme == "tcp" else endpoint)
    except zmq.ZMQError as error:
        taken = scheme == "tcp" and error.errno == zmq.EADDRINUSE
        by = f" by {ports.holder(int(address.rpartition(':')[2]))}" if taken else ""
        raise ConfigError(f"cannot listen at {endpoint} ({error.strerror}{by}): choose another address") from error
    if scheme == "ipc":
        Path(address).chmod(0o600)
    bound = cast(bytes, router.getsockopt(zmq.LAST_ENDPOINT))
    return bound.rstrip(b"\0").decode() if scheme == "tcp" else endpoint


def remove_socket(endpoint: str) -> None:
    """Take a socket's file away, if it has one; ZeroMQ does not."""
    scheme, _, path = endpoint.partition("://")
    if scheme == "ipc":
        Path(path).unlink(missing_ok=True)
        Path(path + _SHUT).unlink(missing_ok=True)


class Entrance:
    """UNIX sockets that cannot be found while file descriptors are short.

    When none is left for a connection to one, ZeroMQ aborts the process, and it asks nobody before it takes one. So
    their files are given another name in time, by a thread that waits for nothing else: who comes then finds no daemon
    and tries again. Connections that stand are not touched.
    """

    def __init__(self, producers: Sequence[str], requests: Sequence[str], limits: Limits) -> None:
        """The endpoints at which either come in."""
        self._doors = [_UnixDoor(producers, _FOR_PRODUCERS), _UnixDoor(requests, _FOR_REQUESTS)]
        self._limits = limits
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="rerund-entrance", daemon=True)

    def watch(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Watch no more. Idempotent."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        share = 0.0
        while not self._ended.wait(_LOOK_SECS if share > _FEW else _LOOK_SELDOM_SECS):
            share = self._limits.share_of_files()
            for door in self._doors:
                door.look(share)


class _UnixDoor:
    def __init__(self, endpoints: Sequence[str], most: float) -> None:
        self._paths = [Path(endpoint[len("ipc://") :]) for endpoint in endpoints if endpoint.startswith("ipc:")]
        self._most = most
        self._is_shut = False

    def look(self, share: float) -> None:
        is_short = share > self._most * (_AGAIN if self._is_shut else 1)
        if is_short == self._is_shut:
            return
        self._is_shut = not self._is_shut
        for path in self._paths:
            shut = path.with_name(path.name + _SHUT)
            with contextlib.suppress(FileNotFoundError):
                path.rename(shut) if self._is_shut else shut.rename(path)
        names = ", ".join(path.name for path in self._paths)
        if self._is_shut:
            log.warning("nobody new finds %s until fewer file descriptors are open: raise `ulimit -n`", names)
        else:
            log.warning("newcomers find %s again", names)


def _is_open(endpoint: str) -> bool:
    """Whether other machines may reach it."""
    scheme, _, address = endpoint.partition("://")
    if scheme != "tcp":
        return False
    host, _, port = address.rpartition(":")
    if not host or not (port.isdecimal() or port == "*"):
        raise ConfigError(f"cannot listen at {endpoint!r}: must be tcp://HOST:PORT, like tcp://127.0.0.1:9877")
    return not places.is_loopback(host.strip("[]"))
