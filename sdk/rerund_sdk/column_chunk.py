"""Many rows of one entity at once, column by column: one chunk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.chunk import ChunkEncoder, ComponentColumn
from rerund_sdk.chunk import TimeColumn as EncodedTimes
from rerund_sdk.errors import BadData
from rerund_sdk.sinks import EncodedMessage
from rerund_sdk.time import DURATION, SEQUENCE, TIMESTAMP, duration_nanos, timestamp_nanos


class TimeColumnLike(Protocol):
    """What `send_columns` takes as an index. Mirrors `rerun.TimeColumnLike`."""

    def timeline_name(self) -> str: ...

    def as_arrow_array(self) -> Any: ...


class ComponentColumnLike(Protocol):
    """What `send_columns` takes as a column."""

    def component_descriptor(self) -> ComponentDescriptor: ...

    def as_arrow_array(self) -> Any: ...


class TimeColumn:
    """The times of many rows on one timeline; exactly one of the three is given. Mirrors `rerun.TimeColumn`.

    sequence: integers. duration: seconds, timedeltas or timedelta64s. timestamp: seconds since the epoch, datetimes or
    datetime64s. Raises BadData.
    """

    def __init__(
        self,
        timeline: str,
        *,
        sequence: Iterable[int] | None = None,
        duration: Iterable[Any] | npt.NDArray[Any] | None = None,
        timestamp: Iterable[Any] | npt.NDArray[Any] | None = None,
    ) -> None:
        given = [values is not None for values in (sequence, duration, timestamp)]
        if sum(given) != 1:
            raise ValueError(f"TimeColumn takes exactly one of sequence=, duration= and timestamp=, not {sum(given)}")
        self.timeline = timeline
        if sequence is not None:
            self.type, self._values = SEQUENCE, _integers(sequence)
        elif duration is not None:
            self.type, self._values = DURATION, _nanos(duration, "timedelta64[ns]", duration_nanos)
        else:
            assert timestamp is not None
            self.type, self._values = TIMESTAMP, _nanos(timestamp, "datetime64[ns]", timestamp_nanos)

    def timeline_name(self) -> str:
        return self.timeline

    def as_arrow_array(self) -> Any:
        """The times as int64, duration[ns] or timestamp[ns]."""
        arrow = pa.array(self._values)
        if self.type == SEQUENCE:
            return arrow
        return arrow.cast(pa.duration("ns") if self.type == DURATION else pa.timestamp("ns"))


def encode(
    encoder: ChunkEncoder, entity_path: str, indexes: Iterable[TimeColumnLike], columns: Iterable[ComponentColumnLike]
) -> EncodedMessage:
    """The message that holds these columns. Raises BadData if they don't fit each other."""
    times = sorted(map(_times, indexes))
    components = [ComponentColumn(column.component_descriptor(), _lists(column.as_arrow_array())) for column in columns]
    lengths = {time.name: len(time.values) for time in times}
    lengths |= {component.descriptor.component: len(component.lists) for component in components}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise BadData(f"send_columns to {entity_path}: all columns must have the same number of rows, but {counts}")
    if len(lengths) < len(times) + len(components):
        raise BadData(f"send_columns to {entity_path}: a timeline or component is given twice")
    if not components:
        raise BadData(f"send_columns to {entity_path}: there is no component column")
    if times and not times[0].is_sorted():  # as Rerun does: a chunk is sorted on its first timeline
        times, components = _sorted_by(np.argsort(times[0].values, kind="stable"), times, components)
    return encoder.encode_columns(entity_path, times, components)


def _sorted_by(
    order: npt.NDArray[np.int64], times: Sequence[EncodedTimes], components: Sequence[ComponentColumn]
) -> tuple[list[EncodedTimes], list[ComponentColumn]]:
    return (
        [time._replace(values=time.values[order]) for time in times],
        [component._replace(lists=component.lists.take(pa.array(order))) for component in components],
    )


def _times(column: TimeColumnLike) -> EncodedTimes:
    array = column.as_arrow_array()
    kind = {pa.duration("ns"): DURATION, pa.timestamp("ns"): TIMESTAMP}.get(array.type, SEQUENCE)
    values = np.ascontiguousarray(array.cast(pa.int64()).to_numpy(zero_copy_only=False))
    return EncodedTimes(column.timeline_name(), kind, values)


def _lists(array: Any) -> Any:
    """`array` as lists with Rerun's item field: named `item` and nullable."""
    if not pa.types.is_list(array.type):
        ones = np.arange(len(array) + 1, dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(ones), array)
    wanted = pa.list_(pa.field("item", array.type.value_type, nullable=True))
    return array if array.type.equals(wanted) and array.type.value_field.name == "item" else array.cast(wanted)


def _integers(values: Iterable[int]) -> npt.NDArray[np.int64]:
    array = np.asarray(values if hasattr(values, "__len__") else list(values))
    if array.ndim != 1 or (array.dtype.kind not in "iu" and len(array)):
        raise BadData(f"sequence= takes a one-dimensional array of integers, not {array.dtype} of shape {array.shape}")
    return array.astype(np.int64)


def _nanos(values: Iterable[Any], unit: str, one: Any) -> npt.NDArray[np.int64]:
    if isinstance(values, np.ndarray) and values.dtype.kind in "mM":
        return values.astype(unit).astype(np.int64)
    return np.array([one(value) for value in values], np.int64)
