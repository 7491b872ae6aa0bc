"""Who may connect over ZeroMQ from beyond this machine: those whose public keys are authorized, and nobody else.

Form of the allow-list: `keys/authorized` in the state directory, one client a line, public key and name.
Rule 1: a socket that is bound beyond loopback takes CURVE only; libzmq asks the guard (ZAP) before it takes a message.
Rule 2: the list is looked at anew whenever it has changed. A key that was taken off it is cut off within
`CHECK_SECS`: the address is bound anew, so that everybody reconnects, and is asked again.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import zmq
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85

from rerund.errors import ConfigError
from rerund_sdk import keys
from rerund_sdk.errors import KeyFailure

log = logging.getLogger(__name__)

CHECK_SECS: Final = 2.0
_DOMAIN: Final = "rerund"
_MAX_TOLD: Final = 256  # of refused keys, one line each


class AllowList:
    """The clients that may connect. For one thread at a time."""

    def __init__(self, where: Path) -> None:
        self._path = where / "authorized"
        self._seen: tuple[int, int, int] | None = None
        self._clients: dict[bytes, str] = {}

    def clients(self) -> Mapping[bytes, str]:
        """Public keys and names, as the file says now."""
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._clients = _parse(self._path)
                self._seen = seen
        except FileNotFoundError:
            self._clients, self._seen = {}, None
        except OSError as error:
            log.error("nobody is let in, the list of clients cannot be read (%s): %s", error.strerror, self._path)
            self._clients, self._seen = {}, None
        return self._clients

    def authorize(self, public: bytes, name: str) -> None:
        """Let somebody in from now on. Raises KeyFailure."""
        with self._change() as clients:
            holder = next((key for key, taken in clients.items() if taken == name and key != public), None)
            if holder is not None:
                raise KeyFailure(f"{name!r} is another client's name, of key {holder.hex()}: give another one")
            clients[public] = name

    def revoke(self, who: str) -> tuple[bytes, str]:
        """Take a name or public key off the list; (key, name). Raises KeyFailure."""
        with self._change() as clients:
            named = [key for key, name in clients.items() if name == who]
            key = named[0] if named else keys.parse(who) if len(who) in (40, 64) else b""
            if key not in clients:
                known = ", ".join(clients.values()) or "nobody"
                raise KeyFailure(f"{who!r:.80} is not authorized, there is nothing to revoke (authorized: {known})")
            return key, clients.pop(key)

    @contextlib.contextmanager
    def _change(self) -> Iterator[dict[bytes, str]]:
        """One change at a time, of the list as it is."""
        keys.ensure_directory(self._path.parent)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            clients = dict(self.clients())
            yield clients
            unnamed = self._path.with_suffix(".new")
            with os.fdopen(os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.writelines(f"{key.hex()} {name}\n" for key, name in clients.items())
                file.flush()
                os.fsync(file.fileno())
            unnamed.replace(self._path)
        except OSError as error:
            raise KeyFailure(f"the list of clients cannot be changed ({error.strerror}): {self._path}") from error
        finally:
            os.close(directory)


def _parse(path: Path) -> dict[bytes, str]:
    clients = {}
    for line in path.read_text(errors="replace").splitlines():
        key, _, name = line.strip().partition(" ")
        try:
            if key and not key.startswith("#"):
                clients[keys.parse(key)] = name.strip()
        except KeyFailure as error:
            log.error("a line of %s lets nobody in: %s", path, error)
    return clients


class Guard:
    """Answers libzmq's question who may come in, on a thread of its own, for one context."""

    def __init__(self, context: zmq.Context[Any], home: Path) -> None:
        self._where = home / "keys"
        self._context = context
        self._own: keys.KeyPair | None = None
        self._allowed = AllowList(self._where)  # of the thread
        self._told: set[bytes] = set()
        self._thread: ThreadAuthenticator | None = None

    def door(self, socket: zmq.Socket[Any]) -> Door:
        """For a socket that is bound beyond loopback."""
        return Door(self, socket, AllowList(self._where))

    def open(self, endpoint: str) -> keys.KeyPair:
        """Begin to answer; our own key pair. Raises ConfigError if there is none, or nobody to let in."""
        if self._own is not None:
            return self._own
        why = f"will not listen at {endpoint}: beyond this machine anybody could log and read"
        if not zmq.has("curve"):
            raise ConfigError(f"{why}, and this pyzmq has no CURVE: install one from a wheel")
        try:
            own = keys.load(where=self._where)
        except KeyFailure as error:
            raise ConfigError(f"{why} without a key: {error}") from error
        if not AllowList(self._where).clients():
            raise ConfigError(f"{why} without a key, and no client's is known: `rerund keys authorize PUBLICKEY NAME`")
        self._thread = ThreadAuthenticator(self._context, log=log)
        self._thread.start()
        self._thread.configure_curve_callback(_DOMAIN, self)
        self._own = own
        return own

    def close(self) -> None:
        """Idempotent."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    def callback(self, _domain: str, key: bytes) -> bool:
        """Whether a key, in Z85, may come in: asked by zmq.auth on its thread."""
        public = z85.decode(key)
        name = self._allowed.clients().get(public)
        if name is None:
            if public not in self._told and len(self._told) < _MAX_TOLD:
                self._told.add(public)
                log.warning("a client with key %s is not let in: it is not authorized", public.hex())
            return False
        self._told.discard(public)
        log.debug("%s is let in", name)
        return True


class Door:
    """The keyed addresses of one socket. Belongs to the socket's thread."""

    def __init__(self, guard: Guard, socket: zmq.Socket[Any], allowed: AllowList) -> None:
        self._guard = guard
        self._socket = socket
        self._allowed = allowed
        self._known: frozenset[bytes] = frozenset(allowed.clients())
        self._bound: list[str] = []
        self._to_bind: list[str] = []

    def bind(self, endpoint: str) -> str:
        """Listen for those who have a key; where. From then on all addresses of the socket want one.

        Raises ConfigError, ZMQError.
        """
        own = self._guard.open(endpoint)
        socket = self._socket
        socket.curve_secretkey, socket.curve_publickey = own.secret, own.public
        socket.curve_server = True
        socket.zap_domain = _DOMAIN.encode()
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # no guard, nobody in
        socket.bind(endpoint)
        bound = bytes(socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()
        self._bound.append(bound)
        return bound

    def check(self) -> None:
        """Cut off whose key was revoked. Call it every CHECK_SECS."""
        if not self._bound and not self._to_bind:
            return
        known = frozenset(self._allowed.clients())
        if self._known - known:
            log.info("%d keys were revoked: everybody connects anew", len(self._known - known))
            for endpoint in self._bound:
                self._socket.unbind(endpoint)
            self._to_bind += self._bound
            self._bound = []
        self._known = known
        waiting, self._to_bind = self._to_bind, []
        for endpoint in waiting:
            try:
                self.bind(endpoint)
            except zmq.ZMQError as error:  # the old one is not quite closed
                log.debug("cannot listen at %s yet: %s", endpoint, error)
                self._to_bind.append(endpoint)
