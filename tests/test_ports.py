"""Which port the daemon takes. Ports are bound for real."""

from __future__ import annotations

import os
import re
import socket

import psutil
import pytest

from rerund.errors import ConfigError
from rerund.ports import LOOPBACK, bind_port


def listen(port: int) -> socket.socket:
    return socket.create_server((LOOPBACK, port))


def port_of(bound: socket.socket) -> int:
    port: int = bound.getsockname()[1]
    return port


def test_the_usual_port_is_taken_if_it_is_free_and_the_next_free_one_if_not() -> None:
    with listen(0) as first:
        usual = port_of(first)
        with bind_port(listen, None, usual, "--grpc-port") as second, bind_port(listen, None, usual, "--x") as third:
            assert usual < port_of(second) < port_of(third) < usual + 100
    with bind_port(listen, None, usual, "--grpc-port") as again:
        assert port_of(again) == usual


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_with_its_holder_and_option() -> None:
    with listen(0) as taken, pytest.raises(ConfigError) as error:
        bind_port(listen, port_of(taken), 9876, "--grpc-port")
    us = f"{psutil.Process().name()} (pid {os.getpid()})"
    assert re.match(rf"port \d+ is taken by {re.escape(us)}: .*--grpc-port", str(error.value))


def test_port_0_is_any_free_one() -> None:
    with bind_port(listen, 0, 9876, "--grpc-port") as bound:
        assert port_of(bound) > 0
