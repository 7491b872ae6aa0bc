"""One daemon a directory: a file lock that the kernel drops when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final

from rerund.errors import AlreadyRunning
from rerund_sdk.errors import PlaceError

LOCK_NAME: Final = "lock"


class DirLock:
    """Holds the file LOCK_NAME in `directory`. The file stays; who holds it counts, not that it is there."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_NAME
        self._fd = -1

    def __enter__(self) -> DirLock:
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PlaceError(f"this directory cannot be locked ({error.strerror}): {self._path.parent}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._fd, 64, 0).decode(errors="replace").strip()
            os.close(self._fd)
            raise AlreadyRunning(
                f"another rerund daemon{f' (pid {holder})' if holder else ''} uses this directory: "
                f"stop it, or choose another home and instance: {self._path.parent}"
            ) from error
        with contextlib.suppress(OSError):  # a full disk, too, can be read from
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)  # for people and the sentence above
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
        os.close(self._fd)
