"""Where a recording to load comes from: files, directories of segments, memory, or the daemon."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rerund_sdk import rrd
from rerund_sdk.errors import LoadError, RerundError
from rerund_sdk.stream_reader import Bytes, FileBytes, MemoryBytes

if TYPE_CHECKING:
    from rerund_sdk.recording import RecordingStream

_FLUSH_SECS: Final = 10.0
_DAEMON_SECS: Final = 10.0  # longest silence


def open_source(source: Any) -> Sequence[tuple[str, Bytes]]:
    """The streams in `source`, in order, each with a name for people. Raises LoadError."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return [("the bytes", MemoryBytes(bytes(source)))]
    if hasattr(source, "sinks") and hasattr(source, "store"):
        return _of_stream(source)
    path = Path(source)
    if path.is_dir():
        segments = sorted(path.glob("*.rrd"), key=lambda segment: (len(segment.name), segment.name))
        if not segments:
            raise LoadError(f"{path} has no .rrd files in it")
        return [(str(segment), _open(segment)) for segment in segments]
    if path.exists() or not isinstance(source, str) or path.suffix in (".rrd", ".rbl"):
        return [(str(path), _open(path))]
    return _of_daemon(source)


def _open(path: Path) -> Bytes:
    try:
        return FileBytes(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise LoadError(f"cannot read {path}: {error.strerror}") from error


def _of_stream(recording: RecordingStream) -> Sequence[tuple[str, Bytes]]:
    """What this process has logged so far: from where its first sink put it."""
    from rerund_sdk.file_sink import FileSink
    from rerund_sdk.sinks import BufferSink

    recording.flush(timeout_sec=_FLUSH_SECS)
    for sink in recording.sinks:
        if isinstance(sink, FileSink):
            return [(str(sink.path), _open(sink.path))]
        if isinstance(sink, BufferSink):
            parts = [rrd.STREAM_HEADER, recording.store.store_info]
            parts += [bytes(part) for message in sink.messages for part in message.data]
            return [(repr(recording), MemoryBytes(b"".join(parts)))]
    return _of_daemon(f"{recording.application_id}/{recording.recording_id}")


def _of_daemon(name: str) -> Sequence[tuple[str, Bytes]]:
    """A recording of the daemon, up to its end now, in an unnamed file: it may be larger than memory."""
    from rerund_sdk.control import ControlClient

    with tempfile.TemporaryFile() as spool:
        spool.write(rrd.STREAM_HEADER)
        try:
            with ControlClient() as daemon:
                for messages in daemon.subscribe(name, timeout=_DAEMON_SECS, follow=False):
                    spool.write(messages.data)
        except (TimeoutError, RerundError) as error:
            raise LoadError(f"{name!r} is no file, and the daemon has no such recording: {error}") from error
        spool.flush()
        return [(name, FileBytes(os.dup(spool.fileno())))]
