"""The version of this distribution; as in pyproject.toml."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
__version__: Final = VERSION  # the name that Python users look for
