"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from rerund_sdk import any_value
from tests.browsers import chromium
from tests.daemons import Daemon, fresh_folder
from tests.homes import Home


@pytest.fixture(autouse=True)
def no_known_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK remembers for a process's life of what type a component was; a test is to be as a process of its own."""
    monkeypatch.setattr(any_value, "_known", {})


@pytest.fixture
def uncompressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests in which much data is to be much: what they make up would shrink to nothing."""
    monkeypatch.setenv("RERUND_COMPRESSION", "none")


@pytest.fixture
def make_daemon() -> Iterator[Callable[..., Daemon]]:
    """Makes running daemons with options of `rerund run`, each in a folder of its own."""
    daemons: list[Daemon] = []

    def make(*options: str) -> Daemon:
        daemons.append(Daemon(fresh_folder(), *options))
        return daemons[-1].start()

    yield make
    for daemon in daemons:
        daemon.end()


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """A running daemon that the SDK in this process finds, too."""
    made = make_daemon()
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, one for all tests of a module."""
    with chromium() as running:
        yield running


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Directories of our own for this process and its children, without a daemon as yet and without a display."""
    made = Home()
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "RERUND_CONNECT", "RERUND_INSTANCE", "RERUND_RECORDING_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.end()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ingest-mb", type=int, default=300, help="how much the memory test logs")
    parser.addoption("--faults", type=int, default=300, help="how many faults tests/test_faults.py commits")
    parser.addoption("--fault-seed", type=int, default=1, help="what they follow from")
    parser.addoption("--fuzz-examples", type=int, default=150, help="inputs for each decoder in tests/test_fuzz.py")
