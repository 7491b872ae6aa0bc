"""What must hold of what lies on the disk after a round, whatever happened in it.

1. Every row that `log` took is in the log once, or declared lost by an entry of the recording itself, or in a spill
   file. A killed producer may have taken with it what it had not yet been told was delivered; one that may keep nothing
   on disk can only count what it still has at its end.
2. What `flush` said is written or synced is in the log, and nothing is called synced by a daemon that never syncs.
3. The rows of an entity lie in the log in the order in which they were logged, and say what was logged.
4. Every segment is whole, and every prefix of it opens.
5. No call of `log` took longer than its bound.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from rerund.bell import Bells
from rerund.log import segment_files
from rerund.recording import Recording
from rerund_sdk import places, rrd
from rerund_sdk.chunk_reader import Chunk, parse_arrow_msg, read_chunk
from rerund_sdk.losses import LOSSES_PATH
from tests.faults.journal import ENTITIES, SLOW_SECS, Journal, percentile
from tests.faults.producer import RECORDING, entity
from tests.faults.run import Account, Ended

LOG_SECS: Final = 2.0  # the bound of a call of `log`, on a machine that may be very slow
_CUTS: Final = 12  # of each round that are opened and repaired


class Figures(NamedTuple):
    """What a round had."""

    faults: int
    producers: int
    logged: int  # rows that `log` took, or may have taken
    stored: int  # rows in the log
    spilled: int  # rows that are in spill files alone
    lost: int  # rows that were counted as lost
    declared: int  # of them, in loss entries of the recording
    killed: int  # rows that a killed producer took with it
    flushes: int  # that said all is written
    syncs: int  # of them, that it is synced, too
    segments: int
    cuts: int  # prefixes that were opened
    worst_log_secs: float
    p999_log_secs: float
    longest_end_secs: float

    def __str__(self) -> str:
        return (
            f"{self.faults} faults, {self.producers} producers: {self.logged} rows logged = {self.stored} in the log "
            f"+ {self.spilled} in spill files + {self.lost} lost + {self.killed} gone with killed producers; "
            f"{self.declared} rows are declared lost in the recording; {self.flushes} flushes kept their word, "
            f"{self.syncs} of them said synced; {self.segments} segments and {self.cuts} prefixes open; log took "
            f"{self.worst_log_secs * 1e3:.1f} ms at most, 99.9 % within {self.p999_log_secs * 1e3:.2f} ms; "
            f"the longest exit took {self.longest_end_secs:.1f} s"
        )


class Findings(NamedTuple):
    """What was broken, and the figures."""

    broken: list[str]
    figures: Figures


def judge(folder: Path, account: Account, seed: int) -> Findings:
    """Look at all that a round left in `folder`."""
    broken = list(account.complaints)
    directory = folder / "home" / places.recording_dir(*RECORDING)
    segments = [path for _, path in segment_files(directory)] if directory.exists() else []
    stored, in_order = _rows_by_entity(_chunks(segments))
    broken += in_order
    spill_files = sorted((folder / "home" / "spill").glob("*.rrd"))
    spilled, _ = _rows_by_entity(_chunks(spill_files, torn=True))
    declared = _declared_lost([*_chunks(segments), *_chunks(spill_files, torn=True)])
    sums = dict.fromkeys(("logged", "stored", "spilled", "lost", "declared", "killed", "flushes", "syncs"), 0)
    times = np.zeros(0, np.int64)
    worst = 0.0
    for producer in account.producers:
        if not (folder / f"p{producer.number}.journal").exists():
            continue  # it was killed before it began
        journal = Journal(folder / f"p{producer.number}.journal")
        broken += _judge_producer(producer, journal, stored, spilled, declared, sums)
        broken += _judge_syncs(producer, journal, account.never_syncs, sums)
        times = np.array(journal.times) + (times if len(times) else 0)
        worst = max(worst, _worst_call(journal, producer))
        journal.close()
    if not worst and len(times):
        worst = min(percentile(times, 1.0), SLOW_SECS)  # none was noted
    if worst > LOG_SECS:
        broken.append(f"a call of log took {worst:.3f} s, over {LOG_SECS} s")
    broken += _open_whole(segments)
    cuts, of_cuts = _open_prefixes(segments, folder, random.Random(seed))
    broken += of_cuts
    figures = Figures(
        account.faults.total(),
        len(account.producers),
        segments=len(segments),
        cuts=cuts,
        worst_log_secs=worst,
        p999_log_secs=percentile(times, 0.999) if len(times) else 0.0,
        longest_end_secs=account.longest_end,
        **sums,
    )
    return Findings(broken, figures)


def _judge_producer(
    producer: Ended,
    journal: Journal,
    stored: dict[str, set[int]],
    spilled: dict[str, set[int]],
    declared: Counter[str],
    sums: dict[str, int],
) -> Iterator[str]:
    was_killed = producer.exit_code < 0
    flushes = [(before, after) for reached, before, after in _flushes(journal) if reached]
    sums["flushes"] += len(flushes)
    for place, name in enumerate(ENTITIES):
        path = entity(producer.number, name)
        here, aside = stored.get(path, set()), spilled.get(path, set()) - stored.get(path, set())
        logged, begun, lost = (int(each[place]) for each in (journal.logged, journal.begun, journal.lost))
        missing = sorted(set(range(logged)) - here - aside)
        sums["logged"] += logged
        sums["stored"] += len(here)
        sums["spilled"] += len(aside)
        sums["lost"] += min(lost, len(missing))
        sums["declared"] += declared[path]
        if strange := sorted((here | aside) - set(range(begun))):
            yield f"{path} has rows that nobody logged: {_shown(strange)}"
        for before, after in flushes:
            if gone := sorted(set(range(before[place], after[place])) - here):
                yield f"{path}: flush said that rows are delivered which are not in the log: {_shown(gone)}"
        if was_killed:
            sums["killed"] += max(0, len(missing) - lost)
        elif len(missing) != lost and (producer.how.spill_bytes or len(missing) > lost):
            yield f"{path}: {len(missing)} rows are missing, counted as lost are {lost}: {_shown(missing)}"
        if declared[path] > lost or (declared[path] < lost and not was_killed and producer.how.spill_bytes):
            yield f"{path}: {lost} rows are counted as lost, the recording declares {declared[path]}"


def _flushes(journal: Journal) -> Iterator[tuple[bool, list[int], list[int]]]:
    """(whether it reached the log, rows from which on it speaks of, rows up to which)

    A flush tells of losses since the one before, so it speaks of what was logged after that one. One that only asked
    whether all is sent says nothing of losses.
    """
    since = [0] * len(ENTITIES)
    lossless = True
    for asked, level, logged, logged_after in journal.notes("flush"):
        if asked == "sent":
            continue
        reached = level in ("written", "synced")
        lossless &= reached
        yield reached, [0] * len(ENTITIES) if lossless else since, logged
        since = logged_after if not reached else since


def _judge_syncs(producer: Ended, journal: Journal, never_syncs: bool, sums: dict[str, int]) -> Iterator[str]:
    """What is called synced is looked at among all that is called written."""
    reached = [level for _, level, *_ in journal.notes("flush")]
    sums["syncs"] += reached.count("synced")
    if never_syncs and "synced" in reached:
        yield f"producer {producer.number} was told that rows are synced by a daemon that never syncs"


def _declared_lost(chunks: Iterable[tuple[Chunk, str]]) -> Counter[str]:
    """Rows by entity, as the loss entries say; each report once, also if it is in a spill file as well."""
    reports = {chunk.id: chunk for chunk, _ in chunks if chunk.entity_path == LOSSES_PATH}
    declared: Counter[str] = Counter()
    for chunk in reports.values():
        columns = {each.descriptor.component: each.column.flatten().to_pylist() for each in chunk.components}
        for path, rows in zip(columns["entity_path"], columns["rows"], strict=True):
            declared[path] += rows
    return declared


def _worst_call(journal: Journal, producer: Ended) -> float:
    """Of `log`, less the time for which its process was frozen."""
    worst = 0.0
    for start, end in journal.notes("slow"):
        frozen = sum(max(0.0, min(end, to) - max(start, since)) for since, to in producer.frozen)
        worst = max(worst, end - start - frozen)
    return worst


def _chunks(paths: Sequence[Path], torn: bool = False) -> Iterator[tuple[Chunk, str]]:
    """All chunks in these files, with what is wrong with the file; later segments' repeated ones are left out."""
    repeated: set[bytes] = set()
    for path in paths:
        content = path.read_bytes()
        end = rrd.STREAM_HEADER_SIZE
        own: set[bytes] = set()
        is_preamble = not torn and path is not paths[0]
        for frame in rrd.frames(content, end):
            end = frame.end
            if frame.kind == rrd.Kind.ARROW:
                chunk = read_chunk(parse_arrow_msg(content[frame.body]))
                is_preamble = is_preamble and chunk.id in repeated and not chunk.indexes
                if not chunk.indexes:
                    own.add(chunk.id)
                if not is_preamble:
                    yield chunk, ""
            elif frame.kind == rrd.Kind.END:
                end = len(content)
        repeated |= own
        if end != len(content) and not torn:
            raise AssertionError(f"{path} is torn at {end} of {len(content)} bytes")


def _rows_by_entity(chunks: Iterator[tuple[Chunk, str]]) -> tuple[dict[str, set[int]], list[str]]:
    """The rows that are there, and what is wrong with their order."""
    rows: dict[str, set[int]] = {}
    last: dict[str, int] = {}
    broken: list[str] = []
    for chunk, _ in chunks:
        if chunk.entity_path.startswith("/__"):
            continue
        here = rows.setdefault(chunk.entity_path, set())
        for row in _row_numbers(chunk):
            if row in here:
                broken.append(f"{chunk.entity_path} has row {row} twice")
            elif row < last.get(chunk.entity_path, -1):
                broken.append(f"{chunk.entity_path} has row {row} after row {last[chunk.entity_path]}")
            here.add(row)
            last[chunk.entity_path] = row
    return rows, broken


def rows_in(paths: Sequence[Path], torn: bool = False) -> dict[str, list[int]]:
    """The rows of each entity in these segments of one recording, in order, as often as they are there."""
    rows: dict[str, list[int]] = {}
    for chunk, _ in _chunks(paths, torn):
        times = next((index.values.tolist() for index in chunk.indexes if index.timeline == "row"), [])
        rows.setdefault(chunk.entity_path, []).extend(times)
    return rows


def _row_numbers(chunk: Chunk) -> list[int]:
    said: list[int] = []
    for component in chunk.components:
        if component.descriptor.component == "Scalars:scalars":
            said = [int(value) for value in component.column.flatten().to_pylist()]
        elif component.descriptor.component == "TextLog:text":
            said = [int(text.removeprefix("row ")) for text in component.column.flatten().to_pylist()]
    times = next((index.values.tolist() for index in chunk.indexes if index.timeline == "row"), said)
    assert said in ([], times), f"{chunk.entity_path}: at rows {times} lies {said}"
    return times


def _open_whole(segments: Sequence[Path]) -> Iterator[str]:
    """By the official tool."""
    if not segments:
        return
    done = _rerun("verify", "--check-footers=false", *map(str, segments))
    if done.returncode:
        yield f"rerun cannot read a segment: {done.stdout}{done.stderr}"


def _open_prefixes(segments: Sequence[Path], folder: Path, chance: random.Random) -> tuple[int, list[str]]:
    """Cut segments anywhere; our recovery makes whole ones of them, which the official tool opens."""
    broken: list[str] = []
    kept: list[Path] = []
    for number in range(_CUTS if segments else 0):
        whole = chance.choice(segments)
        content = whole.read_bytes()
        ends = [rrd.STREAM_HEADER_SIZE, *(frame.end for frame in rrd.frames(content, rrd.STREAM_HEADER_SIZE))]
        at = chance.choice(ends) if number % 3 == 0 else chance.randrange(rrd.STREAM_HEADER_SIZE, len(content) + 1)
        directory = folder / "cuts" / str(number)
        directory.mkdir(parents=True)
        (directory / "000001.rrd").write_bytes(content[:at])
        recording = Recording(directory, *RECORDING, 1 << 30, Bells())
        recording.open()
        good = max(end for end in ends if end <= at)
        if recording.end.offset != good:
            broken.append(f"{whole} cut at {at} opens up to {recording.end.offset}, not {good}")
        recording.release()
        if good > rrd.STREAM_HEADER_SIZE:
            kept.append(directory / "000001.rrd")
    if kept and (done := _rerun("verify", "--check-footers=false", *map(str, kept))).returncode:
        broken.append(f"rerun cannot read a repaired prefix: {done.stdout}{done.stderr}")
    return _CUTS if segments else 0, broken


def _rerun(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("rerun", path=f"{Path(sys.executable).parent}")
    assert program is not None, "the official rerun is not installed beside this Python"
    return subprocess.run([program, "rrd", *words], capture_output=True, text=True, check=False)


def _shown(rows: list[int]) -> str:
    return f"{', '.join(map(str, rows[:8]))}{', ...' if len(rows) > 8 else ''}"
