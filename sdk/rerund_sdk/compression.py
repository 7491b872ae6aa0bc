"""LZ4 where it pays: messages that become so much smaller that writing or sending them costs less than before.

Masks, segmentations and made-up depth images shrink to a hundredth, for less than the daemon saves by it. What cameras
and lidars see hardly shrinks, and a sample finds that out. Measured: tests/bench/bench_compression.py.

Rule 1: a piece from a message's middle is tried first, the whole only if that shrinks enough, or if the last one did.
Rule 2: an entity whose messages do not shrink is tried ever more seldom, so that the trials cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa

from rerund_sdk import protobuf
from rerund_sdk.messages import COMPRESSION_LZ4, ArrowMsgWriter
from rerund_sdk.rrd import MESSAGE_HEADER_SIZE, Kind
from rerund_sdk.sinks import EncodedMessage

Policy: TypeAlias = Literal["auto", "lz4", "none"]
POLICIES: Final[tuple[Policy, ...]] = ("auto", "lz4", "none")

# What a message may have left of its size; else it stays as it is. Measured, in ns a byte: LZ4 takes 0.1 to 0.4 of what
# shrinks well, up to 1.7 of what hardly does; the daemon takes 0.5, a file 0.3, a network of 1 Gbit/s 8.
_MOST_LEFT_HERE: Final = 1 / 4
_MOST_LEFT_FAR: Final = 3 / 4  # on the way to another machine
_MOST_LEFT_AT_ALL: Final = 0.95

_LEAST_BYTES: Final = 4096  # smaller ones are mostly schema, and many: not by themselves
_MOST_BYTES: Final = 16 * 1024 * 1024  # larger ones are not copied for it
_SAMPLE_BYTES: Final = 16 * 1024
_MOST_SKIPPED: Final = 255  # messages between two trials
_MOST_ENTITIES: Final = 10_000  # that are remembered
_COMPRESSION_FIELD: Final = 2  # of an ArrowMsg
_PAYLOAD_FIELD: Final = 5


@dataclass(slots=True)
class _Habit:
    """What is known of an entity's messages."""

    shrinks: bool = False  # the last one did
    skip: int = 0  # so many after a trial that failed...
    to_skip: int = 0  # ...of which so many are left


class Compressor:
    """Compresses the messages of one store, by one thread.

    policy: "auto" (where it pays), "lz4" (whatever becomes 5 % smaller), "none". is_far: they go to another machine.
    """

    def __init__(self, writer: ArrowMsgWriter, policy: Policy, *, is_far: bool) -> None:
        self._writer = writer
        self._policy = policy
        self._most_left = _MOST_LEFT_FAR if is_far else _MOST_LEFT_HERE
        self._habits: dict[str, _Habit] = {}  # by entity path
        self._scratch = bytearray()  # kept, as memory that is touched for the first time costs as much as LZ4 itself

    def compressed(self, messages: Sequence[EncodedMessage]) -> Sequence[EncodedMessage]:
        """The same messages, those compressed for which that pays."""
        if self._policy == "none":
            return messages
        if self._policy == "lz4":
            return [self._smaller(message, _MOST_LEFT_AT_ALL) or message for message in messages]
        return [self._tried(each) if each.entry.size >= _LEAST_BYTES else each for each in messages]

    def _tried(self, message: EncodedMessage) -> EncodedMessage:
        habit = self._habit(message.entry.entity_path)
        if habit.to_skip:
            habit.to_skip -= 1
            return message
        smaller = None
        if habit.shrinks or _part_left(_sample(message)) <= self._most_left:
            smaller = self._smaller(message, self._most_left)
        habit.shrinks = smaller is not None
        habit.skip = 0 if habit.shrinks else min(2 * habit.skip + 1, _MOST_SKIPPED)
        habit.to_skip = habit.skip
        return smaller or message

    def _habit(self, entity_path: str) -> _Habit:
        habit = self._habits.get(entity_path)
        if habit is None:
            if len(self._habits) >= _MOST_ENTITIES:
                self._habits.clear()
            habit = self._habits[entity_path] = _Habit()
        return habit

    def _smaller(self, message: EncodedMessage, most_left: float) -> EncodedMessage | None:
        """With its payload compressed; None if it is no chunk, or too large, or if more than `most_left` is left."""
        entry = message.entry
        if entry.kind != Kind.ARROW or entry.size > _MOST_BYTES:
            return None
        start = _payload_start(message)
        if start is None:
            return None
        size = entry.size - start
        try:
            packed = pa.compress(
                self._joined((memoryview(message.data[0])[start:], *message.data[1:]), size), "lz4_raw"
            )
        except (MemoryError, OSError):  # OSError: LZ4 has found no memory
            return None
        if packed.size >= size * most_left:
            return None
        head = self._writer.head(entry.chunk_id, entry.static, packed.size, size, COMPRESSION_LZ4)
        smaller = entry._replace(size=len(head) + packed.size)
        return EncodedMessage(smaller, (head, packed.to_pybytes()))

    def _joined(self, parts: Sequence[bytes | memoryview], size: int) -> pa.Buffer:
        """The parts in one piece of `size` bytes, until the next call."""
        if len(self._scratch) < size:
            self._scratch = bytearray(size)
        end = 0
        for part in parts:
            self._scratch[end : end + len(part)] = part
            end += len(part)
        return pa.py_buffer(memoryview(self._scratch)[:size])


def _payload_start(message: EncodedMessage) -> int | None:
    """Where the Arrow stream of an ArrowMsg begins, which is the rest of it; None if it is compressed already."""
    for field in protobuf.fields(message.data[0], MESSAGE_HEADER_SIZE, message.entry.size):
        if field.number == _COMPRESSION_FIELD and field.value == COMPRESSION_LZ4:
            return None
        if field.number == _PAYLOAD_FIELD:
            return field.start
    return None


def _sample(message: EncodedMessage) -> Any:
    largest = memoryview(max(message.data, key=len)).cast("B")
    start = max(0, (len(largest) - _SAMPLE_BYTES) // 2)
    return largest[start : start + _SAMPLE_BYTES]


def _part_left(data: Any) -> float:
    left: int = pa.compress(pa.py_buffer(data), "lz4_raw").size
    return left / len(data)
