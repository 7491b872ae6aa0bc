"""Read a recording live from the daemon: everything from a place on, then what comes, through restarts of the daemon.

for message in rr.subscribe("my_robot/run-42"):
    if message.entity_path == "/arm/joint1":
        print(message.chunk.num_rows)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from rerund_sdk import current, keys, rrd
from rerund_sdk.chunk_reader import Chunk, parse_arrow_msg, read_chunk
from rerund_sdk.control import ControlClient
from rerund_sdk.daemon_sink import DaemonSink
from rerund_sdk.errors import DaemonError
from rerund_sdk.recording import RecordingStream

if TYPE_CHECKING:
    import pyarrow as pa

_SILENCE_SECS: Final = 2.0  # then it is asked again: the daemon may be another one
_JOIN_SECS: Final = 5.0  # for this process's own recording to reach the daemon


class Message:
    """One message of a recording. What is in it is decoded when it is asked for."""

    def __init__(self, data: memoryview, position: str) -> None:
        self.data = data  # as it lies in an .rrd file
        self.position = position  # where the next one begins: `from_` of a subscription that goes on behind this one

    @property
    def kind(self) -> rrd.Kind:
        """What it is: a chunk (ARROW), or about the recording (STORE_INFO) or a blueprint (BLUEPRINT_ACTIVATION)."""
        return rrd.Kind(rrd.frame_header(self.data, 0)[0])

    @cached_property
    def _chunk(self) -> Chunk | None:
        if self.kind != rrd.Kind.ARROW:
            return None
        return read_chunk(parse_arrow_msg(self.data[rrd.MESSAGE_HEADER_SIZE :]))

    @property
    def entity_path(self) -> str | None:
        """Of a chunk; else None."""
        return self._chunk.entity_path if self._chunk is not None else None

    @property
    def chunk(self) -> pa.RecordBatch | None:
        """The rows of a chunk as they were written: row ids, timelines, lists of instances; else None."""
        return self._chunk.batch if self._chunk is not None else None

    def __repr__(self) -> str:
        about = f" {self.entity_path}" if self.kind == rrd.Kind.ARROW else ""
        return f"<Message {self.kind.name}{about}, {len(self.data)} bytes>"


def subscribe(
    recording: str | RecordingStream | None = None,
    *,
    endpoint: str | None = None,
    from_: str = "start",
    server_key: str | None = None,
    key: str | None = None,
) -> Iterator[Message]:
    """Iterate over the messages of a recording; waits for more at its end.

    recording: its id, APPLICATION/ID, or a prefix that only one has; or a stream of this process. None: the current
    one.
    endpoint: where the daemon answers requests (its option control_listen); None: where this process logs the recording
    to, else this machine's daemon. server_key, key: as of `connect`.
    from_: "start", "end", or the position of a message that was read before.
    Raises DaemonError if there is no such recording (any more), or we are not let in; TimeoutError if no daemon answers
    at first.
    """
    name = _name(recording)
    credentials = None if endpoint is None else keys.credentials(endpoint, server_key, key)
    if endpoint is None and not isinstance(recording, str):
        endpoint, credentials = _where_it_goes(recording)

    def client_of_daemon() -> ControlClient:
        return ControlClient(endpoint, credentials=credentials)

    with client_of_daemon() as client:
        found = client.request("find", recording=name)
        name = f"{found['application_id']}/{found['recording_id']}"
        if from_ == "end":  # as it is now, also if the daemon is another one when the first message is asked for
            asked: dict[str, Any] = {"recording": name, "follow": False, "from": from_}
            from_ = client.request("subscribe", **asked)["position"]
    return _messages(name, client_of_daemon, from_)


def _where_it_goes(recording: RecordingStream | None) -> tuple[str | None, keys.Credentials | None]:
    """Endpoint and keys of the daemon that a stream is logged to."""
    stream = current.get(recording)
    sinks = [] if stream is None else [sink for sink in stream.sinks if isinstance(sink, DaemonSink)]
    if not sinks or sinks[0].is_local:
        return None, None
    found = sinks[0].control
    if found is None:
        raise DaemonError(
            f"the daemon at {sinks[0].endpoint} answers no requests from here: give it the option --control-listen"
        )
    return found


def _name(recording: str | RecordingStream | None) -> str:
    if isinstance(recording, str):
        return recording
    stream = current.get(recording)
    if stream is None:
        raise DaemonError("there is no current recording to subscribe to: name one, or call rr.init(...) first")
    stream.flush(timeout_sec=_JOIN_SECS)  # the daemon must know it
    return f"{stream.application_id}/{stream.recording_id}"


def _messages(name: str, connect: Callable[[], ControlClient], position: str) -> Iterator[Message]:
    while True:
        with connect() as client:
            try:
                for batch in client.subscribe(name, position, timeout=_SILENCE_SECS):
                    yield from split(batch.data, batch.position)
                    position = batch.position
            except TimeoutError:
                continue


def split(data: bytes, end: str) -> Iterator[Message]:
    """The messages in `data`, all of one segment, whose last one ends at the position `end`."""
    segment, _, offset = end.partition(":")
    view = memoryview(data)
    for frame in rrd.frames(view):
        yield Message(view[frame.start : frame.end], f"{segment}:{int(offset) - len(data) + frame.end}")
