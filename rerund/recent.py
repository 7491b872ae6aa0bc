"""The last chunk ids of a recording, so that what a producer sends again after a crash is not written again.

Recordings that are logged into share the memory for it: the more there are, the fewer ids each remembers. What a
producer may have to send again is bounded likewise (credits.py).
"""

from __future__ import annotations

from collections.abc import Collection

from rerund.share import Share


class RecentIds:
    """The last `most` ids that were added, and at most as many before: two generations, the older dropped whole."""

    def __init__(self, count: int, share: Share | None = None) -> None:
        """share: of ids in one generation; None: `count` of them."""
        self._count = count
        self._share = share
        self._older: set[bytes] = set()
        self._newer: set[bytes] = set()

    @property
    def most(self) -> int:
        return self._count if self._share is None else min(self._count, self._share.each)

    def __contains__(self, chunk_id: bytes) -> bool:
        return chunk_id in self._newer or chunk_id in self._older

    def __len__(self) -> int:
        return len(self._older) + len(self._newer)

    def add(self, chunk_id: bytes) -> None:
        if not self._newer and self._share is not None:
            self._share.join(self)
        self._newer.add(chunk_id)
        if len(self._newer) >= self.most:
            self._older, self._newer = self._newer, set()

    def discard(self, chunk_ids: Collection[bytes]) -> None:
        self._older.difference_update(chunk_ids)
        self._newer.difference_update(chunk_ids)

    def clear(self) -> None:
        self._older, self._newer = set(), set()
        if self._share is not None:
            self._share.leave(self)
