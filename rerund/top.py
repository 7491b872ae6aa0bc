"""`rerund top`: what the daemon does, in a terminal, for machines without a screen.

On a terminal that can, the picture is drawn anew in place until q or Ctrl-C. Elsewhere, in a pipe or on a dumb
terminal, one follows the other, as lines and without control sequences.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from typing import Any, Final

from rich.console import Console
from rich.live import Live

from rerund import lifecycle
from rerund.meter import Meter
from rerund.top_frame import ASCII_BARS, BARS, Look, frame, name_of
from rerund_sdk import keys
from rerund_sdk.control import ControlClient
from rerund_sdk.errors import DaemonError

Ask = Callable[..., Any]  # a request: verb, and its arguments by name

_ANSWER_SECS: Final = 10.0
_MOST_LOOKED_INTO: Final = 4  # live recordings whose entities are shown
_ENTITIES_SHARE: Final = 0.1  # of the time that may be spent on asking for entities: some recordings have many


class Watch:
    """Asks the daemon, and measures."""

    def __init__(self, ask: Ask) -> None:
        self.meter = Meter()
        self._ask = ask
        self._entities: dict[str, list[dict[str, Any]]] = {}
        self._entities_due = 0.0

    def look(self) -> Look:
        """Raises DaemonError."""
        status = self._ask("status")
        self._ask_for_entities([name_of(each) for each in status["recordings"] if each["live"]])
        look = Look(status, self._entities)
        self.meter.look(look.counts(), time.monotonic())
        return look

    def _ask_for_entities(self, live: list[str]) -> None:
        began = time.monotonic()
        if began < self._entities_due:
            return
        with contextlib.suppress(DaemonError):  # removed just now
            self._entities = {name: self._ask("entities", recording=name) for name in live[:_MOST_LOOKED_INTO]}
        self._entities_due = began + (time.monotonic() - began) / _ENTITIES_SHARE


def show(address: str | None, server_key: str | None, interval: float, *, once: bool) -> None:
    """Until the user ends it. address: of a daemon's --control-listen; None: this machine's. Raises DaemonError."""
    with _asking(address, server_key) as ask:
        watch = Watch(ask)
        look = watch.look()  # who cannot be asked at all is told so
        console = _console()
        if once:
            time.sleep(interval)
            _print(console, watch, watch.look(), None)
        elif console.is_terminal and not console.is_dumb_terminal:
            _draw(console, watch, look, interval)
        else:
            _print_on_and_on(console, watch, interval)


@contextlib.contextmanager
def _asking(address: str | None, server_key: str | None) -> Iterator[Ask]:
    if address is None:
        yield lifecycle.request
        return
    with ControlClient(address, credentials=keys.credentials(address, server_key)) as client:

        def ask(verb: str, **args: Any) -> Any:
            try:
                return client.request(verb, timeout=_ANSWER_SECS, **args)
            except TimeoutError as error:
                raise DaemonError(f"no daemon answers at {address} within {_ANSWER_SECS:.0f} s") from error

        yield ask


def _console() -> Console:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what the terminal cannot show
    return Console(highlight=False, markup=False, emoji=False)


def _bars(console: Console) -> str:
    return BARS if console.encoding.startswith("utf") else ASCII_BARS


def _print(console: Console, watch: Watch, look: Look, height: int | None) -> None:
    console.print(frame(look, watch.meter, console.width, height, _bars(console)))


def _print_on_and_on(console: Console, watch: Watch, interval: float) -> None:
    while True:
        time.sleep(interval)
        try:
            look = watch.look()
        except DaemonError as error:
            console.print(f"{time.strftime('%H:%M:%S')}  {error}")
            continue
        console.print(time.strftime("%H:%M:%S"))
        _print(console, watch, look, None)
        console.print()
        sys.stdout.flush()


def _draw(console: Console, watch: Watch, look: Look, interval: float) -> None:
    notice = ""
    with _ended_by_sigterm(), _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            shown = console.size
            live.update(frame(look, watch.meter, shown.width, shown.height, _bars(console), notice), refresh=True)
            due = time.monotonic() + interval
            while (left := due - time.monotonic()) > 0 and console.size == shown:
                if pressed(min(left, 0.25)) in ("q", "Q"):
                    return
            if console.size == shown:
                try:
                    look, notice = watch.look(), ""
                except DaemonError as error:
                    notice = f"{error} (as it was before; q ends this)"


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Keys as they are pressed: a function that waits for one, so many seconds at most."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)

    def pressed(secs: float) -> str:
        ready, _, _ = select.select([sys.stdin], [], [], secs)
        return os.read(sys.stdin.fileno(), 1).decode(errors="replace") if ready else ""

    try:
        yield pressed
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _no_key(secs: float) -> str:
    time.sleep(secs)
    return ""


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Leave the terminal as it was."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
