"""One picture of `rerund top`: what the daemon told last, fitted into a terminal of any size.

Where it is narrow, columns that matter least are left out; where it is low, each list is cut, and says of how many.
What others named (processes, recordings, paths) is shown without control characters: a terminal would obey them.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rerund.command import duration, number, printable, size
from rerund.meter import Counts, Meter

BARS: Final = "▁▂▃▄▅▆▇█"
ASCII_BARS: Final = "_.-=+*%#"
_GRAPH_WIDTH: Final = 12
_LEAST_FIRST: Final = 16  # letters of a list's first column, before other columns are left out
_GAP: Final = 2  # between columns
_AIRY: Final = 16  # lines of a terminal, from which on lists are set apart by empty ones
_BAD, _DIM, _HEAD, _GRAPH = "bold red", "dim", "bold cyan", "green"
_LATE_SECS: Final = 1.0  # rows that take longer are worth a look


class Column(NamedTuple):
    """Of a list, but its first one."""

    name: str
    importance: int  # the least goes first where there is no room
    is_text: bool = False


class Listing(NamedTuple):
    """A list of one kind of thing, in the order of what matters."""

    title: str
    columns: tuple[Column, ...]
    rows: list[tuple[Text, ...]]


class Look(NamedTuple):
    """What the daemon told at one moment."""

    status: dict[str, Any]
    entities: dict[str, list[dict[str, Any]]]  # of live recordings, by name

    def counts(self) -> dict[Hashable, Counts]:
        """By what `Meter` knows them."""
        counted: dict[Hashable, Counts] = {}
        for each in self.status["producers"]:
            counted["producer", each["producer_id"]] = _counts(each)
        for each in self.status["recordings"]:
            counted["recording", name_of(each)] = _counts(each)
        for recording, entities in self.entities.items():
            for each in entities:
                counted["entity", recording, each["entity_path"]] = _counts(each)
        counted["all"] = Counts(self.status["counters"]["rows"], self.status["counters"]["bytes"])
        return counted


def name_of(told: dict[str, Any]) -> str:
    return f"{told['application_id']}/{told['recording_id']}"


def frame(look: Look, meter: Meter, width: int, height: int | None, bars: str = BARS, notice: str = "") -> Group:
    """height: None: as much as it takes. notice: what else there is to say."""
    head = _head(look.status, meter, width, bars)
    if notice:
        head.append(Text(notice, "bold yellow", overflow="ellipsis", no_wrap=True))
    listings = [
        listing
        for listing in (
            _processes(look, meter, bars),
            _recordings(look, meter, bars),
            _entities(look, meter, bars),
            _readers(look),
        )
        if listing.rows
    ]
    is_empty = not listings
    gap = [Text()] if height is None or height >= _AIRY else []
    lengths = [len(listing.rows) for listing in listings]
    if height is not None:
        room, above = height - len(head), len(gap) + 1
        listings = listings[: max(0, room // (above + 1))]
        lengths = shares(lengths[: len(listings)], room - above * len(listings))
    parts: list[RenderableType] = list(head)
    if is_empty:
        parts += [*gap, Text("Nothing was logged yet.", _DIM, no_wrap=True, overflow="ellipsis")]
    for listing, length in zip(listings, lengths, strict=True):
        parts += [*gap, _table(listing, length, width)]
    return Group(*parts)


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """How many rows each list gets: nearly the same, but none more than it wants."""
    given = [0] * len(wanted)
    while room > 0 and given != list(wanted):
        for at, most in enumerate(wanted):
            if given[at] < most and room > 0:
                given[at] += 1
                room -= 1
    return given


def spark(values: Sequence[float], width: int, bars: str = BARS) -> str:
    """A graph of the last `width` values, from 0 to the greatest of them; one value makes none."""
    shown = values[-width:] if width > 0 else []
    most = max(shown, default=0.0)
    if not most or len(shown) < 2:
        return ""
    steps = len(bars) - 1
    return "".join(" " if not value else bars[round(value / most * steps)] for value in shown)


def _head(status: dict[str, Any], meter: Meter, width: int, bars: str) -> list[Text]:
    daemon = [
        f"rerund {status['version']}",
        *([status["instance"]] if status["instance"] else []),
        f"pid {status['pid']}",
        f"up {duration(time.time() - status['started'])}",
        status["http"],
        f"{size(status['memory_bytes'])} of memory",
    ]
    rate = meter.rate("all")
    coming = f"{number(rate.rows)} rows/s, {size(rate.bytes)}/s  "
    lines = [
        Text.assemble(("daemon  ", _HEAD), "  ".join(filter(None, daemon))),
        _disk(status),
        Text.assemble(
            ("coming  ", _HEAD),
            coming,
            (spark(meter.history("all"), max(0, width - len(coming) - 8), bars), _GRAPH),
        ),
    ]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return lines


def _disk(status: dict[str, Any]) -> Text:
    kept = sum(each["bytes"] for each in status["recordings"])
    line = Text.assemble(("disk    ", _HEAD), f"{size(kept)} of recordings")
    disk = status["disk"]
    if disk is not None:
        line.append(f", {size(disk['free'])} of {size(disk['total'])} free, floor {size(disk['floor'])}")
        if disk["missing"]:
            line.append(f": FULL, {size(disk['missing'])} more are needed", _BAD)
    if status["spill"]["files"]:
        line.append(f", {size(status['spill']['bytes'])} left behind by processes", "yellow")
    return line


def _processes(look: Look, meter: Meter, bars: str) -> Listing:
    columns = (
        Column("PID", 3),
        Column("HOST", 1, is_text=True),
        Column("RECORDING", 2, is_text=True),
        Column("ROWS/S", 8),
        Column("DATA/S", 7),
        Column("LATE", 5),
        Column("UNACKED", 6),
        Column("LOST", 9),
        Column("", 4, is_text=True),
    )
    producers = sorted(
        look.status["producers"],
        key=lambda each: (not each["lost_rows"], not each["waiting_bytes"], -each["bytes"], each["producer_id"]),
    )
    rows: list[tuple[Text, ...]] = []
    for each in producers:
        key = ("producer", each["producer_id"])
        rate = meter.rate(key)
        late = each["lag_secs"]
        rows.append(
            (
                _text(each["name"]),
                _text(str(each["pid"] or "")),
                _text(each["host"]),
                _text(each["recording_id"]),
                *_rates(rate.rows, rate.bytes),
                _text(_seconds(late), "yellow" if late > _LATE_SECS else ""),
                _text(size(each["waiting_bytes"]) if each["waiting_bytes"] else "-", "yellow"),
                _text(number(each["lost_rows"]) if each["lost_rows"] else "-", _BAD),
                _graph(meter, key, bars),
            )
        )
    return Listing("PROCESS", columns, rows)


def _recordings(look: Look, meter: Meter, bars: str) -> Listing:
    columns = (
        Column("SIZE", 7),
        Column("ROWS", 3),
        Column("ROWS/S", 8),
        Column("DATA/S", 5),
        Column("LAST WRITE", 6, is_text=True),
        Column("", 4, is_text=True),
    )
    recordings = sorted(look.status["recordings"], key=lambda each: (each["live"], each["last_write"]), reverse=True)
    recordings.sort(key=lambda each: not each["live"])
    rows: list[tuple[Text, ...]] = []
    for each in recordings:
        key = ("recording", name_of(each))
        rate = meter.rate(key)
        written = "live" if each["live"] else f"{duration(time.time() - each['last_write'])} ago"
        rows.append(
            (
                _text(name_of(each) + (" (pinned)" if each["pinned"] else ""), "" if each["live"] else _DIM),
                _text(size(each["bytes"])),
                _text("-" if each["rows"] is None else number(each["rows"])),
                *_rates(rate.rows, rate.bytes),
                _text(each["error"], _BAD) if each["error"] else _text(written, _GRAPH if each["live"] else _DIM),
                _graph(meter, key, bars),
            )
        )
    return Listing("RECORDING", columns, rows)


def _entities(look: Look, meter: Meter, bars: str) -> Listing:
    columns = (
        Column("RECORDING", 2, is_text=True),
        Column("ROWS", 3),
        Column("ROWS/S", 8),
        Column("DATA/S", 7),
        Column("", 4, is_text=True),
    )
    several = len(look.entities) > 1
    found = [
        (meter.rate(("entity", recording, each["entity_path"])), recording, each)
        for recording, entities in look.entities.items()
        for each in entities
        if any(meter.history(("entity", recording, each["entity_path"])))
    ]
    found.sort(key=lambda entry: (-entry[2]["bytes"], entry[2]["entity_path"]))
    rows: list[tuple[Text, ...]] = [
        (
            _text(each["entity_path"]),
            *([_text(recording.partition("/")[2])] if several else []),
            _text(number(each["rows"])),
            *_rates(rate.rows, rate.bytes),
            _graph(meter, ("entity", recording, each["entity_path"]), bars),
        )
        for rate, recording, each in found
    ]
    return Listing("ENTITY", columns if several else columns[1:], rows)


def _readers(look: Look) -> Listing:
    columns = (Column("KIND", 3, is_text=True), Column("RECORDING", 2, is_text=True), Column("BEHIND", 9))
    files = [(each["path"], "file", each) for each in look.status["sinks"]]
    followed = {path for path, _, _ in files}  # they read as viewers do
    viewers = [(each["peer"], each["kind"], each) for each in look.status["viewers"] if each["peer"] not in followed]
    rows: list[tuple[Text, ...]] = [
        (
            _text(where or "this machine"),
            _text(kind),
            _text(each["recording"]),
            _text(size(each["lag_bytes"]), "yellow" if each["lag_bytes"] else ""),
        )
        for where, kind, each in [*files, *viewers]
    ]
    return Listing("VIEWER OR FILE", columns, rows)


def _table(listing: Listing, length: int, width: int) -> Table:
    title = listing.title
    if length < len(listing.rows):
        title += f" ({length} of {len(listing.rows)})"
    shown = listing.rows[:length]
    kept = fitting(listing, shown, width)
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, _GAP, 0, 0), header_style=_HEAD)
    table.add_column(title, ratio=1, no_wrap=True, overflow="ellipsis")
    for at in kept:
        column = listing.columns[at]
        justify = "left" if column.is_text else "right"
        table.add_column(column.name, justify=justify, no_wrap=True, overflow="ellipsis")  # type: ignore[arg-type]
    for row in shown:
        table.add_row(row[0], *(row[at + 1] for at in kept))
    return table


def fitting(listing: Listing, rows: Iterable[tuple[Text, ...]], width: int) -> list[int]:
    """Which columns there is room for, beside a good part of the first one."""
    shown = list(rows)
    widths = [
        max(cell_len(column.name), *(row[at + 1].cell_len for row in shown)) + _GAP
        for at, column in enumerate(listing.columns)
    ]
    longest = max(row[0].cell_len for row in shown)
    kept = [at for at in range(len(listing.columns)) if any(row[at + 1] for row in shown)]
    while kept and sum(widths[at] for at in kept) + min(longest, _LEAST_FIRST) + _GAP > width:
        kept.remove(min(kept, key=lambda at: listing.columns[at].importance))
    return kept


def _text(value: str, style: str = "") -> Text:
    return Text(printable(value), "" if value == "-" else style)


def _rates(rows: float, count: float) -> tuple[Text, Text]:
    return _text(number(rows) if rows else "-"), _text(size(count) if count else "-")


def _graph(meter: Meter, key: Hashable, bars: str) -> Text:
    graph = spark(meter.history(key), _GRAPH_WIDTH, bars)
    return Text(graph.rjust(_GRAPH_WIDTH) if graph else "", _GRAPH)


def _seconds(secs: float) -> str:
    if secs < 1:
        return f"{secs * 1000:.0f} ms"
    return f"{secs:.1f} s" if secs < 60 else duration(secs)


def _counts(told: dict[str, Any]) -> Counts:
    return Counts(told["rows"] or 0, told["bytes"])
