"""docs/CONFIG.md, from the table of options: `python -m tests.config_page` writes it, a test holds it true."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from rerund.config import Config, add_options

PAGE = Path(__file__).parents[1] / "docs" / "CONFIG.md"

_HEAD = """\
# Options of the daemon

Each is a flag of `rerund run`, `rerund start` and `rerund restart`, and an environment variable; the flag wins. Sizes
take units (`64MiB`, `2GB`). `rerund restart` keeps the flags that the daemon had, unless it is given others.

| flag | variable | what it says |
|---|---|---|
"""

_FOOT = """
## Variables that are no options

| variable | what it says |
|---|---|
| `XDG_RUNTIME_DIR` | its `rerund[-INSTANCE]/` has sockets and `daemon.json`; without it `/tmp/rerund-UID[-INSTANCE]/` |
| `XDG_STATE_HOME` | its `rerund[-INSTANCE]/` has the recordings if `RERUND_HOME` says nothing; else `~/.local/state` |
| `RERUND_RECORDING_ID` | SDK: the recording that `rr.init` joins if the program names none |
| `RERUND_CONNECT` | SDK: the address that `rr.connect()` connects to if the program names none |
| `RERUND_SERVER_KEY` | SDK: the public key of a daemon on another machine; see [SECURITY.md](SECURITY.md) |
| `RERUND_COMPRESSION` | SDK: LZ4: auto (default; what shrinks to 1/4, for another machine 3/4), lz4 (all), none |
| `RERUND_KEY` | SDK: name or file of our own key, if it is not `default` |
| `RERUND_TOKEN` | SDK: the token to show to a daemon over gRPC |

The SDK honours Rerun's own too: `RERUN`, `RERUN_STRICT`, `RERUN_FLUSH_TICK_SECS`, `RERUN_FLUSH_NUM_BYTES`,
`RERUN_FLUSH_NUM_ROWS`.

## With systemd

Units are in `systemd/`. Give options as variables: `systemctl edit rerund`, and in the file

```ini
[Service]
Environment=RERUND_SEGMENT_BYTES=64MiB RERUND_FSYNC=always
```
"""


def page() -> str:
    """The whole text."""
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser)
    flags = {action.dest: action for action in parser._actions}
    rows = []
    for option in dataclasses.fields(Config):
        flag = flags[option.name]
        text = (flag.help or "").replace("%%", "%").replace("|", "\\|")
        rows.append(f"| `{flag.option_strings[0]} {flag.metavar}` | `RERUND_{option.name.upper()}` | {text} |\n")
    return _HEAD + "".join(rows) + _FOOT


if __name__ == "__main__":
    PAGE.write_text(page())
