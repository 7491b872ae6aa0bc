"""A disk that loses its power: what a process wrote, and what of it may be there afterwards.

`record` notes every operation on files of one directory, in order. `Disk.after_cut` makes the directory as a power cut
at any moment may leave it.

The model: of a file, what was written before its last fsync is there. Without reordering, so is all else up to the cut,
the last write up to any byte. With reordering, each 512 bytes of what came after the last fsync may be there, or zeros
may; the file may be shorter, too. Names (created, renamed) are there as far as their directory was synced, and any
number of later changes of it, in order. Index files are not synced at all: they may be of any earlier moment, or torn.
"""

from __future__ import annotations

import contextlib
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


class Name(NamedTuple):
    """From here on `path` is that file or directory; None: it is not there."""

    path: Path
    file: int | None


class Sync(NamedTuple):
    file: int  # or directory


class Said(NamedTuple):
    """No operation: what somebody was told at this moment."""

    fact: Any


Operation = Write | Truncate | Name | Sync | Said


class Disk:
    """What happened below `root`, in order."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.operations: list[Operation] = []
        self.unsynced: list[dict[str, bytes]] = []  # content of index files, by path, at each operation
        self._lock = threading.Lock()

    def say(self, fact: Any) -> None:
        """Something that must be true after any later cut."""
        self._note(Said(fact))

    def _note(self, *operations: Operation) -> None:
        with self._lock:
            for operation in operations:
                self.operations.append(operation)
                self.unsynced.append(self._indexes())

    def _indexes(self) -> dict[str, bytes]:
        paths = [path for path in self.root.rglob("*") if path.name == "names" or path.suffix == ".index"]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}

    @contextlib.contextmanager
    def record(self) -> Iterator[None]:
        """What this process does with the functions of `os` and `Path` from here on."""
        with pytest.MonkeyPatch.context() as patch:
            for owner, name, noting in (
                (os, "pwritev", self._pwritev),
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

    def _truncate(self, real: Callable[..., None]) -> Callable[..., None]:
        def truncate(file: int | Path, size: int) -> None:
            real(file, size)
            if isinstance(file, int) or file.suffix == ".rrd":
                self._note(Truncate(_inode(file), size))

        return truncate

    def _fsync(self, _: Callable[..., None]) -> Callable[..., None]:
        def fsync(fd: int) -> None:  # there is no need to wait for the real disk
            self._note(Sync(os.fstat(fd).st_ino))

        return fsync

    def _open(self, real: Callable[..., int]) -> Callable[..., int]:
        def open_(path: Path, flags: int, *rest: Any, **options: Any) -> int:
            is_new = flags & os.O_CREAT and not os.path.exists(path)  # noqa: PTH110 - bytes, too
            fd = real(path, flags, *rest, **options)
            if is_new and Path(path).suffix in (".rrd", ".new"):
                self._note(Name(Path(path), os.fstat(fd).st_ino))
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
            if file in files.contents or path.suffix in (".rrd", ".new"):
                if there.parent.is_dir():
                    there.write_bytes(files.content(file))
            elif there.parent.is_dir():
                there.mkdir(exist_ok=True)
        self._leave_indexes(until, target, chance)

    def _names(self, happened: Sequence[Operation], chance: random.Random, reordered: bool) -> dict[Path, int]:
        by_directory: dict[Path, list[Name]] = {}
        synced: dict[Path, int] = {}
        inodes = {self.root.stat().st_ino: self.root}
        for operation in happened:
            if isinstance(operation, Name):
                by_directory.setdefault(operation.path.parent, []).append(operation)
                if operation.file is not None and operation.path.suffix not in (".rrd", ".new"):
                    inodes[operation.file] = operation.path
            elif isinstance(operation, Sync) and operation.file in inodes:
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

    def _leave_indexes(self, until: int, target: Path, chance: random.Random) -> None:
        last, before = self.unsynced[until - 1], self.unsynced[:until]
        segments = sorted(target.rglob("*.rrd"))
        recent = {str(path.with_suffix(".index").relative_to(target)) for path in segments[-2:]}
        for path in sorted({path for indexes in before for path in indexes}):
            content = last.get(path)
            if path in recent or path.endswith("names"):
                content = self._torn(chance.choice(before).get(path), chance)
            if content is not None and (target / path).parent.is_dir():
                (target / path).write_bytes(content)

    def _torn(self, content: bytes | None, chance: random.Random) -> bytes | None:
        if content is not None and chance.random() < 0.3:
            content = content[: chance.randint(0, len(content))]
        if content is not None and chance.random() < 0.1:
            content += bytes(chance.randint(1, 200))
        return content


def _inode(file: int | Path) -> int:
    return os.fstat(file).st_ino if isinstance(file, int) else file.stat().st_ino


class _Files:
    """Contents, all operations in order."""

    def __init__(self) -> None:
        self.contents: dict[int, bytearray] = {}

    def do(self, operation: Operation) -> None:
        if isinstance(operation, Write):
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
        self._safe: dict[int, bytes] = {}

    def do(self, operation: Operation) -> None:
        super().do(operation)
        if isinstance(operation, Sync):
            self._safe[operation.file] = bytes(self.contents.get(operation.file, b""))

    def content(self, file: int) -> bytes:
        new, safe = super().content(file), self._safe.get(file, b"")
        size = self._chance.choice((len(new), self._chance.randint(min(len(safe), len(new)), len(new))))
        chance_of_loss = self._chance.choice((0.0, 0.1, 0.5, 1.0))
        content = bytearray(size)
        for at in range(0, size, _SECTOR):
            end = min(at + _SECTOR, size)
            lost = self._chance.random() < chance_of_loss
            content[at:end] = safe[at:end].ljust(end - at, b"\0") if lost else new[at:end]
        return bytes(content)
