"""An amount that is bounded, of which all who use it now may have an equal part."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet


class Share:
    """From any thread. A user that is gone without a word has no part any more."""

    def __init__(self, total: int, least: int) -> None:
        """least: what each may have however many there are."""
        self._total = total
        self._least = least
        self._users: WeakSet[Any] = WeakSet()

    def join(self, user: object) -> None:
        self._users.add(user)

    def leave(self, user: object) -> None:
        self._users.discard(user)

    @property
    def each(self) -> int:
        return max(self._least, self._total // max(len(self._users), 1))
