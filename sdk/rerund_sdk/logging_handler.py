"""Python's logging as text logs of the recording."""

from __future__ import annotations

import logging
from typing import Final

_LEVELS: Final = {
    logging.CRITICAL: "CRITICAL",
    logging.ERROR: "ERROR",
    logging.WARNING: "WARN",
    logging.INFO: "INFO",
    logging.DEBUG: "DEBUG",
}
_OWN_LOGGER: Final = "rerund_sdk"


class LoggingHandler(logging.Handler):
    """Logs every record as a `TextLog` at the entity path of its module. Mirrors `rerun.LoggingHandler`.

    path_prefix: an entity path before that. Records of the SDK itself are left out: they could never end.

        logging.getLogger().addHandler(rr.LoggingHandler("logs"))
    """

    def __init__(self, path_prefix: str | None = None) -> None:
        super().__init__()
        self.path_prefix = path_prefix

    def emit(self, record: logging.LogRecord) -> None:
        from rerund_sdk.api import log
        from rerund_sdk.archetypes import TextLog

        if record.name.partition(".")[0] == _OWN_LOGGER:
            return
        path = record.module.replace(".", "/")
        if self.path_prefix is not None:
            path = f"{self.path_prefix}/{path}"
        try:
            log(path, TextLog(record.getMessage(), level=_LEVELS.get(record.levelno, record.levelname)))
        except Exception:
            self.handleError(record)
