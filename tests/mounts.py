"""Real file systems for a test: small ones, and ones that become read-only or go away. Only root may have them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def mount(*words: str | Path) -> None:
    """Skip the test if this machine does not let us."""
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"may not mount a file system here: {done.stderr.strip()}")


def unmount(path: Path) -> None:
    """Also if files are open there: who has them goes on with what nobody else sees."""
    subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=False)


@contextmanager
def tmpfs(path: Path, size: str) -> Iterator[Path]:
    path.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", path)
    try:
        yield path
    finally:
        unmount(path)


def resize(path: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(path)], check=True)


class Ext4:
    """A file system in a file, which the kernel makes read-only when it meets an error."""

    def __init__(self, image: Path, path: Path, *, journal: bool = True) -> None:
        """journal: without one, it is not made read-only when what it writes later comes to nothing."""
        self._image = image
        self._journal = journal
        self.path = path
        with image.open("wb") as file:
            file.truncate(256 << 20)
        words = ["-q", "-F", "-O", "has_journal" if journal else "^has_journal", str(image)]
        subprocess.run(["mkfs.ext4", *words], check=True, capture_output=True)
        path.mkdir(parents=True, exist_ok=True)
        self.mount()

    def mount(self) -> None:
        made = subprocess.run(
            ["losetup", "--find", "--show", str(self._image)], capture_output=True, text=True, check=False
        )
        if made.returncode:
            pytest.skip(f"may not make a block device here: {made.stderr.strip()}")
        self._device = Path(made.stdout.strip())  # a new one each time, also while an earlier one is in use
        mount("-o", "errors=remount-ro" if self._journal else "errors=continue", self._device, self.path)

    def unmount(self) -> None:
        unmount(self.path)
        subprocess.run(["losetup", "--detach", str(self._device)], check=False)  # once nobody uses it any more

    def fail(self) -> None:
        """As if a block had been found damaged: from here on nothing can be written."""
        Path("/sys/fs/ext4", self._device.name, "trigger_fs_error").write_text("1")

    def come_back(self) -> None:
        """Repaired, as another file system at the same place."""
        self.unmount()
        subprocess.run(["e2fsck", "-fy", str(self._image)], capture_output=True, check=False)
        self.mount()
