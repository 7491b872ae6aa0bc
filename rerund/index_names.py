"""The names that a recording's index records stand for: entity paths and timelines, numbered in order of appearance.

Form of the file `names`: one JSON array a line, [entity path] or [timeline, type]. It grows at its end alone; what lies
behind the first damaged line counts as not there.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rerund.unsynced import put_anew, sync_file
from rerund.writing import write_at

NO_ENTITY: Final = ("",)  # of messages that are no chunks


class Names:
    """Of one recording."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers: dict[tuple[str, ...], int] = {}
        self.names: list[tuple[str, ...]] = []  # grows at its end alone
        self.entities = 0  # how many of them are entity paths
        self._unwritten: list[tuple[str, ...]] = []
        self._size = 0  # of what is good in the file
        self._in_doubt = False
        self._writing = threading.Lock()

    def clear(self) -> None:
        self._numbers.clear()
        self.names.clear()
        self.entities = 0
        self._unwritten.clear()
        self._size = 0

    def load(self) -> bool:
        """Read the file up to where it is damaged; whether all of it is good."""
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        for line in lines:
            if (name := _name_in(line)) is None:
                return False
            self._add(name)
            self._size += len(line)
        return True

    def number(self, *name: str) -> int:
        found = self._numbers.get(name)
        if found is None:
            found = self._add(name)
            self._unwritten.append(name)
        return found

    def find(self, *name: str) -> int:
        """The number of a name, or -1. From any thread."""
        return self._numbers.get(name, -1)

    def _add(self, name: tuple[str, ...]) -> int:
        number = self._numbers[name] = len(self.names)
        self.names.append(name)
        self.entities += len(name) == 1 and name != NO_ENTITY
        return number

    def write(self) -> None:
        """Add the new names to the file. Raises OSError, and then it is tried again at the next call."""
        if self._unwritten:
            with self._writing:
                self._write()

    def _write(self) -> None:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            if size > self._size:  # what a failed write left, or what was damaged
                os.ftruncate(fd, self._size)
            elif size < self._size:  # its file system went away, and came back without it
                self._unwritten, self._size = self.names.copy(), 0
            self._size = write_at(fd, _lines_of(self._unwritten), self._size)
        finally:
            os.close(fd)
        self._unwritten.clear()

    def sync(self) -> None:
        """Force what is in the file to the disk. From any thread. Raises OSError."""
        with self._writing:
            try:
                if self._in_doubt:
                    put_anew(self._path, self._write_all)
                else:
                    sync_file(self._path)
            except OSError:
                self._in_doubt = True  # unsynced.py says why
                raise
            self._in_doubt = False

    def _write_all(self, fd: int) -> None:
        written = self.names[: len(self.names) - len(self._unwritten)]
        self._size = write_at(fd, _lines_of(written), 0)


def _lines_of(names: Iterable[tuple[str, ...]]) -> bytes:
    return b"".join(json.dumps(name).encode() + b"\n" for name in names)


def _name_in(line: bytes) -> tuple[str, ...] | None:
    """None if the line is torn or damaged."""
    if not line.endswith(b"\n"):
        return None
    try:
        name = json.loads(line)
    except ValueError:
        return None
    is_good = isinstance(name, list) and len(name) in (1, 2) and all(isinstance(part, str) for part in name)
    return tuple(name) if is_good else None
