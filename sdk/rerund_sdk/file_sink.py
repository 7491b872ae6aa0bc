"""An .rrd file that this process writes itself.

Rule 1: the file is locked while it is written, so two processes never overwrite each other's rows.
Rule 2: it only ever grows by whole messages, in one write each time: cut anywhere, all before the cut can be read.
The manifest, with which readers seek instead of scanning, is added at the end.
A forked child writes a file of its own beside its parent's, named after its process id.
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from rerund_sdk import footer, rrd
from rerund_sdk.errors import BadRrd, ModeError
from rerund_sdk.room_ahead import RoomAhead
from rerund_sdk.sinks import EncodedMessage, Store
from rerund_sdk.whole_writes import write_whole

logger = logging.getLogger("rerund_sdk")


class FileSink:
    """Writes a recording to the .rrd file `path`, which is overwritten if it exists. Mirrors `rerun.FileSink`.

    write_footer: end the file with a manifest when it is closed.
    """

    def __init__(self, path: str | os.PathLike[str], *, write_footer: bool = True) -> None:
        self.path = Path(path)
        self.write_footer = write_footer
        self._file = -1
        self._room = RoomAhead()
        self._store: Store | None = None
        self._failed = False
        self._is_null_device = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileSink) and self.path.absolute() == other.path.absolute()

    def __hash__(self) -> int:
        return hash(self.path.absolute())

    def open(self, store: Store) -> None:
        self._store = store
        self._room = RoomAhead()
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            self._check_kind()
            if not self._is_null_device:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(self._file, 0)
        except BlockingIOError as error:
            self._forget_file()
            raise ModeError(
                f"{self.path} is being written by another recording: choose another path, "
                "or connect all processes to the daemon and save there"
            ) from error
        except OSError as error:
            self._forget_file()
            raise ModeError(f"cannot write {self.path}: {error.strerror}") from error
        self._write([rrd.STREAM_HEADER, store.store_info])

    def _check_kind(self) -> None:
        found = os.fstat(self._file)
        self._is_null_device = found.st_rdev == Path(os.devnull).stat().st_rdev
        if not stat.S_ISREG(found.st_mode) and not self._is_null_device:
            self._forget_file()
            raise ModeError(
                f"cannot save to {self.path}, which is not a regular file: readers seek in a saved recording; "
                "through a pipe, rr.stdout() sends one"
            )

    def send(self, messages: Sequence[EncodedMessage]) -> None:
        if self._file == -1 and not self._open_beside_parent():
            return
        self._write([part for message in messages for part in message.data])

    def _write(self, parts: Sequence[bytes | memoryview]) -> None:
        if self._failed:
            return
        end = os.lseek(self._file, 0, os.SEEK_CUR)
        try:
            write_whole(self._file, parts)
            size = sum(map(len, parts))
            self._room.keep(self._file, end + size, size)
        except OSError as error:
            self._failed = True
            os.ftruncate(self._file, end)  # back to the last whole message
            logger.error("%s: writing stopped, rows from here on are lost: %s", self.path, error.strerror)

    def flush(self, deadline: float) -> bool:  # noqa: ARG002 - a write is in the page cache when it returns
        return not self._failed

    def sync(self, deadline: float) -> bool:  # noqa: ARG002 - the system does not say how long it takes
        try:
            os.fsync(self._file)
        except OSError as error:
            logger.error("%s: may not survive a power cut: %s", self.path, error.strerror)
            return False
        return True

    def close(self) -> None:
        if self._file == -1:
            return
        if self.write_footer and not self._failed and not self._is_null_device:
            try:
                footer.seal(self.path)
            except (OSError, BadRrd) as error:
                logger.error("%s: no manifest could be added, readers will scan the file: %s", self.path, error)
        self._room.give_back(self._file)
        self._forget_file()

    def _forget_file(self) -> None:
        if self._file != -1:
            os.close(self._file)
            self._file = -1

    def after_fork(self) -> None:
        self._forget_file()  # closes the child's copy; the lock and the file stay the parent's
        self._failed = False

    def _open_beside_parent(self) -> bool:
        """In a forked child, at its first message."""
        if self._store is None or self._failed:
            return False
        self.path = self.path.with_name(f"{self.path.stem}.{os.getpid()}{self.path.suffix}")
        try:
            self.open(self._store)
        except ModeError as error:
            self._failed = True
            logger.error("%s", error)
            return False
        logger.warning("this forked process saves to a file of its own: %s", self.path)
        return True
