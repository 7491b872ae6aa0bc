"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.daemons import Daemon, fresh_folder


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
    for name, value in made.env.items():
        if name in ("RERUND_HOME", "XDG_RUNTIME_DIR"):
            monkeypatch.setenv(name, value)
    return made
