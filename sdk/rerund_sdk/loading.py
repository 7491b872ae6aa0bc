"""Reading back what was logged: a recording's entities, timelines and components as Arrow tables and data frames.

    recording = rr.load("run.rrd")
    recording.entities                                  # ('/arm/joint1', '/camera')
    recording.table("/arm/joint1", timeline="frame")    # a pyarrow.Table, one row for each logged row
    recording.pandas("/arm/**", timeline="frame", start=100, end=200, fill=True)
    for batch in recording.batches("/camera"): ...      # streaming

What is loaded at once is only where each chunk lies, and its ranges; rows are read when they are asked for, chunk by
chunk. So `batches` takes the memory of one chunk, and `table` that of its result.
A recording that is still being written is loaded up to its end at the moment of the call.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pyarrow as pa

from rerund_sdk import loading_source, messages, stream_reader, tables
from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.chunk_reader import ArrowMsg, Chunk, parse_arrow_msg, read_chunk
from rerund_sdk.entity_path import normalise
from rerund_sdk.errors import BadData, BadRrd, LoadError
from rerund_sdk.manifest_reader import Listed, listed_chunks
from rerund_sdk.rrd import Kind
from rerund_sdk.stream_reader import Bytes, Place
from rerund_sdk.tables import TimeBound, TimeRange
from rerund_sdk.wire import TimeRange as ChunkRange

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped,unused-ignore]
    import polars

    from rerund_sdk.recording import RecordingStream

Source: TypeAlias = "str | os.PathLike[str] | bytes | RecordingStream"
Entities: TypeAlias = "str | Collection[str] | None"

logger = logging.getLogger("rerund_sdk")


def load(source: Source, *, application_id: str | None = None, recording_id: str | None = None) -> LoadedRecording:
    """The recording in `source`, which is an .rrd file, bytes of one, a directory of the daemon, or one being logged.

    source: a path; bytes; a `RecordingStream` of this process; or `APPLICATION_ID/RECORDING_ID` or a recording id, of
    the daemon's recordings.
    application_id, recording_id: which one, where the source has several.
    Raises LoadError if there is none, or more than one; BadRrd if the source is no .rrd stream.
    """
    found = load_all(source)
    wanted = [
        store
        for store in found
        if (not store.is_blueprint or recording_id is not None)
        and application_id in (None, store.application_id)
        and recording_id in (None, store.recording_id)
    ]
    if len(wanted) == 1:
        return wanted[0]
    names = ", ".join(f"{store.application_id}/{store.recording_id}" for store in found) or "none"
    what = "no such recording" if not wanted else f"{len(wanted)} recordings"
    raise LoadError(f"{source!r:.200} has {what}: choose by application_id= and recording_id= from: {names}")


def load_all(source: Source) -> list[LoadedRecording]:
    """Every store in `source`, blueprints too, in the order of their first messages; see `load`."""
    return _Index(loading_source.open_source(source)).stores()


class _ChunkPlace(NamedTuple):
    """What is known of a chunk without reading it again."""

    data: Bytes
    place: Place
    entity_path: str
    rows: int
    ranges: tuple[ChunkRange, ...]  # none: static
    components: tuple[ComponentDescriptor, ...]


class LoadedRecording:
    """One recording as it was when it was loaded. Made by `load`.

    Where a method takes entities, they are: None for all, a path, a path with `/**` at its end for it and all below it,
    or several of these. Where it takes components, they are names like `Scalars:scalars` or, short, `scalars`.
    start, end: on the timeline, both inclusive; integers for a sequence, and what `set_time` takes for the others.
    """

    def __init__(self, application_id: str, recording_id: str, is_blueprint: bool) -> None:
        self.application_id = application_id
        self.recording_id = recording_id
        self.is_blueprint = is_blueprint
        self.activation: tuple[bool, bool] | None = None  # of a blueprint: (make_active, make_default)
        self._chunks: list[_ChunkPlace] = []

    def __repr__(self) -> str:
        return f"<LoadedRecording {self.application_id}/{self.recording_id}: {len(self._chunks)} chunks>"

    @property
    def entities(self) -> tuple[str, ...]:
        """The entity paths that have data, sorted."""
        return tuple(sorted({chunk.entity_path for chunk in self._chunks}))

    @property
    def timelines(self) -> dict[str, str]:
        """Timeline names, and their types: sequence, duration or timestamp."""
        return {range_.timeline: range_.type for chunk in self._chunks for range_ in chunk.ranges}

    def components(self, entities: Entities = None) -> tuple[ComponentDescriptor, ...]:
        """The components that any of the entities has, sorted."""
        chosen = _chooser(entities)
        found = {component for chunk in self._chunks if chosen(chunk.entity_path) for component in chunk.components}
        return tuple(sorted(found, key=str))

    @property
    def row_count(self) -> int:
        return sum(chunk.rows for chunk in self._chunks)

    def chunks(
        self,
        entities: Entities = None,
        *,
        timeline: str | None = None,
        start: TimeBound = None,
        end: TimeBound = None,
        components: Iterable[str] | None = None,
    ) -> Iterator[Chunk]:
        """The chunks, as they were written and in that order, that have any rows asked for."""
        chosen, wanted = _chooser(entities), _wanted(components)
        time_range = self._time_range(timeline, start, end)
        return _read(
            chunk
            for chunk in self._chunks
            if chosen(chunk.entity_path)
            and (time_range is None or time_range.overlaps(chunk.ranges))
            and (wanted is None or any(map(wanted, chunk.components)))
        )

    def batches(
        self,
        entities: Entities = None,
        *,
        timeline: str | None = None,
        start: TimeBound = None,
        end: TimeBound = None,
        components: Iterable[str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows asked for, a batch for each chunk, for data larger than memory.

        Columns: row_id, the timelines, the components. Metadata of the schema: `rerun:entity_path`.
        """
        wanted, time_range = _wanted(components), self._time_range(timeline, start, end)
        for chunk in self.chunks(entities, timeline=timeline, start=start, end=end, components=components):
            batch = tables.batch(chunk, wanted, time_range)
            if batch.num_rows:
                yield batch

    def table(
        self,
        entities: Entities = None,
        *,
        timeline: str | None = None,
        start: TimeBound = None,
        end: TimeBound = None,
        components: Iterable[str] | None = None,
        fill: bool = False,
        flatten: bool = False,
    ) -> pa.Table:
        """The rows asked for: a column for each timeline and component, a list of instances in each cell.

        Without a timeline: all rows, also static ones, in the order of their logging. With one: the rows on it in its
        order; rows of several entities at the same time share a row. A null says that nothing was logged there.
        Columns of a single entity are named like `Scalars:scalars`, else `/arm:Scalars:scalars`.
        fill: instead of nulls, what held at that time: the latest data before, or static data.
        flatten: columns with at most one instance in each cell become plain columns instead of lists.
        Raises BadData if there is no such timeline or entity.
        """
        if fill and timeline is None:
            raise BadData("fill=True needs a timeline: what is latest depends on it")
        several = not isinstance(entities, str) or entities.endswith("/**")
        time_range = self._time_range(timeline, start, end)
        read_range = time_range.from_beginning() if fill and time_range else time_range
        paths, wants = self._existing(entities), _wanted(components)
        rows = {
            path: tables.sorted_rows(batches, timeline)
            for path, batches in self._rows(paths, wants, read_range).items()
        }
        table = tables.joined(rows, timeline, with_entity=several)
        if fill and time_range is not None:
            static = self._rows(paths, wants, None, static=True)
            held = {path: tables.latest(tables.sorted_rows(batches, None)) for path, batches in static.items()}
            table = time_range.slice(tables.filled(table, held, with_entity=several))
        return tables.flattened(table) if flatten else table

    def _rows(
        self, entities: Collection[str], wanted: tables.Wanted, time_range: TimeRange | None, *, static: bool = False
    ) -> dict[str, list[pa.RecordBatch]]:
        """The rows of each entity in the time range (None: all). static: those that are on no timeline, instead."""
        rows: dict[str, list[pa.RecordBatch]] = {path: [] for path in entities}
        for place in self._chunks:
            if place.entity_path not in rows or (wanted is not None and not any(map(wanted, place.components))):
                continue
            if not place.ranges if static else time_range is None or time_range.overlaps(place.ranges):
                batches = (tables.batch(chunk, wanted, time_range) for chunk in _read([place]))
                rows[place.entity_path].extend(batches)
        return rows

    def static(self, entity: str) -> pa.Table:
        """One row: the entity's static components, each as it was last logged."""
        (batches,) = self._rows([normalise(entity)], None, None, static=True).values()
        return tables.latest(tables.sorted_rows(batches, None))

    def pandas(self, entities: Entities = None, **query: Any) -> pandas.DataFrame:
        """As `table`, as a pandas data frame. Raises ImportError if pandas is not installed."""
        return self.table(entities, **query).to_pandas()

    def polars(self, entities: Entities = None, **query: Any) -> polars.DataFrame:
        """As `table`, as a polars data frame. Raises ImportError if polars is not installed."""
        try:
            import polars
        except ImportError as error:
            raise ImportError("polars is not installed: pip install polars") from error
        return polars.from_arrow(self.table(entities, **query))  # type: ignore[return-value]

    def _existing(self, entities: Entities) -> list[str]:
        chosen = _chooser(entities)
        found = [path for path in self.entities if chosen(path)]
        if not found and entities is not None:
            known = ", ".join(self.entities[:20]) or "none"
            raise BadData(f"the recording has no entity {entities!r}: it has {known}")
        return found

    def _time_range(self, timeline: str | None, start: TimeBound, end: TimeBound) -> TimeRange | None:
        if timeline is None:
            if start is not None or end is not None:
                raise BadData("start= and end= need a timeline")
            return None
        types = self.timelines
        if timeline not in types:
            raise BadData(f"the recording has no timeline {timeline!r}: it has {', '.join(types) or 'none'}")
        return TimeRange.of(timeline, types[timeline], start, end)


def _chooser(entities: Entities) -> Callable[[str], bool]:
    """Whether an entity path is one of `entities`."""
    if entities is None:
        return lambda _: True
    exact: set[str] = set()
    below: list[str] = []
    for path in [entities] if isinstance(entities, str) else entities:
        if path.endswith("/**"):
            below.append(normalise(path[:-3]))
        else:
            exact.add(normalise(path))
    trees = tuple(path.rstrip("/") + "/" for path in below)
    exact.update(below)
    return lambda path: path in exact or path.startswith(trees)


def _wanted(components: Iterable[str] | None) -> Callable[[ComponentDescriptor], bool] | None:
    """Whether a component is one of those named; None: all are."""
    if components is None:
        return None
    names = {components} if isinstance(components, str) else set(components)
    return lambda descriptor: bool({descriptor.component, descriptor.component.rpartition(":")[2]} & names)


def _read(chunks: Iterable[_ChunkPlace]) -> Iterator[Chunk]:
    """The chunks themselves. What is damaged is warned of and left out."""
    for chunk in chunks:
        try:
            yield read_chunk(parse_arrow_msg(chunk.data.read(chunk.place.start, chunk.place.size)))
        except BadRrd as error:
            logger.warning("a chunk of %s at offset %d is left out: %s", chunk.entity_path, chunk.place.start, error)


class _Index:
    """One pass over all messages: which stores there are, and where their chunks lie.

    What is damaged is warned of and left out; what comes twice (a chunk id) counts once, as in Rerun's own stores.
    """

    def __init__(self, files: Sequence[tuple[str, Bytes]]) -> None:
        self._stores: dict[tuple[bool, str, str], LoadedRecording] = {}
        self._by_id: dict[bytes, LoadedRecording] = {}
        self._seen: set[bytes] = set()
        self._listed: dict[int, Listed] = {}  # of the file that is being read
        for name, data in files:
            self._listed = listed_chunks(data)
            for message in stream_reader.messages(data):
                if isinstance(message, Place):
                    self._take(name, data, message)
                elif message.reason:
                    logger.warning(
                        "%s is read up to offset %d of %d: %s", name, message.at, data.size(), message.reason
                    )

    def stores(self) -> list[LoadedRecording]:
        return list(self._stores.values())

    def _take(self, name: str, data: Bytes, place: Place) -> None:
        listed = self._listed.get(place.start) if place.kind == Kind.ARROW else None
        if listed is not None:
            self._add(data, place, listed)
            return
        body = data.read(place.start, place.size)
        try:
            if place.kind == Kind.ARROW:
                self._add(data, place, _opened(parse_arrow_msg(body)))
            elif place.kind == Kind.STORE_INFO:
                self._store(messages.parse("SetStoreInfo", body).info.store_id)
            else:
                command = messages.parse("BlueprintActivationCommand", body)
                self._store(command.blueprint_id).activation = (command.make_active, command.make_default)
        except BadRrd as error:
            logger.warning("%s: the message at offset %d is left out: %s", name, place.start, error)

    def _add(self, data: Bytes, place: Place, chunk: Listed) -> None:
        if chunk.chunk_id in self._seen or not chunk.rows:
            return
        self._seen.add(chunk.chunk_id)
        store = self._by_id.get(chunk.store_id)
        if store is None:
            store = self._by_id[chunk.store_id] = self._store(messages.parse("StoreId", chunk.store_id))
        path = normalise(chunk.entity_path)
        store._chunks.append(_ChunkPlace(data, place, path, chunk.rows, chunk.ranges, chunk.components))

    def _store(self, store_id: Any) -> LoadedRecording:
        """The store of that id; one without an application id (old writers) has that of an earlier store."""
        is_blueprint = store_id.kind == messages.STORE_KIND_BLUEPRINT
        key = (is_blueprint, store_id.application_id.id, store_id.recording_id)
        if not key[1]:
            key = next((known for known in self._stores if known[::2] == key[::2]), key)
        if key not in self._stores:
            self._stores[key] = LoadedRecording(key[1], key[2], is_blueprint)
        return self._stores[key]


def _opened(message: ArrowMsg) -> Listed:
    """What a manifest would say of a chunk."""
    chunk = read_chunk(message)
    ranges = tuple(tables.ranges(chunk)) if chunk.rows else ()
    components = tuple(component.descriptor for component in chunk.components)
    return Listed(message.store_id, chunk.id, chunk.entity_path, chunk.rows, ranges, components)
