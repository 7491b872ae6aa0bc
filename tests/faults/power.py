"""A disk that loses its power: what a process wrote, and what of it may be there afterwards.

`record` notes every operation on files of one directory, in order. `Disk.after_cut` makes the directory as a power cut
at any moment may leave it.

The model: of a file, what was written before its last fsync is there. Without reordering, so is all else up to the cut,
the last write up to any byte. With reordering, each 512 bytes of what came after the last fsync may be there, or zeros
may; the file may be shorter, too. Names (created, renamed) are there as far as their directory was synced, and any
number of later changes of it, in order. An fsync may fail: then what was to be synced counts as clean, and its place in
that file stays as it was, also if it is written again (so it may be with ext4, where it cannot mark it as written).
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

_SECTOR: Final = 512


class Write(NamedTuple):
    file: int  # inode
    offset: int
    data: bytes


class Truncate(NamedTuple):
    file: int
    size: int


class Born(NamedTuple):
    """A new file, perhaps with the number of one that is gone."""

    file: int


class Name(NamedTuple):
    """From here on `path` is that file or directory; None: it is not there."""

    path: Path
    file: int | None


class Sync(NamedTuple):
    file: int  # or directory
    failed: bool = False


class Said(NamedTuple):
    """No operation: what somebody was told at this moment."""

    fact: Any


Operation = Write | Truncate | Born | Name | Sync | Said


class Disk:
    """What happened below `root`, in order."""

    def __init__(self, root: Path, chance: random.Random, fails: float = 0.0) -> None:
        """fails: the share of fsyncs that do."""
        self.root = root
        self._chance = chance
        self._fails = fails
        self.operations: list[Operation] = []
        self._lock = threading.Lock()

    def say(self, fact: Any) -> None:
        """Something that must be true after any later cut."""
        self._note(Said(fact))

    def _note(self, *operations: Operation) -> None:
        with self._lock:
            self.operations += operations

    @contextlib.contextmanager
    def record(self) -> Iterator[None]:
        """What this process does with the functions of `os` and `Path` from here on."""
        with pytest.MonkeyPatch.context() as patch:
            for owner, name, noting in (
                (os, "pwritev", self._pwritev),
                (os, "pwrite", self._pwrite),
                (os, "ftruncate", self._truncate),
                (os, "truncate", self._truncate),
                (os, "fsync", self._fsync),
                (os, "open", self._open),
                (Path, "mkdir", self._mkdir),
                (Path, "rename", self._rename),
            ):
                patch.setattr(owner, name, noting(getattr(owner, name)))
            yield

    def _pwritev(self, real: Callable[..., int]) -> Callable[..., int]:
        def pwritev(fd: int, buffers: Sequence[bytes], offset: int) -> int:
            written = real(fd, buffers, offset)
            self._note(Write(os.fstat(fd).st_ino, offset, b"".join(buffers)[:written]))
            return written

        return pwritev

    def _pwrite(self, real: Callable[..., int]) -> Callable[..., int]:
        def pwrite(fd: int, data: bytes, offset: int) -> int:
            written = real(fd, data, offset)
            self._note(Write(os.fstat(fd).st_ino, offset, bytes(data)[:written]))
            return written

        return pwrite

    def _truncate(self, real: Callable[..., None]) -> Callable[..., None]:
        def truncate(file: int | Path, size: int) -> None:
            real(file, size)
            self._note(Truncate(_inode(file), size))

        return truncate

    def _fsync(self, _: Callable[..., None]) -> Callable[..., None]:
        def fsync(fd: int) -> None:  # there is no need to wait for the real disk
            failed = self._chance.random() < self._fails
            self._note(Sync(os.fstat(fd).st_ino, failed))
            if failed:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        return fsync

    def _open(self, real: Callable[..., int]) -> Callable[..., int]:
        def open_(path: Path, flags: int, *rest: Any, **options: Any) -> int:
            is_new = flags & os.O_CREAT and not os.path.exists(path)  # noqa: PTH110 - bytes, too
            fd = real(path, flags, *rest, **options)
            if is_new:
                file = os.fstat(fd).st_ino
                self._note(Born(file), Name(Path(path), file))
            return fd

        return open_

    def _mkdir(self, real: Callable[..., None]) -> Callable[..., None]:
        def mkdir(path: Path, *rest: Any, **options: Any) -> None:
            missing = [each for each in (path, *path.parents) if not each.exists()]
            real(path, *rest, **options)
            self._note(*(Name(each, each.stat().st_ino) for each in reversed(missing)))

        return mkdir

    def _rename(self, real: Callable[..., Path]) -> Callable[..., Path]:
        def rename(path: Path, target: Path) -> Path:
            renamed = real(path, target)
            self._note(Name(target, Path(target).stat().st_ino), Name(path, None))
            return renamed

        return rename

    # after the cut

    def told(self, until: int) -> list[Any]:
        """What was said before operation `until`."""
        return [operation.fact for operation in self.operations[:until] if isinstance(operation, Said)]

    def after_cut(self, until: int, target: Path, chance: random.Random, *, reordered: bool, last: int = -1) -> None:
        """Make `target` what `root` may be if the power goes when operation `until` is under way.

        last: how many bytes of it arrived, if it is a write; default: any number.
        """
        files = _Reordered(chance) if reordered else _Files()
        happened = self.operations[:until]
        for operation in happened:
            files.do(operation)
        under_way = self.operations[until] if until < len(self.operations) else None
        if isinstance(under_way, Write):
            kept = chance.randint(0, len(under_way.data)) if last < 0 else last
            files.do(under_way._replace(data=under_way.data[:kept]))
        target.mkdir()
        for path, file in self._names(happened, chance, reordered).items():
            there = target / path.relative_to(self.root)
            if not there.parent.is_dir():
                continue
            if _is_file(path):
                there.write_bytes(files.content(file))
            else:
                there.mkdir(exist_ok=True)

    def _names(self, happened: Sequence[Operation], chance: random.Random, reordered: bool) -> dict[Path, int]:
        by_directory: dict[Path, list[Name]] = {}
        synced: dict[Path, int] = {}
        inodes = {self.root.stat().st_ino: self.root}
        for operation in happened:
            if isinstance(operation, Name):
                by_directory.setdefault(operation.path.parent, []).append(operation)
                if operation.file is not None and not _is_file(operation.path):
                    inodes[operation.file] = operation.path
            elif isinstance(operation, Sync) and operation.file in inodes and not operation.failed:
                directory = inodes[operation.file]
                synced[directory] = len(by_directory.get(directory, []))
        names: dict[Path, int] = {}
        for directory, changes in sorted(by_directory.items()):
            count = chance.randint(synced.get(directory, 0), len(changes)) if reordered else len(changes)
            for path, file in changes[:count]:
                if file is None:
                    names.pop(path, None)
                else:
                    names[path] = file
        return names


def _is_file(path: Path) -> bool:
    return path.suffix in (".rrd", ".new", ".index", ".torn") or path.name == "names"


def _inode(file: int | Path) -> int:
    return os.fstat(file).st_ino if isinstance(file, int) else file.stat().st_ino


class _Files:
    """Contents, all operations in order."""

    def __init__(self) -> None:
        self.contents: dict[int, bytearray] = {}

    def do(self, operation: Operation) -> None:
        if isinstance(operation, Born):
            self.contents[operation.file] = bytearray()
        elif isinstance(operation, Write):
            content = self.contents.setdefault(operation.file, bytearray())
            content.extend(bytes(max(0, operation.offset - len(content))))
            content[operation.offset : operation.offset + len(operation.data)] = operation.data
        elif isinstance(operation, Truncate):
            content = self.contents.setdefault(operation.file, bytearray())
            content.extend(bytes(max(0, operation.size - len(content))))
            del content[operation.size :]

    def content(self, file: int) -> bytes:
        return bytes(self.contents.get(file, b""))


class _Reordered(_Files):
    """What was not synced may have come to the disk in any order, in part."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self._safe = _Files()
        self._dirty: dict[int, list[Write | Truncate]] = {}
        self._dead: dict[int, list[Write]] = {}  # of no effect, then and later

    def do(self, operation: Operation) -> None:
        super().do(operation)
        if isinstance(operation, Born):
            self._safe.do(operation)
            self._dirty.pop(operation.file, None)
            self._dead.pop(operation.file, None)
        elif isinstance(operation, (Write, Truncate)):
            self._dirty.setdefault(operation.file, []).append(operation)
        elif isinstance(operation, Sync):
            written = self._dirty.pop(operation.file, [])
            dead = self._dead.setdefault(operation.file, [])
            if operation.failed:
                dead += [each for each in written if isinstance(each, Write)]
                return
            before = self._safe.content(operation.file)
            for each in written:
                self._safe.do(each)
            for each in dead:
                place = slice(each.offset, each.offset + len(each.data))
                now = self._safe.contents.get(operation.file, bytearray())[place]
                kept = before[place].ljust(len(now), b"\0")
                self._safe.do(Write(operation.file, each.offset, kept))

    def content(self, file: int) -> bytes:
        new, safe = super().content(file), self._safe.content(file)
        size = self._chance.choice((len(new), self._chance.randint(min(len(safe), len(new)), len(new))))
        chance_of_loss = self._chance.choice((0.0, 0.1, 0.5, 1.0))
        content = bytearray(size)
        for at in range(0, size, _SECTOR):
            end = min(at + _SECTOR, size)
            lost = self._chance.random() < chance_of_loss
            content[at:end] = safe[at:end].ljust(end - at, b"\0") if lost else new[at:end]
        return bytes(content)
