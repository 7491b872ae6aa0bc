"""The version of this distribution; as in pyproject.toml."""

from __future__ import annotations

import platform
from typing import Final

VERSION: Final = "0.1.0"
__version__: Final = VERSION  # the name that Python users look for


def version() -> str:
    """What this SDK is, in one line."""
    from rerund_sdk.rrd import WRITTEN_VERSION

    rerun = ".".join(map(str, WRITTEN_VERSION))
    return f"rerund_sdk {VERSION}, for the formats of Rerun {rerun}, Python {platform.python_version()}"
