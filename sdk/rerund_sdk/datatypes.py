"""The deprecated name of `encodings`."""

from __future__ import annotations

import warnings
from typing import Any

from rerund_sdk import encodings

warnings.warn("rerun.datatypes is deprecated since 0.37: use rerun.encodings instead", DeprecationWarning, stacklevel=2)


def __getattr__(name: str) -> Any:
    return getattr(encodings, name)
