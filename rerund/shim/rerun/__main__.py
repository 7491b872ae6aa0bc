"""`python -m rerun FILE.rrd` under `rerund exec`."""

from __future__ import annotations

import sys

from rerund.cli import main

if __name__ == "__main__":
    sys.exit(main())
