"""Whether two .rrd files say the same, more strictly than `rerun rrd compare`.

Compared: the stores and their kinds; of each store every row of every entity in the order of logging: its timelines and
times, its components with descriptors, exact Arrow types and values, so also which were logged in one row; the
order of rows across entities; static data and properties; activations of blueprints.
Ignored: ids of recordings, chunks and rows; wall-clock times (`log_time`, start time); how rows are cut into chunks.
The random ids of views, containers and visualizers are numbered in the order of their appearance.

    python -m tests.strict_compare ONE.rrd OTHER.rrd
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from rerund_sdk.chunk_reader import Chunk
from rerund_sdk.loading import LoadedRecording, load_all

WALL_CLOCK_TIMELINES = {"log_time"}
WALL_CLOCK_COMPONENTS = {"RecordingInfo:start_time"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOST_DIFFERENCES = 20


class Row(NamedTuple):
    """One logged row."""

    row_id: bytes
    entity_path: str
    times: tuple[tuple[str, str, int], ...] | None  # timeline, type, value; None: static
    components: dict[tuple[Any, ...], pa.Array[Any]]  # by descriptor and type; lists of one item


def differences(one: Path | str, other: Path | str) -> list[str]:
    """What differs, a sentence each; empty if the files say the same."""
    stores, other_stores = load_all(one), load_all(other)
    kinds, other_kinds = ([(s.is_blueprint, s.application_id) for s in both] for both in (stores, other_stores))
    if kinds != other_kinds:
        return [f"stores (is blueprint, application id): {kinds} | {other_kinds}"]
    found = [
        f"{'blueprint' if store.is_blueprint else 'recording'} {number}: {difference}"
        for number, (store, other_store) in enumerate(zip(stores, other_stores, strict=True))
        for difference in _of_stores(store, other_store)
    ]
    return found[:MOST_DIFFERENCES] + [f"... and {len(found) - MOST_DIFFERENCES} more"] * (
        len(found) > MOST_DIFFERENCES
    )


def _of_stores(one: LoadedRecording, other: LoadedRecording) -> Iterator[str]:
    if one.activation != other.activation:
        yield f"activation (active, default): {one.activation} | {other.activation}"
    rows, other_rows = _rows(one), _rows(other)
    names, other_names = _Names(rows), _Names(other_rows)
    by_entity, by_other_entity = _by_entity(rows, names), _by_entity(other_rows, other_names)
    if by_entity.keys() != by_other_entity.keys():
        only, only_other = by_entity.keys() - by_other_entity.keys(), by_other_entity.keys() - by_entity.keys()
        yield f"entities: only here {sorted(only)} | only there {sorted(only_other)}"
    same = True
    for path in sorted(by_entity.keys() & by_other_entity.keys()):
        for difference in _of_entities(by_entity[path], by_other_entity[path], names, other_names):
            same = False
            yield f"{path}: {difference}"
    order, other_order = (
        [(n(row.entity_path), row.times is None) for row in r] for n, r in ((names, rows), (other_names, other_rows))
    )
    if same and order != other_order and by_entity.keys() == by_other_entity.keys():
        at = next(number for number, (a, b) in enumerate(zip(order, other_order, strict=True)) if a != b)
        yield f"order of rows differs from row {at} on: {order[at : at + 3]} | {other_order[at : at + 3]}"


def _rows(store: LoadedRecording) -> list[Row]:
    """In the order of logging."""
    return sorted((row for chunk in store.chunks() for row in _rows_of(chunk)), key=lambda row: row.row_id)


def _rows_of(chunk: Chunk) -> Iterator[Row]:
    ids = chunk.row_id_column.to_pylist()
    indexes = [index for index in chunk.indexes if index.timeline not in WALL_CLOCK_TIMELINES]
    for number, row_id in enumerate(ids):
        times = tuple(sorted((index.timeline, index.type, int(index.values[number])) for index in indexes))
        components = {
            (*component.descriptor, str(component.column.type)): component.column.slice(number, 1)
            for component in chunk.components
            if component.column[number].is_valid
        }
        yield Row(row_id, chunk.entity_path, times if chunk.indexes else None, components)


class _Names:
    """Gives the random ids in entity paths numbers, in the order in which they come."""

    def __init__(self, rows: list[Row]) -> None:
        self._numbers: dict[str, str] = {}
        for row in rows:
            for text in UUID.findall(row.entity_path):
                self._numbers.setdefault(text, f"<{len(self._numbers)}>")
        self._bytes = {tuple(bytes.fromhex(text.replace("-", ""))): name for text, name in self._numbers.items()}

    def __call__(self, path: str) -> str:
        return UUID.sub(lambda match: self._numbers.get(match[0], "<unknown id>"), path)

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self(value)
        if isinstance(value, list):
            named = self._bytes.get(tuple(value)) if len(value) == 16 and all(type(v) is int for v in value) else None
            return named or [self.value(item) for item in value]
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        return repr(value) if isinstance(value, float) else value  # so that NaN equals NaN, and -0.0 is not 0.0


def _by_entity(rows: list[Row], names: _Names) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(names(row.entity_path), []).append(row)
    return found


def _of_entities(rows: list[Row], other_rows: list[Row], names: _Names, other_names: _Names) -> Iterator[str]:
    if len(rows) != len(other_rows):
        yield f"rows: {len(rows)} | {len(other_rows)}"
    for number, (row, other) in enumerate(zip(rows, other_rows)):  # noqa: B905  # their number was compared
        where = f"row {number}"
        if row.times != other.times:
            yield f"{where}: times {row.times} | {other.times}"
        if row.components.keys() != other.components.keys():
            only, only_other = (
                row.components.keys() - other.components.keys(),
                other.components.keys() - row.components.keys(),
            )
            yield f"{where}: components: only here {sorted(only, key=str)} | only there {sorted(only_other, key=str)}"
        for key in row.components.keys() & other.components.keys():
            one_value, other_value = row.components[key], other.components[key]
            if key[0] not in WALL_CLOCK_COMPONENTS and _bytes(one_value) != _bytes(other_value):
                one_text, other_text = names.value(one_value.to_pylist()), other_names.value(other_value.to_pylist())
                if one_text != other_text:
                    yield f"{where}: {key[0]}: {one_text!s:.300} | {other_text!s:.300}"


def _bytes(array: pa.Array[Any]) -> bytes:
    """Equal for equal values, bit by bit; it may also differ for equal ones, by what lies under their nulls."""
    return pa.record_batch([array], ["value"]).serialize().to_pybytes()


def main() -> None:
    found = differences(sys.argv[1], sys.argv[2])
    print("\n".join(found) or "the same")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
