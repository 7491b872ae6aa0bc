"""Which port an edge listens on: the one asked for or an error, else its usual one or the next free one."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Final, TypeVar

import psutil

from rerund.errors import ConfigError

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 512  # connections that wait to be accepted
_TRIES: Final = 100  # ports from the usual one on, before any free one is taken

Bound = TypeVar("Bound")


def bind_port(bind: Callable[[int], Bound], port: int | None, usual: int, option: str) -> Bound:
    """What `bind` returns for the port that it takes; it raises OSError for one that it cannot have.

    Raises ConfigError if `port` was asked for, by `option`, and cannot be had.
    """
    candidates = (*range(usual, usual + _TRIES), 0) if port is None else (port,)
    for candidate in candidates:
        try:
            return bind(candidate)
        except OSError as error:
            if candidate == candidates[-1]:
                raise ConfigError(_refusal(candidate, option, error)) from error
    raise AssertionError("no candidates")


def listen(host: str, port: int | None, usual: int, option: str) -> socket.socket:
    """A listening socket. Raises ConfigError like `bind_port`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return bind_port(
        lambda candidate: socket.create_server((host, candidate), family=family, backlog=BACKLOG), port, usual, option
    )


def local_address(host: str, port: int) -> str:
    """HOST:PORT at which this machine's own programs reach what listens at `host`."""
    reached = {"0.0.0.0": LOOPBACK, "::": "::1", "localhost": LOOPBACK}.get(host, host)
    return f"[{reached}]:{port}" if ":" in reached else f"{reached}:{port}"


def _refusal(port: int, option: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by {holder(port)}: stop that, or give another port with {option}"
    return f"port {port} cannot be listened on ({error.strerror or error}): give another one with {option}"


def holder(port: int) -> str:
    """Who listens on a TCP port of this machine, as far as we may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return "another program"
