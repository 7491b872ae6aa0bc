"""Work that the daemon does now and then beside serving: a thread of its own, so that nobody waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Chore:
    """Calls `work` at once and every `secs` until it is stopped."""

    def __init__(self, name: str, secs: float, work: Callable[[threading.Event], None]) -> None:
        """work: where it may take long, it ends early once the event is set. What it raises is a bug, told once."""
        self._stopping = threading.Event()
        self._secs = secs
        self._work = work
        self._thread = threading.Thread(target=self._run, name=f"rerund-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End, when the work at hand is done or has noticed. Idempotent."""
        self._stopping.set()
        if self._thread.ident:
            self._thread.join()

    def _run(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                self._work(self._stopping)
                failing = False
            except Exception:
                if not failing:
                    log.exception("%s failed, it is tried again", self._thread.name)
                failing = True
            self._stopping.wait(self._secs)
