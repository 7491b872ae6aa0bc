"""Looks through .rrd files and recordings, offline: framing, protobuf, every chunk, footer, index. And repairs them.

What is looked for is what makes readers refuse a file, or see less in it than there is. Rule: nothing is thrown away. A
torn tail is kept aside as NAME.torn; footer and index hold nothing that is not in the messages, and are made anew. A
message that cannot be decoded stays where it is: readers skip it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from rerund.errors import CheckError
from rerund.foreign import read_message
from rerund.index import FIRST, Index, SegmentIndex
from rerund.log import Log, cut_torn_tail, segment_files
from rerund.recovery import BROKEN_FOOTER_BYTES, discard_index, is_broken_footer, recover
from rerund_sdk import rrd
from rerund_sdk.errors import BadRrd
from rerund_sdk.footer import is_sealed, seal
from rerund_sdk.manifest_reader import read_manifests
from rerund_sdk.stream_reader import Ending, FileBytes, Place, messages

_MOST_PROBLEMS: Final = 20  # told one by one of each file


class Fault(Enum):
    """What kind of a problem it is: it decides what `repair` does."""

    NO_RRD = "no .rrd file"
    TAIL = "tail"
    MESSAGE = "message"
    FOOTER = "footer"
    INDEX = "index"
    GAP = "gap"


class Problem(NamedTuple):
    """Something that is wrong."""

    path: Path
    fault: Fault
    offset: int | None  # where in the file
    text: str

    def __str__(self) -> str:
        place = "" if self.offset is None else f"at offset {self.offset}: "
        return f"{self.path}: {place}{self.text}"


class _Message(NamedTuple):
    offset: int
    size: int
    chunk_id: bytes  # empty: no chunk, or one that cannot be decoded
    rows: int


class FileReport:
    """What one file holds, and what is wrong with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.messages: list[_Message] = []
        self.size = path.stat().st_size
        self.end = rrd.STREAM_HEADER_SIZE  # behind the last whole message
        self.is_sealed = False
        self._is_joined = False  # of several streams

    @property
    def rows(self) -> int:
        return sum(message.rows for message in self.messages)

    def has(self, *faults: Fault) -> bool:
        return any(problem.fault in faults for problem in self.problems)

    def add(self, fault: Fault, offset: int | None, text: str) -> None:
        self.problems.append(Problem(self.path, fault, offset, text))

    def read(self) -> None:
        """Look at all of it."""
        data = FileBytes(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC))
        try:
            for found in messages(data):
                if isinstance(found, Ending):
                    self._end(found)
                else:
                    self._add_message(found, data.read(found.start, found.size))
        except BadRrd as error:
            self.add(Fault.NO_RRD, None, str(error))
            return
        with self.path.open("rb") as file:
            self.is_sealed = is_sealed(file)
        if self.is_sealed:
            self._check_footer(data)
        elif not self._is_joined and not self.has(Fault.TAIL) and self.end < self.size:
            if is_broken_footer(memoryview(data.read(self.end, BROKEN_FOOTER_BYTES))):
                self.add(Fault.FOOTER, self.end, "a footer begins that was not finished")
            else:
                self._end(Ending(self.end, "the stream has an end here, and no footer"))

    def _add_message(self, place: Place, body: bytes) -> None:
        offset = place.start - rrd.MESSAGE_HEADER_SIZE
        self._is_joined |= offset != self.end
        self.end = place.start + place.size
        size = rrd.MESSAGE_HEADER_SIZE + place.size
        try:
            entry = read_message(place.kind, memoryview(body)).entry
        except BadRrd as error:
            zeros = ", it is all zeros" if body and not any(body) else ""
            self.add(Fault.MESSAGE, offset, f"this message cannot be decoded{zeros}, readers skip it: {error}")
            self.messages.append(_Message(offset, size, b"", 0))
            return
        self.messages.append(_Message(offset, size, entry.chunk_id, entry.rows))

    def _end(self, ending: Ending) -> None:
        if ending.reason:
            self.add(Fault.TAIL, ending.at, f"{self.size - ending.at} bytes are of no use: {ending.reason}")

    def _check_footer(self, data: FileBytes) -> None:
        try:
            listed = read_manifests(data)
        except BadRrd as error:
            self.add(Fault.FOOTER, self.end, f"the footer cannot be used: {error}")
            return
        chunks = {each.offset + rrd.MESSAGE_HEADER_SIZE: each for each in self.messages if each.chunk_id}
        wrong = [
            offset
            for offset, chunk in listed.items()
            if offset not in chunks or (chunks[offset].chunk_id, chunks[offset].rows) != (chunk.chunk_id, chunk.rows)
        ]
        missing = [offset for offset, chunk in chunks.items() if offset not in listed and chunk.rows]
        for offsets, what in ((wrong, "lists chunks that are not there"), (missing, "lacks chunks")):
            if offsets:
                first = min(offsets) - rrd.MESSAGE_HEADER_SIZE
                self.add(Fault.FOOTER, first, f"the footer {what}, {len(offsets)} of {len(chunks)}: this is the first")

    def shown_problems(self) -> Iterator[str]:
        """Sentences, of which there are not too many."""
        for problem in self.problems[:_MOST_PROBLEMS]:
            yield str(problem)
        if len(self.problems) > _MOST_PROBLEMS:
            yield f"{self.path}: and {len(self.problems) - _MOST_PROBLEMS} more"


def check_file(path: Path) -> FileReport:
    """Any .rrd file. Raises OSError."""
    report = FileReport(path)
    report.read()
    return report


def check_recording(directory: Path, *, is_live: bool = False) -> list[FileReport]:
    """The segments of a recording and what is known of them. Raises OSError.

    is_live: a daemon may be writing to it: what its last segment ends with, and whether it is indexed, says nothing.
    """
    index = Index(directory)
    names_fit = index.names.load()
    reports: list[FileReport] = []
    seen: set[bytes] = set()
    before = 0
    for number, path in segment_files(directory):
        report = check_file(path)
        reports.append(report)
        if number > before + 1:
            gone = f"{before + 1:06d}.rrd" + (f" to {number - 1:06d}.rrd" if number > before + 2 else "")
            report.add(Fault.GAP, None, f"{gone}, which came before it, is missing: what was in it is lost")
        before = number
        segment_index = SegmentIndex(path)
        own_from = segment_index.totals.first if segment_index.load_totals() else report.size
        for message in report.messages:
            if message.chunk_id in seen and message.offset >= own_from:
                report.add(Fault.MESSAGE, message.offset, "this chunk is there already, readers show it once")
            if message.chunk_id:
                seen.add(message.chunk_id)
        _check_index(report, segment_index, names_fit and len(index.names.names) >= segment_index.totals.names)
    if reports and is_live:
        reports[-1].problems = [
            problem for problem in reports[-1].problems if problem.fault not in (Fault.TAIL, Fault.INDEX)
        ]
    return reports


def _check_index(report: FileReport, index: SegmentIndex, names_fit: bool) -> None:
    if not index.load_totals() or not names_fit:
        report.add(Fault.INDEX, None, "the index is missing or damaged; the daemon makes it anew when it starts")
        return
    at = 0
    for block in index.blocks():
        firsts = block[(block["flags"] & FIRST) != 0]
        there = report.messages[at : at + len(firsts)]
        fits = np.array(
            [
                (int(record["offset"]), int(record["size"])) == message[:2]
                and (not message.chunk_id or bytes(record["chunk_id"]) == message.chunk_id)
                for record, message in zip(firsts, there, strict=False)
            ],
            bool,
        )
        if len(there) < len(firsts) or not fits.all():
            bad = int(np.argmin(fits)) if len(fits) and not fits.all() else len(there)
            offset = int(firsts["offset"][bad])
            report.add(Fault.INDEX, offset, "from here on the index says something else than the file")
            return
        at += len(firsts)
    if at < len(report.messages):
        left = len(report.messages) - at
        report.add(Fault.INDEX, report.messages[at].offset, f"the index lacks the last {left} messages")


def repair_file(path: Path) -> None:
    """Cut what is torn, and give the file a footer that fits. Raises OSError, CheckError."""
    report = check_file(path)
    if report.has(Fault.NO_RRD) or not report.has(Fault.TAIL, Fault.FOOTER):
        return
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CheckError(f"somebody is writing this file: repair it when that has ended: {path}") from None
        if report.has(Fault.TAIL):
            tail = next(problem for problem in report.problems if problem.fault == Fault.TAIL)
            cut_torn_tail(path, tail.offset or report.end)
        else:
            os.truncate(path, report.end)
        _seal(path)


def repair_recording(directory: Path) -> None:
    """Bring log, index and footers to what a daemon would have. Nobody may use it. Raises OSError."""
    reports = check_recording(directory)
    for report in reports:
        if report.has(Fault.FOOTER):
            os.truncate(report.path, report.end)
    if any(report.has(Fault.INDEX) for report in reports):
        discard_index(directory)
    log, index = Log(directory), Index(directory)
    recover(directory, log, index)
    index.release()
    for segment in log.segments[:-1]:
        _seal(segment.path)


def _seal(path: Path) -> None:
    """A file in which something cannot be decoded stays without a footer."""
    try:
        seal(path)
    except BadRrd:
        return
