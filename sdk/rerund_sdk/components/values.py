"""Single values: numbers, counts, times, switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from rerund_sdk import encodings
from rerund_sdk.encoding import Choice, Component, batch_of
from rerund_sdk.encodings import ChannelCountPair, ChannelCountPairLike
from rerund_sdk.errors import BadData
from rerund_sdk.storage import shown
from rerund_sdk.struct_encoding import StructLists


class Bool(encodings.Bool, Component):
    """A truth value."""


class ChannelId(encodings.UInt16, Component):
    """The id of a channel in an MCAP file."""


def _counts(data: Any) -> list[ChannelCountPair]:
    if isinstance(data, ChannelMessageCounts):
        return data.counts
    if isinstance(data, dict):
        data = data.items()
    try:
        return [ChannelCountPair._taken(item) for item in data]
    except (TypeError, IndexError):
        raise BadData(f"expected pairs of a channel id and a count, got {shown(data)}") from None


class ChannelMessageCounts(Component, storage=StructLists(ChannelCountPair, _counts)):
    """How many messages each channel of an MCAP file has: pairs of id and count, or a dict."""

    def __init__(self, counts: ChannelMessageCountsLike) -> None:
        self.counts = _counts(counts)


class ClearIsRecursive(encodings.Bool, Component):
    """Whether clearing an entity clears its children too."""

    def __init__(self, recursive: bool = True) -> None:
        super().__init__(recursive)


class Count(encodings.UInt64, Component):
    """How many."""


class EntryKind(Choice):
    """What an entry of a catalog is."""

    Dataset = 1
    DatasetView = 2
    Table = 3
    TableView = 4
    BlueprintDataset = 5
    AssetDataset = 6


class Flag(encodings.Bool, Component):
    """A switch."""


class Scalar(encodings.Float64, Component):
    """A number, for plots."""


class SchemaId(encodings.UInt16, Component):
    """The id of a schema in an MCAP file."""


class Timestamp(encodings.TimeInt, Component):
    """A point in time: nanoseconds since 1970, UTC."""


class Variance(encodings.Float64, Component):
    """The square of a measurement's standard deviation."""


BoolBatch = batch_of(Bool)
ChannelIdBatch = batch_of(ChannelId)
ChannelMessageCountsBatch = batch_of(ChannelMessageCounts)
ClearIsRecursiveBatch = batch_of(ClearIsRecursive)
CountBatch = batch_of(Count)
EntryKindBatch = batch_of(EntryKind)
FlagBatch = batch_of(Flag)
ScalarBatch = batch_of(Scalar)
SchemaIdBatch = batch_of(SchemaId)
TimestampBatch = batch_of(Timestamp)
VarianceBatch = batch_of(Variance)

ChannelMessageCountsLike: TypeAlias = ChannelMessageCounts | Sequence[ChannelCountPairLike] | dict[int, int]
ChannelMessageCountsArrayLike: TypeAlias = ChannelMessageCountsLike
EntryKindLike: TypeAlias = EntryKind | str | int
EntryKindArrayLike: TypeAlias = EntryKindLike | Sequence[EntryKindLike]
