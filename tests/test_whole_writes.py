"""Many buffers into a file, whole, whatever the system takes at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from rerund_sdk.whole_writes import write_whole, write_whole_at

MIB = 1 << 20
PARTS = [b"head", memoryview(os.urandom(5 * MIB + 7)), b"", b"tail", *(os.urandom(3) for _ in range(3000))]
WHOLE = b"".join(PARTS)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    with (tmp_path / "file").open("w+b", buffering=0) as opened:
        yield opened.fileno()


def content(file: int) -> bytes:
    return os.pread(file, len(WHOLE) + 100, 0)


def short(real: Callable[..., int], taken: list[int]) -> Callable[..., int]:
    """As a system that takes two thirds at a time."""

    def write(file: int, buffers: Sequence[bytes], *offset: int) -> int:
        joined = b"".join(buffers)
        taken.append(len(joined))
        return real(file, [joined[: max(1, len(joined) * 2 // 3)]], *offset)

    return write


def test_all_is_written_where_the_file_is_at(file: int) -> None:
    os.write(file, b"before")
    write_whole(file, PARTS)
    write_whole(file, [])
    write_whole(file, [b"after"])
    assert content(file) == b"before" + WHOLE + b"after"


def test_all_is_written_at_the_offset(file: int) -> None:
    assert write_whole_at(file, PARTS, 6) == 6 + len(WHOLE)
    assert write_whole_at(file, [], 6) == 6
    assert write_whole_at(file, [b"before"], 0) == 6
    assert content(file) == b"before" + WHOLE


def test_short_writes_are_continued_and_no_call_is_larger_than_a_mebibyte(
    file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    for name in ("writev", "pwritev"):
        monkeypatch.setattr(os, name, short(getattr(os, name), taken))
    write_whole(file, PARTS)
    assert content(file) == WHOLE
    os.ftruncate(file, 0)
    write_whole_at(file, PARTS, 0)
    assert content(file) == WHOLE
    assert max(taken) == MIB
