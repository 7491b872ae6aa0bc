"""Which port an edge listens on: the one asked for or an error, else its usual one or the next free one."""

from __future__ import annotations

import errno
import socket
from typing import Final

import psutil

from rerund.errors import ConfigError

TRIES: Final = 100  # ports from the usual one on, before any free one is taken
BACKLOG: Final = 512


def listen(host: str, port: int | None, usual: int, option: str) -> socket.socket:
    """A listening socket. Raises ConfigError if `port` was asked for, by `option`, and is taken."""
    if port is not None:
        try:
            return _bound(host, port)
        except OSError as error:
            raise ConfigError(refusal(host, port, option, error)) from error
    for candidate in (*range(usual, usual + TRIES), 0):
        try:
            return _bound(host, candidate)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise ConfigError(refusal(host, candidate, option, error)) from error
    raise ConfigError(f"no port of {host} is free: give one with {option}")


def refusal(host: str, port: int, option: str, error: OSError) -> str:
    """Why `port` cannot be listened on, in one sentence."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken by {holder(port)}: stop that, or give another port with {option}"
    return f"port {port} of {host} cannot be listened on ({error.strerror}): give another one with {option}"


def holder(port: int) -> str:
    """Who listens on a TCP port of this machine, as far as we may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid
            ):
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return "another program"


def _bound(host: str, port: int) -> socket.socket:
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
