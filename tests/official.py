"""The official program: what we write it must read."""

from pathlib import Path

import rerun_cli

RERUN = str(Path(rerun_cli.__file__).with_name("rerun"))  # itself: to stop the script that starts it would not stop it
