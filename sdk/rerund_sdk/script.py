"""The standard flags, for any program that uses argparse: Rerun's `--headless --connect --serve --url --save --stdout`.

    parser = argparse.ArgumentParser()
    rr.script_add_args(parser)
    args = parser.parse_args()
    rr.script_setup(args, "my_robot")
    ...
    rr.script_teardown(args)

Ours beside them: `--connect` takes an address, `--save` goes together with `--connect`, and `--recording-id` and
`--instance` say which recording and which daemon.
"""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace
from typing import Any
from uuid import UUID

from rerund_sdk import modes
from rerund_sdk.api import init
from rerund_sdk.daemon_sink import EmbeddedSink
from rerund_sdk.recording import RecordingStream


def script_add_args(parser: ArgumentParser) -> None:
    """Add the flags to `parser`."""
    parser.add_argument("--headless", action="store_true", help="open no viewer")
    parser.add_argument(
        "--connect",
        nargs="?",
        const=True,
        default=False,
        metavar="ADDR",
        help="log to a daemon that runs: this machine's, or the one at tcp://HOST:PORT",
    )
    parser.add_argument("--serve", action="store_true", help="log to the daemon and open the web page of the recording")
    parser.add_argument("--url", help="log to this address: tcp://HOST:PORT, or a Rerun viewer's rerun+http://...")
    parser.add_argument("--save", metavar="FILE", help="write an .rrd file; with --connect, of what all processes log")
    parser.add_argument("--stdout", "-o", action="store_true", help="write the recording to standard output")
    parser.add_argument("--recording-id", metavar="ID", help="join or begin the recording of this id")
    parser.add_argument("--instance", metavar="NAME", help="use the daemon of this name; default: $RERUND_INSTANCE")


def script_setup(
    args: Namespace,
    application_id: str,
    *,
    recording_id: str | UUID | None = None,
    default_blueprint: Any = None,
) -> RecordingStream:
    """Begin a recording as the flags say, in strict mode, and return it. Without a flag a viewer is spawned."""
    if args.instance:
        os.environ["RERUND_INSTANCE"] = args.instance  # for children, too
    recording = init(application_id, recording_id=args.recording_id or recording_id, strict=True)
    options: dict[str, Any] = {"default_blueprint": default_blueprint, "recording": recording}
    address = args.url or (args.connect if isinstance(args.connect, str) else None)
    if args.stdout:
        modes.stdout(**options)
    elif args.serve:
        modes.serve(open_browser=not args.headless, **options)
    elif args.connect or args.url:
        modes.connect(address, **options)
    elif not args.save and not args.headless:
        modes.spawn(**options)
    if args.save and not args.stdout:
        modes.save(args.save, **options)
    elif args.headless and default_blueprint is not None and not recording.sinks:
        recording.send_blueprint(default_blueprint, make_active=False, make_default=True)
    return recording


def script_teardown(args: Namespace) -> None:
    """At the end of the program. Where it serves from inside itself (`--serve` without a daemon), wait for Ctrl-C."""
    from rerund_sdk import current

    recording = current.get()
    if recording is None or not args.serve or not any(isinstance(sink, EmbeddedSink) for sink in recording.sinks):
        return
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print("bye", flush=True)
