"""When waiting rows are sent: our options, the environment's, and both under Rerun's names."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from rerund_sdk.compression import POLICIES, Policy
from rerund_sdk.errors import BadData

logger = logging.getLogger("rerund_sdk")

_MOST: Final = 2**63 - 1
_DEFAULT_TICK_SECS: Final = 0.2
_LOW_LATENCY_TICK_SECS: Final = 0.008
_NEVER_SECS: Final = 1e9


@dataclass(frozen=True, kw_only=True)
class BatcherConfig:
    """When waiting rows are sent. Environment variables of the same meaning as Rerun's overrule the defaults."""

    flush_tick_secs: float | None = None  # None: as the sink prefers, 0.2 s for files, at once for the daemon
    flush_num_bytes: int = 2 * 1024 * 1024  # about; RERUN_FLUSH_NUM_BYTES
    flush_num_rows: int = 2**63 - 1  # RERUN_FLUSH_NUM_ROWS
    log_time: bool = True  # add that timeline to every row; RERUN_LOG_TIME
    log_tick: bool = False  # likewise; RERUN_LOG_TICK
    compression: Policy = "auto"  # LZ4 where it pays; "lz4": always; "none"; RERUND_COMPRESSION

    @staticmethod
    def from_environment(config: BatcherConfig | None = None) -> BatcherConfig:
        """`config`, or the default one, with what the environment says. Nonsense is warned of."""
        config = config or BatcherConfig()
        for variable, option, parse in _VARIABLES:
            text = os.environ.get(variable)
            if text is None:
                continue
            try:
                config = replace(config, **{option: parse(text)})
            except (ValueError, KeyError):
                logger.warning("%s=%r is not understood and ignored", variable, text)
        return config


def _parse_bytes(text: str) -> Any:
    match = re.fullmatch(r"\s*(\d+)\s*([kKMG]i?)?B?\s*", text)
    if not match:
        raise ValueError(text)
    unit = match[2] or ""
    step = 1024 if unit.endswith("i") else 1000
    return int(match[1]) * step ** ["", "k", "m", "g"].index(unit[:1].lower())


def _parse_flag(text: str) -> bool:
    return {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}[
        text.lower()
    ]


def _parse_policy(text: str) -> Policy:
    return POLICIES[POLICIES.index(text.lower())]


_VARIABLES: Final[tuple[tuple[str, str, Callable[[str], Any]], ...]] = (
    ("RERUN_FLUSH_TICK_SECS", "flush_tick_secs", float),
    ("RERUN_FLUSH_NUM_BYTES", "flush_num_bytes", _parse_bytes),
    ("RERUN_FLUSH_NUM_ROWS", "flush_num_rows", int),
    ("RERUN_LOG_TIME", "log_time", _parse_flag),
    ("RERUN_LOG_TICK", "log_tick", _parse_flag),
    ("RERUND_COMPRESSION", "compression", _parse_policy),
)


class ChunkBatcherConfig(BatcherConfig):
    """When waiting rows are sent. Mirrors `rerun.ChunkBatcherConfig`.

    flush_tick: seconds, or a timedelta, after which they are sent at the latest. flush_num_bytes, flush_num_rows: how
    many may wait. chunk_max_rows_if_unsorted: has no effect: chunks are never split after they were made.
    compression: "auto" compresses with LZ4 what becomes so much smaller that it pays; "lz4" what shrinks by 5 %;
    "none" nothing. Raises BadData if one of them is negative, or no such compression.
    """

    def __init__(
        self,
        flush_tick: float | timedelta | None = None,
        flush_num_bytes: int | None = None,
        flush_num_rows: int | None = None,
        chunk_max_rows_if_unsorted: int | None = None,
        *,
        flush_tick_secs: float | None = None,
        log_time: bool = True,
        log_tick: bool = False,
        compression: Policy = "auto",
    ) -> None:
        tick = flush_tick.total_seconds() if isinstance(flush_tick, timedelta) else flush_tick
        options = {
            "flush_tick": tick,
            "flush_num_bytes": flush_num_bytes,
            "flush_num_rows": flush_num_rows,
            "chunk_max_rows_if_unsorted": chunk_max_rows_if_unsorted,
        }
        for name, value in options.items():
            if value is not None and not value >= 0:
                raise BadData(f"{name}={value} must not be negative")
        if compression not in POLICIES:
            raise BadData(f"compression={compression!r} must be one of {', '.join(POLICIES)}")
        super().__init__(
            flush_tick_secs=flush_tick_secs if tick is None else tick,
            flush_num_bytes=BatcherConfig.flush_num_bytes if flush_num_bytes is None else flush_num_bytes,
            flush_num_rows=_MOST if flush_num_rows is None else flush_num_rows,
            log_time=log_time,
            log_tick=log_tick,
            compression=compression,
        )
        object.__setattr__(self, "chunk_max_rows_if_unsorted", chunk_max_rows_if_unsorted or 8192)

    chunk_max_rows_if_unsorted: int

    @property
    def flush_tick(self) -> timedelta:
        return timedelta(seconds=_DEFAULT_TICK_SECS if self.flush_tick_secs is None else self.flush_tick_secs)

    @staticmethod
    def DEFAULT() -> ChunkBatcherConfig:
        """As fits the place the rows go to."""
        return ChunkBatcherConfig()

    @staticmethod
    def LOW_LATENCY() -> ChunkBatcherConfig:
        """After 8 ms."""
        return ChunkBatcherConfig(_LOW_LATENCY_TICK_SECS)

    @staticmethod
    def ALWAYS_TEST_ONLY() -> ChunkBatcherConfig:
        """At once: every row is a chunk of its own, which is slow."""
        return ChunkBatcherConfig(0, 0, 0)

    @staticmethod
    def NEVER() -> ChunkBatcherConfig:
        """Only when `flush` is called, or at the end."""
        return ChunkBatcherConfig(_NEVER_SECS, _MOST, _MOST)
