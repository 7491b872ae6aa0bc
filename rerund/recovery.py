"""Opening the log of a recording after anything: a clean stop, a kill, a power cut, a lost or foreign index.

Closed segments are believed when their index is settled and fits the file. The last one, and those that were closed
just before the end, are scanned from where their index can be trusted no longer, torn tails are cut, and what the
index lacks is put into it. Ends with log and index telling the same.
A log that was not left well may have lost to a power cut what was not synced, in any order: then bodies are looked at
also where the index is trusted.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rerund.describe import describe
from rerund.index import STATIC, Index, Place, SegmentIndex
from rerund.log import Log, Segment, cut_torn_tail, mapped, segment_files, whole_messages
from rerund_sdk import rrd
from rerund_sdk.errors import BadRrd
from rerund_sdk.footer import is_sealed
from rerund_sdk.protobuf import BYTES
from rerund_sdk.wire import IndexEntry

log = logging.getLogger(__name__)

_PLACES_AT_ONCE: Final = 10_000
BROKEN_FOOTER_BYTES: Final = rrd.MESSAGE_HEADER_SIZE + 1
_MANIFEST_TAG: Final = 1 << 3 | BYTES


def recover(directory: Path, to_log: Log, index: Index) -> None:
    """Fill `to_log` and `index` from what lies in `directory`. Raises OSError."""
    for unfinished in directory.glob("*.new"):
        unfinished.unlink()
    if not index.names.load():
        log.warning("names in the index are damaged, what lacks them is made anew: %s", directory)
    names = len(index.names.names)  # those that are added from here on are not what an index means
    files = segment_files(directory)
    left_well = all(_is_left_well(path, names) for _, path in files[-1:])
    for number, path in files:
        segment_index = SegmentIndex(path)
        if (number, path) == files[-1] or not (_fits(path, segment_index, names) and segment_index.settled):
            if not _has_stream_header(path):
                path.rename(path.with_suffix(".rrd.torn"))
                log.warning("this segment has not even a header, it is kept aside as %s.torn: %s", path.name, path)
                continue
            with _locked(path):
                _repair(path, segment_index, index, names, check_bodies=not left_well)
        totals = segment_index.totals
        to_log.segments.append(Segment(path, number, totals.first, totals.end, is_sealed_file(path)))
        index.segments.append(segment_index)


def discard_index(directory: Path) -> None:
    """Remove all that is kept beside the segments: the next opening makes it anew."""
    for path in (*directory.glob("*.index"), directory / "names"):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _is_left_well(path: Path, names: int) -> bool:
    """Whether the last segment tells of a clean end. One that only has its totals, as at a rotation, does not."""
    index = SegmentIndex(path)
    return _fits(path, index, names) and (index.was_released or is_sealed_file(path))


def _fits(path: Path, index: SegmentIndex, names: int) -> bool:
    """Whether the header of an index can be believed. names: how many are known."""
    if not index.load_totals() or index.totals.names > names:
        return False
    return index.totals.end == path.stat().st_size or is_sealed_file(path)


def is_sealed_file(path: Path) -> bool:
    """Whether an .rrd file ends in a footer. Raises OSError."""
    with path.open("rb") as file:
        return is_sealed(file)


def _has_stream_header(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            rrd.check_stream_header(file.read(rrd.STREAM_HEADER_SIZE))
        except BadRrd:
            return False
    return True


def _repair(path: Path, segment_index: SegmentIndex, index: Index, names: int, check_bodies: bool) -> None:
    """Bring the index up to the last whole message and cut what follows it."""
    content = mapped(path)
    knows_first = segment_index.trust(content, names, check_bodies)
    repeated_ids = _static_ids(index) if index.segments and not knows_first else set()
    places: list[Place] = []
    for place in _described(content, segment_index.totals.end, path):
        if not knows_first:
            knows_first = not _is_repeated(place.entry, repeated_ids, bool(index.segments))
            if not knows_first:
                segment_index.set_first(place.offset + place.entry.size)
        places.append(place._replace(repeated=place.offset < segment_index.totals.first))
        if len(places) == _PLACES_AT_ONCE:
            segment_index.add(places, index.names)
            places.clear()
    segment_index.add(places, index.names)
    end = segment_index.totals.end
    segment_index.set_first(min(segment_index.totals.first, end))  # what it repeats may be torn, too
    segment_index.write_totals()
    if is_sealed_file(path):
        return
    if is_broken_footer(content[end : end + BROKEN_FOOTER_BYTES]):
        log.info("cut a footer that was not finished: %s", path)
        os.truncate(path, end)
    cut_torn_tail(path, end)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """While a process that a killed daemon had started may still be writing a footer."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_broken_footer(tail: memoryview) -> bool:
    """Whether these BROKEN_FOOTER_BYTES or fewer begin a footer that was broken off: an End of length 0, a manifest."""
    header, first = tail[: rrd.MESSAGE_HEADER_SIZE], tail[rrd.MESSAGE_HEADER_SIZE :]
    return header == bytes(rrd.MESSAGE_HEADER_SIZE) and (not first or first[0] == _MANIFEST_TAG)


def _described(content: memoryview, start: int, path: Path) -> Iterator[Place]:
    for frame in whole_messages(content, start):
        try:
            entry = describe(content[frame.start : frame.end])
        except BadRrd as error:  # whole, but nonsense: some producer's fault, and viewers skip it too
            log.warning("message at offset %d cannot be indexed (%s): %s", frame.start, error, path)
            entry = IndexEntry(frame.kind, frame.end - frame.start, b"", "", 0, False, ())
        yield Place(frame.start, entry)


def _static_ids(index: Index) -> set[bytes]:
    ids: set[bytes] = set()
    for records in index.segments[-1].blocks():
        ids.update(bytes(chunk_id) for chunk_id in records["chunk_id"][(records["flags"] & STATIC) != 0])
    return ids


def _is_repeated(entry: IndexEntry, static_ids: set[bytes], has_earlier: bool) -> bool:
    """Whether a message at the front of a segment repeats one of the segment before."""
    if entry.kind == rrd.Kind.STORE_INFO:
        return has_earlier
    return entry.static and entry.chunk_id in static_ids
