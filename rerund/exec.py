"""`rerund exec`: run a program, and let its `import rerun` find rerund_sdk.

How: the directory shim/ stands first in PYTHONPATH. It holds a package `rerun` that puts rerund_sdk in its own place
(shim/rerun/__init__.py), so the program needs no change, its children inherit it, and nothing is installed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from rerund_sdk.errors import RerundError

SHIM = Path(__file__).parent / "shim"


class CannotExecute(RerundError):
    """The program cannot be run. `status`: what a shell would return."""

    def __init__(self, program: str, error: OSError) -> None:
        super().__init__(f"cannot run {program!r}: {error.strerror or error}")
        self.status = 127 if isinstance(error, FileNotFoundError) else 126


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """`base` with the shim in front of whatever PYTHONPATH holds."""
    paths = [path for path in base.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(SHIM)]
    return {**base, "PYTHONPATH": os.pathsep.join([str(SHIM), *paths])}


def execute(command: Sequence[str]) -> NoReturn:
    """Become `command`, which must not be empty. Raises CannotExecute."""
    try:
        os.execvpe(command[0], list(command), environment(os.environ))
    except OSError as error:
        raise CannotExecute(command[0], error) from error
