"""A window into a recording over a WebSocket: a page asks for what it shows, and is told when there is more.

Form of a request: text, JSON {"id", "op", ...}. Of its answer: binary: u32 (little-endian) length of the head, the head
as JSON {"id", ...} or {"id", "error"}, padded to 8 bytes, then what the head says. A head without id is news: what the
recording has now. Times are int64 written as text, since JavaScript's numbers cannot hold them.
Flow: a few requests are answered at a time; news wait until the page has taken the last, and are then of that moment.
So a page on a slow link asks less often, and one that the browser froze costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

import pyarrow as pa
from aiohttp import WSMsgType, web

from rerund.cursor import Cursor
from rerund.errors import RecordingRemoved
from rerund.log import Position
from rerund.recording import Recording
from rerund.web.finder import Finder
from rerund.web.latest import HIGHEST, LOWEST, Value, latest_at, next_row
from rerund.web.series import Numbers
from rerund.web.stream import close
from rerund.web.text_rows import Filter, Place, TextRow, behind, text_rows
from rerund.web.video import samples
from rerund_sdk.errors import RerundError

MAX_QUERY_BYTES: Final = 256 * 1024
_MOST_ENTITIES: Final = 2000  # of one request
_MOST_BINS: Final = 8192
_MOST_STEPPED: Final = 500
_MOST_ROWS: Final = 1000
_AT_A_TIME: Final = 4  # requests of one page
_NEWS_PERIOD_S: Final = 0.1
_NEWS_REST: Final = 4  # times what it took to find them
_NEWS_NAMES: Final = 500  # changed entities that are named; more are "all"

Answer: TypeAlias = tuple[dict[str, Any], list[Any]]  # head, and the buffers that follow it


class Reader:
    """What all windows into one recording share."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.finder = Finder(recording)
        self.numbers = Numbers(self.finder)


class Present(Cursor):
    """Stands for a window among the viewers: it looks where it likes and is never behind."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording, recording.end)
        self._looked_at = recording

    @property
    def position(self) -> Position:
        return self._looked_at.end

    def lag(self) -> int:
        return 0


class Window:
    """One page's view of one recording."""

    def __init__(self, socket: web.WebSocketResponse, reader: Reader, pool: ThreadPoolExecutor) -> None:
        self._socket = socket
        self._recording = reader.recording
        self._finder = reader.finder
        self._numbers = reader.numbers
        self._pool = pool
        self._sending = asyncio.Lock()

    async def serve(self) -> None:
        """Until the page or the recording goes away."""
        news = asyncio.create_task(self._tell_news())
        requests = asyncio.create_task(self._answer_requests())
        try:
            await asyncio.wait((news, requests), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (news, requests):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await task

    async def _answer_requests(self) -> None:
        answering: set[asyncio.Task[None]] = set()
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    answering.add(asyncio.create_task(self._answer_one(message.data)))
                if len(answering) >= _AT_A_TIME:
                    _, answering = await asyncio.wait(answering, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in answering:
                task.cancel()
            await asyncio.gather(*answering, return_exceptions=True)

    async def _answer_one(self, text: str) -> None:
        await self._send(*await self._run(self._answer, text))

    async def _tell_news(self) -> None:
        seen: list[int] = []
        with contextlib.suppress(RecordingRemoved, FileNotFoundError):
            while not self._recording.removed:
                began = time.monotonic()
                seen, head = await self._run(self._news, seen)
                took = time.monotonic() - began
                if head:
                    await self._send(head, [])
                await asyncio.sleep(max(_NEWS_PERIOD_S, took * _NEWS_REST))
                await self._recording.indexed(seen)
        what = "was removed" if self._recording.removed else "cannot be read: its files are not there"
        await close(self._socket, f"Recording {self._recording.name} {what}.")

    async def _send(self, head: dict[str, Any], buffers: list[Any]) -> None:
        encoded = json.dumps(head).encode()
        encoded += b" " * (-(len(encoded) + 4) % 8)
        async with self._sending:
            await self._socket.send_bytes(b"".join((struct.pack("<I", len(encoded)), encoded, *buffers)))

    async def _run(self, work: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    # on a query thread

    def _news(self, seen: list[int]) -> tuple[list[int], dict[str, Any] | None]:
        now, changed = self._finder.changed_since(seen)
        if now == seen:
            return now, None
        ranges: dict[str, tuple[str, int, int]] = {}
        for entity in self._recording.entities():
            for name, kind, low, high in entity.timelines:
                _, old_low, old_high = ranges.get(name, (kind, low, high))
                ranges[name] = (kind, min(low, old_low), max(high, old_high))
        timelines = [
            {"name": name, "type": kind, "min": str(low), "max": str(high)}
            for name, (kind, low, high) in sorted(ranges.items())
        ]
        named = sorted(changed) if len(changed) <= _NEWS_NAMES else None
        return now, {"timelines": timelines, "changed": named, "bytes": self._recording.log.size}

    def _answer(self, text: str) -> Answer:
        number = None
        try:
            request = json.loads(text)
            number = request["id"]
            head, buffers = _OPERATIONS[request["op"]](self, request)
        except RerundError as error:
            return {"id": number, "error": str(error)}, []
        except OSError as error:
            return {"id": number, "error": f"The recording cannot be read: {error.strerror or error}."}, []
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            return {"id": number, "error": f"This is no request: {type(error).__name__} {error}."[:300]}, []
        return {"id": number, **head}, buffers

    def _entities(self, _request: dict[str, Any]) -> Answer:
        """What there is: every entity, its components and where it lies on which timelines."""
        entities = []
        for entity in self._recording.entities():
            fields = self._finder.components(entity.entity_path, entity.rows)
            timelines = {name: [str(low), str(high)] for name, _, low, high in entity.timelines}
            entities.append(
                {
                    "path": entity.entity_path,
                    "rows": entity.rows,
                    "bytes": entity.bytes,
                    "static": entity.static,
                    "timelines": timelines,
                    "components": [_described(name, field) for name, field in fields.items()],
                }
            )
        return {"entities": entities}, []

    def _latest(self, request: dict[str, Any]) -> Answer:
        """What entities are at a time; `known`: row ids of components that need not be sent again."""
        at = _time(request["at"], HIGHEST)
        known: dict[str, dict[str, str]] = request.get("known", {})
        head, buffers = [], []
        for entity in _list_of_texts(request["entities"], _MOST_ENTITIES):
            values = latest_at(self._finder, entity, str(request["timeline"]), at, request.get("components"))
            has = known.get(entity, {})
            new = {name: value for name, value in values.items() if has.get(name) != value.row_id.hex()}
            data = _as_stream(new)
            buffers += [data, b"\0" * (-len(data) % 8)]
            components = {
                name: [value.row_id.hex(), None if value.time is None else str(value.time)]
                for name, value in values.items()
            }
            head.append({"path": entity, "components": components, "size": len(data)})
        return {"entities": head}, buffers

    def _series(self, request: dict[str, Any]) -> Answer:
        """Numbers over time: for each entry of `lines` its times (int64), then each line's values (float64)."""
        low, high = _time(request["low"], LOWEST), _time(request["high"], HIGHEST)
        bins = min(max(int(request["bins"]), 1), _MOST_BINS)
        head, buffers = [], []
        for entity, component in request["lines"][:_MOST_ENTITIES]:
            found = self._numbers.series(str(entity), str(component), str(request["timeline"]), low, high, bins)
            lines = found.values.shape[1]
            head.append({"points": len(found.times), "lines": lines, "chunks": found.chunks, "missing": found.missing})
            buffers += [found.times.tobytes(), found.values.T.tobytes()]
        return {"series": head}, buffers

    def _text_rows(self, request: dict[str, Any]) -> Answer:
        levels = request.get("levels")
        wanted = Filter(
            None if levels is None else frozenset(_list_of_texts(levels, 100)), str(request.get("text", ""))
        )
        entities = _list_of_texts(request["entities"], _MOST_ENTITIES)
        limit = min(max(int(request["limit"]), 1), _MOST_ROWS)
        before = behind(_time(request["before"], HIGHEST))
        if "before_row" in request:
            before = Place(before.time, bytes.fromhex(request["before_row"]))
        page = text_rows(self._finder, entities, str(request["timeline"]), before, limit, wanted)
        rows = [{**row._asdict(), **_place(row)} for row in page.rows]
        return {
            "rows": rows,
            "looked_back_to": None if page.looked_back_to is None else _place(page.looked_back_to),
        }, []

    def _samples(self, request: dict[str, Any]) -> Answer:
        """What a decoder needs to show a video stream; `after`, `after_row`: what it has."""
        at = _time(request["at"], HIGHEST)
        after = (_time(request["after"], LOWEST), bytes.fromhex(request["after_row"])) if "after" in request else None
        found = samples(
            self._finder, str(request["entity"]), str(request["timeline"]), at, int(request["codec"]), after
        )
        head = [
            {"time": str(row.time), "row_id": row.row_id.hex(), "size": len(row.data), "key": row.is_keyframe}
            for row in found
        ]
        return {"samples": head}, [row.data for row in found]

    def _step(self, request: dict[str, Any]) -> Answer:
        """The time of the next row, of these entities or of any."""
        asked = request.get("entities")
        entities = (
            [each.entity_path for each in self._recording.entities()][:_MOST_STEPPED]
            if asked is None
            else _list_of_texts(asked, _MOST_STEPPED)
        )
        at, forward = _time(request["at"], HIGHEST), bool(request["forward"])
        found = next_row(self._finder, entities, str(request["timeline"]), at, forward=forward)
        return {"time": None if found is None else str(found)}, []


_OPERATIONS: Final[dict[str, Callable[[Window, dict[str, Any]], Answer]]] = {
    "entities": Window._entities,
    "latest": Window._latest,
    "series": Window._series,
    "text_rows": Window._text_rows,
    "step": Window._step,
    "samples": Window._samples,
}


def _place(row: TextRow | Place) -> dict[str, str]:
    return {"time": str(row.time), "row_id": row.row_id.hex()}


def _described(name: str, field: pa.Field[Any]) -> dict[str, str]:
    metadata = field.metadata or {}
    kind, archetype = metadata.get(b"rerun:component_type", b""), metadata.get(b"rerun:archetype", b"")
    return {
        "name": name,
        "type": kind.decode(errors="replace").removeprefix("rerun.components."),
        "archetype": archetype.decode(errors="replace").removeprefix("rerun.archetypes."),
        "arrow": str(field.type),
    }


def _as_stream(values: dict[str, Value]) -> pa.Buffer | bytes:
    """One row of components as an Arrow IPC stream."""
    if not values:
        return b""
    fields = [pa.field(name, value.column.type, metadata=value.field.metadata) for name, value in values.items()]
    batch = pa.RecordBatch.from_arrays([value.column for value in values.values()], schema=pa.schema(fields))
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch)
    return stream.getvalue()


def _time(value: Any, default: int) -> int:
    if value is None:
        return default
    return min(max(int(value), LOWEST), HIGHEST)


def _list_of_texts(value: Any, most: int) -> list[str]:
    if not isinstance(value, list) or len(value) > most or not all(isinstance(each, str) for each in value):
        raise ValueError(f"a list of at most {most} texts is needed")
    return value
