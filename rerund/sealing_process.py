"""The process that writes footers: `python -m rerund.sealing_process`, paths of closed segments on its stdin.

Answers each with a line: empty if the segment has its footer now, else why not. A process, and a modest one: to open
every chunk of a segment takes seconds that the intake must not feel.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from pathlib import Path

from rerund_sdk.errors import BadRrd
from rerund_sdk.footer import seal

_NICENESS = 19


def main() -> None:
    """Until stdin ends."""
    with contextlib.suppress(OSError):  # a hardened unit may not let us
        os.nice(_NICENESS)
    for line in sys.stdin:
        print(_sealed(Path(line.removesuffix("\n"))), flush=True)


def _sealed(path: Path) -> str:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # a daemon that is just starting may be repairing it
            before = os.fstat(file.fileno())
            try:
                os.truncate(path, before.st_size)  # gives back what room was kept behind the end
                seal(path, durably=True)
                os.fsync(file.fileno())
            except OSError:
                os.truncate(path, before.st_size)  # what may not be on the disk is not written there again
                raise
            finally:
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # which tells when something was logged
    except (BadRrd, OSError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""


if __name__ == "__main__":
    main()
