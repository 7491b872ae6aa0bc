"""The last chunk ids of a recording, so that what a producer sends again after a crash is not written again."""

from __future__ import annotations

from collections.abc import Collection


class RecentIds:
    """The last `count` ids that were added, and at most as many before: two generations, the older dropped whole."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._older: set[bytes] = set()
        self._newer: set[bytes] = set()

    def __contains__(self, chunk_id: bytes) -> bool:
        return chunk_id in self._newer or chunk_id in self._older

    def __len__(self) -> int:
        return len(self._older) + len(self._newer)

    def add(self, chunk_id: bytes) -> None:
        self._newer.add(chunk_id)
        if len(self._newer) == self._count:
            self._older, self._newer = self._newer, set()

    def discard(self, chunk_ids: Collection[bytes]) -> None:
        self._older.difference_update(chunk_ids)
        self._newer.difference_update(chunk_ids)

    def clear(self) -> None:
        self._older, self._newer = set(), set()
