"""A disk that refuses: in the process that arms it, calls of the system that change files fail as they are told to.

A refusal holds for what lies in one directory. It is looked up when something there is first written to. All calls are
noted, by directory.
"""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

_BY_FD: Final = ("write", "writev", "pwrite", "pwritev", "ftruncate", "fsync", "fdatasync")
_BY_PATH: Final = ("open", "truncate", "rename", "replace", "unlink", "mkdir", "utime")
_WRITES: Final = ("write", "writev", "pwrite", "pwritev")
SHORT: Final = 0  # in place of an error number: the system takes only a part


class Refusal(NamedTuple):
    """Which call fails, and how."""

    call: str  # like "fsync segment", see `Call`
    nth: int  # passing of it, from 1 on
    error: int  # errno, or SHORT
    secs: float  # for which every call in that directory fails from then on; 0: that one alone

    def __str__(self) -> str:
        how = "takes a part" if self.error == SHORT else os.strerror(self.error)
        return f"{self.nth}. {self.call}: {how}, {self.secs} s"


class RefusingDisk:
    """Over all that this process does in directories below `root`."""

    def __init__(self, root: Path, folder: Path) -> None:
        """folder: where refusals are found, and notes are left."""
        self._root = f"{root}/"
        self._folder = folder
        self._lock = threading.Lock()
        self._refusals: dict[str, Refusal | None] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._until: dict[str, float] = {}
        self._notes = os.open(folder / "calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._write = os.write

    def arm(self) -> None:
        for name in (*_BY_FD, *_BY_PATH):
            setattr(os, name, self._refusing(name, getattr(os, name)))
        io.open = self._refusing_open(io.open)  # type: ignore[assignment]

    def _refusing(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, *args: Any, **options: Any) -> Any:
            if name == "open" and not args[0] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return real(file, *args, **options)
            path = self._path_of(file)
            if path is not None and self._fails(name, path):
                return real(file, *_a_part_of(*args), **options)
            return real(file, *args, **options)

        return call

    def _refusing_open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            path = self._path_of(file) if set(mode) & set("wax+") else None
            if path is not None:
                self._fails("open", path)
            return real(file, mode, *args, **options)

        return call

    def _path_of(self, file: Any) -> Path | None:
        """If it lies where something may be refused."""
        try:
            path = Path(f"/proc/self/fd/{file}").readlink() if isinstance(file, int) else Path(file)
        except (OSError, TypeError):
            return None
        return path if str(path).startswith(self._root) else None

    def _fails(self, name: str, path: Path) -> bool:
        """Raise the error that is due; whether the call is to do a part of its work only."""
        kind = _kind(path)
        directory = str(path if kind == "directory" else path.parent).removeprefix(self._root)
        call = f"{name} {kind}"
        with self._lock:
            if directory not in self._refusals:
                self._refusals[directory] = self._refusal_of(directory)
            refusal = self._refusals[directory]
            self._counts[directory, call] += 1
            is_due = refusal is not None and (call, self._counts[directory, call]) == (refusal.call, refusal.nth)
            if refusal is not None and is_due:
                self._until[directory] = time.monotonic() + refusal.secs
            refused = is_due or time.monotonic() < self._until.get(directory, 0.0)
            self._write(self._notes, (json.dumps([directory, call, refused]) + "\n").encode())
        if refusal is None or not refused:
            return False
        if refusal.error == SHORT:
            return name in _WRITES
        raise OSError(refusal.error, os.strerror(refusal.error))

    def _refusal_of(self, directory: str) -> Refusal | None:
        try:
            return Refusal(*json.loads(_file(self._folder, directory).read_text()))
        except FileNotFoundError:
            return None


def _kind(path: Path) -> str:
    """What a file is for."""
    if path.suffix == ".new":
        return "segment that begins"
    kinds = {".rrd": "segment", ".index": "index", ".torn": "torn tail", "": "directory"}
    return "names" if path.name == "names" else kinds.get(path.suffix, "other")


def _a_part_of(data: Any, *rest: Any) -> tuple[Any, ...]:
    is_one = isinstance(data, bytes | memoryview)
    joined = data if is_one else b"".join(data)
    part = joined[: max(1, len(joined) // 2)]
    return (part if is_one else [part], *rest)


def refuse(folder: Path, directory: str, refusal: Refusal) -> None:
    """directory: from the root of the disk."""
    _file(folder, directory).write_text(json.dumps(refusal))


def _file(folder: Path, directory: str) -> Path:
    return folder / directory.replace("/", "%")


def calls(folder: Path) -> dict[str, Counter[tuple[str, bool]]]:
    """By directory: how often each call was made, and was refused."""
    found: dict[str, Counter[tuple[str, bool]]] = {}
    for line in (folder / "calls").read_text().splitlines():
        directory, call, refused = json.loads(line)
        found.setdefault(directory, Counter())[call, refused] += 1
    return found
