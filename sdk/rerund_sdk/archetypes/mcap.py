"""What is kept of MCAP files."""

from __future__ import annotations

from rerund_sdk.archetype import Archetype, field
from rerund_sdk.components import (
    Blob,
    ChannelId,
    ChannelMessageCounts,
    ChannelMessageCountsLike,
    Count,
    KeyValuePairs,
    KeyValuePairsLike,
    SchemaId,
    Text,
    Timestamp,
)
from rerund_sdk.encodings import BlobLike, TimeIntLike, UInt16Like, UInt64Like, Utf8Like


class McapChannel(Archetype):
    """A channel of an MCAP file."""

    id: UInt16Like = field(ChannelId)
    topic: Utf8Like = field(Text)
    message_encoding: Utf8Like = field(Text)
    metadata: KeyValuePairsLike | None = field(KeyValuePairs, default=None)


class McapMessage(Archetype):
    """The bytes of a message of an MCAP file."""

    data: BlobLike = field(Blob, kw_only=False)


class McapSchema(Archetype):
    """A schema of an MCAP file."""

    id: UInt16Like = field(SchemaId)
    name: Utf8Like = field(Text)
    encoding: Utf8Like = field(Text)
    data: BlobLike = field(Blob)


class McapStatistics(Archetype):
    """What an MCAP file contains. Times are in nanoseconds since 1970, UTC."""

    message_count: UInt64Like = field(Count)
    schema_count: UInt64Like = field(Count)
    channel_count: UInt64Like = field(Count)
    attachment_count: UInt64Like = field(Count)
    metadata_count: UInt64Like = field(Count)
    chunk_count: UInt64Like = field(Count)
    message_start_time: TimeIntLike = field(Timestamp)
    message_end_time: TimeIntLike = field(Timestamp)
    channel_message_counts: ChannelMessageCountsLike | None = field(ChannelMessageCounts, default=None)
