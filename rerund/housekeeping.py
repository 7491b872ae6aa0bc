"""All that the daemon does beside serving, each on a thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rerund.chore import Chore
from rerund.collector import COLLECT_SECS, Collector
from rerund.config import Config
from rerund.retention import ENFORCE_SECS, Retention, RetentionLimits
from rerund.sealer import SEAL_SECS, Sealer

if TYPE_CHECKING:
    from rerund.server import Server


class Housekeeping:
    """Made with the server; begins when data can be taken."""

    def __init__(self, server: Server) -> None:
        config = server.config
        self._space = server.space
        self._collector = Collector(config.home / "spill", server.store, server.context, config.fsync != "off")
        self._chores = [Chore("collect", COLLECT_SECS, self._collector.collect)]
        if not server.embedded:  # whose recordings go with it
            self._chores.append(Chore("seal", SEAL_SECS, Sealer(server.store).seal))
            self._chores.append(
                Chore("retain", ENFORCE_SECS, Retention(server.store, server.space, _limits(config)).enforce)
            )

    def start(self) -> None:
        for chore in self._chores:
            chore.start()

    def stop(self) -> None:
        """Before the intake ends. Idempotent."""
        for chore in self._chores:
            chore.stop()

    def status(self) -> dict[str, Any]:
        files, size = self._collector.waiting()
        try:
            disk = self._space.figures()._asdict()
        except OSError:
            disk = None
        return {"spill": {"files": files, "bytes": size}, "disk": disk}


def _limits(config: Config) -> RetentionLimits:
    return RetentionLimits(
        config.retention_bytes,
        config.retention_age,
        config.retention_count,
        config.min_free_policy == "drop-oldest-recordings",
    )
