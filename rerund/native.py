"""The native Rerun viewer: whether this machine has it, and how it is run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from rerund_sdk.errors import RerundError
from rerund_sdk.viewer import has_display


class NoNativeViewer(RerundError):
    """The native viewer cannot be used here."""


def find() -> Path:
    """The viewer's executable. Raises NoNativeViewer, also if there is no display for it."""
    beside_us = Path(sys.executable).parent / "rerun"  # of the same environment, whether that is activated or not
    found = beside_us if beside_us.is_file() else shutil.which("rerun")
    if not found:
        raise NoNativeViewer("the native Rerun viewer is not installed: `pip install rerun-sdk`, or use --web")
    if not has_display():
        raise NoNativeViewer("there is no display (DISPLAY and WAYLAND_DISPLAY are not set): use --web")
    return Path(found)


def is_here() -> bool:
    """Whether `find` would find it."""
    try:
        find()
    except NoNativeViewer:
        return False
    return True
