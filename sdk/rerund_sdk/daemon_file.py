"""An .rrd file that the daemon keeps up for this process: it holds what all processes log into the recording.

It begins with the recording's history, follows it until this process ends or changes its mode, and then gets its
manifest.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rerund_sdk.control import ControlClient
from rerund_sdk.errors import DaemonError, ModeError
from rerund_sdk.sinks import EncodedMessage, Store

logger = logging.getLogger("rerund_sdk")

_ANSWER_SECS: Final = 10.0
_END_SECS: Final = 2.0  # for the daemon to finish the file; it does so anyway
_LOOK_SECS: Final = 0.01


class DaemonFileSink:
    """Beside a sink that delivers to the daemon with the `control` socket. Takes no messages: the daemon has them."""

    tick_secs = 0.0

    def __init__(self, path: str | os.PathLike[str], control: str) -> None:
        self.path = Path(path).absolute()
        self._client = ControlClient(control)
        self._owner = 0  # the process that asked for the file

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DaemonFileSink) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"DaemonFileSink({str(self.path)!r})"

    def open(self, store: Store) -> None:
        name = f"{store.application_id}/{store.recording_id}"
        try:
            self._free_path()
            self._client.request("save", timeout=_ANSWER_SECS, recording=name, path=str(self.path), follow=True)
        except (DaemonError, TimeoutError) as error:
            self._client.close()
            raise ModeError(f"cannot save: {error}") from error
        self._owner = os.getpid()

    def send(self, messages: Sequence[EncodedMessage]) -> None:
        pass

    def flush(self, deadline: float) -> bool:
        """Whether the file has all that the daemon has."""
        if self._owner != os.getpid():
            return True
        try:
            while (file := self._file()) is not None:
                if not file["lag_bytes"] or time.monotonic() >= deadline:
                    return not file["lag_bytes"]
                time.sleep(_LOOK_SECS)
        except (DaemonError, TimeoutError):
            pass
        return False

    def sync(self, deadline: float) -> bool:  # noqa: ARG002 - nobody here knows
        return False

    def close(self) -> None:
        if self._owner != os.getpid():
            return
        self._owner = 0
        try:
            self._client.request("unsave", timeout=_END_SECS, path=str(self.path))
        except (DaemonError, TimeoutError) as error:
            logger.warning("it is not certain that %s is complete: %s", self.path, error)
        self._client.close()

    def after_fork(self) -> None:
        pass  # the file and the socket are the parent's

    def _file(self) -> dict[str, Any] | None:
        real = os.path.realpath(self.path)
        sinks = self._client.request("status", timeout=_ANSWER_SECS)["sinks"]
        return next((sink for sink in sinks if sink["path"] == real), None)

    def _free_path(self) -> None:
        """End what a killed process began: a file of a recording that nobody logs into any more."""
        file = self._file()
        if file is None:
            return
        recordings = self._client.request("recordings", timeout=_ANSWER_SECS)
        is_live = {f"{each['application_id']}/{each['recording_id']}": each["live"] for each in recordings}
        if not is_live.get(file["recording"], True):
            self._client.request("unsave", timeout=_ANSWER_SECS, path=str(self.path))
