"""What can go wrong in the daemon; all of it stands under `rerund_sdk.errors.RerundError`.

RerundError
├── DaemonError             (the SDK's)
│   └── AlreadyRunning      another daemon holds the directory
├── ConfigError             an option has a value that cannot be used
├── LogWriteError           the disk did not take what was appended; nothing of it is in the log
│   └── DiskFloorReached    the disk would take it, but is to be left some room
├── UnknownRecording        no recording, or several, go by that name
├── RecordingRemoved        the recording went away under a reader
├── CheckError              a file or recording cannot be checked, or not be repaired
├── BadPosition             no message begins at that place
└── SaveError               a file cannot be saved to
"""

from __future__ import annotations

from pathlib import Path

from rerund_sdk.errors import DaemonError, RerundError


class AlreadyRunning(DaemonError):
    """Another daemon holds the directory."""


class ConfigError(RerundError):
    """An option has a value that cannot be used."""


class LogWriteError(RerundError):
    """The disk did not take what was appended. Nothing of it is in the log; it may be appended again."""

    def __init__(self, cause: OSError, path: Path) -> None:
        super().__init__(f"the log cannot be written ({cause.strerror or cause}): {path}")


class DiskFloorReached(LogWriteError):
    """The disk would take what was appended, but is to be left some room."""

    def __init__(self, free: int, floor: int, option: str, path: Path) -> None:
        RerundError.__init__(
            self,
            f"the disk has {free} bytes free, and min_free = {option} leaves {floor} of them: "
            f"remove something, or lower the option: {path}",
        )


class UnknownRecording(RerundError):
    """No recording, or several, go by that name."""


class RecordingRemoved(RerundError):
    """The recording was removed while somebody read it."""


class CheckError(RerundError):
    """A file or recording cannot be checked, or not be repaired."""


class BadPosition(RerundError):
    """No message begins at that place of the log."""


class SaveError(RerundError):
    """A file cannot be saved to."""
