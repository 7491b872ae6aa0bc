"""A recording with its modes as methods, for programs that hold several."""

from __future__ import annotations

import time
from types import TracebackType
from uuid import UUID

from rerund_sdk.batcher_config import BatcherConfig
from rerund_sdk.endings import CLOSE_SECS
from rerund_sdk.recording import RecordingStream


class Session(RecordingStream):
    """A recording that is opened, logged into and closed.

        with Session("my_robot") as session:
            session.connect()
            session.log("arm/joint1", rr.Scalars(0.5))

    recording_id: processes that give the same one log into one recording. Default: a random one.
    Every mode replaces the one before; see modes.py. As a context manager it is this thread's current recording, and is
    closed at the end.
    """

    def __init__(
        self,
        application_id: str,
        *,
        recording_id: str | UUID | None = None,
        default_enabled: bool = True,
        send_properties: bool = True,
        batcher_config: BatcherConfig | None = None,
    ) -> None:
        super().__init__(
            application_id,
            recording_id=recording_id,
            default_enabled=default_enabled,
            send_properties=send_properties,
            batcher_config=batcher_config,
        )

    def close(self) -> bool:
        """Deliver what waits and end; whether all of it is where it belongs. Later calls of `log` have no effect."""
        self._enabled = False
        deadline = time.monotonic() + CLOSE_SECS
        delivered = self._batcher.flush(deadline)
        self._batcher.close(deadline)
        return bool(delivered)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.close()
