"""`rerund run`: the daemon in the foreground, as systemd and `rerund start` run it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import sys
from typing import Final

from rerund.config import Config
from rerund.server import Server

_SWITCH_SECS: Final = 0.001  # a reader waits so long at most while the intake computes; Python's own is 5 ms


def run(config: Config) -> None:
    """Serve until SIGTERM, SIGINT or a `stop` request. Raises RerundError with one sentence if it cannot start."""
    _log_to_stderr(config.log_level)
    _allow_many_files()
    sys.setswitchinterval(_SWITCH_SECS)
    asyncio.run(Server(config).serve())


def _log_to_stderr(level: str) -> None:
    by_journal = "JOURNAL_STREAM" in os.environ  # which keeps the time itself
    logging.basicConfig(
        level=level.upper(), format=f"{'' if by_journal else '%(asctime)s '}%(levelname)s %(name)s: %(message)s"
    )


def _allow_many_files() -> None:
    """Producers and viewers take a file descriptor each: use all that we may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
