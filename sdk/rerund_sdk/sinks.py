"""Where a recording's messages go.

Rule: `send` is called from the batcher's thread, in order, and never waits: a sink that must wait has a thread or a
buffer of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from rerund_sdk.wire import IndexEntry

Level: TypeAlias = Literal["sent", "written", "synced"]


class Flushed(NamedTuple):
    """How far everything that was logged before a flush has come; true if it is as far as was asked.

    "sent": it is encoded, and the sinks have it, in memory or in files of their own. "written": it is where they bring
    it, in the daemon's log or in the file, and survives a crash of this process and of the daemon. "synced": it also
    survives a power cut. "": not even sent.
    """

    reached: Level | Literal[""]
    asked: Level

    def __bool__(self) -> bool:
        return bool(self.reached) and _LEVELS.index(self.reached) >= _LEVELS.index(self.asked)


_LEVELS: Final[tuple[str, ...]] = ("sent", "written", "synced")


class EncodedMessage(NamedTuple):
    """One whole .rrd message and what is known of it."""

    entry: IndexEntry
    data: tuple[bytes | memoryview, ...]  # joined, they are the message


class Store(NamedTuple):
    """The recording that a sink is opened for."""

    application_id: str
    recording_id: str
    store_info: bytes  # a whole SetStoreInfo message


class Sink(Protocol):
    """Where messages go."""

    def open(self, store: Store) -> None:
        """Called once, before anything is sent. May raise ModeError."""

    def send(self, messages: Sequence[EncodedMessage]) -> None:
        """Take messages. Never blocks, never raises."""

    def flush(self, deadline: float) -> bool:
        """Whether all that was sent is where it belongs; waits for that until `deadline` (of time.monotonic())."""

    def sync(self, deadline: float) -> bool:
        """Whether it survives a power cut there; called after a `flush` that went well."""

    def close(self) -> None:
        """Nothing more is sent. Idempotent."""

    def after_fork(self) -> None:
        """In a forked child: forget sockets, files and unsent messages without touching them: the parent has them."""


@runtime_checkable
class Dismissible(Protocol):
    """A sink whose end takes a moment."""

    def dismiss(self) -> None:
        """Begin to end, without waiting; `close` comes next. Idempotent."""


class SinkHolder(Protocol):
    """What `set_sinks` takes besides sinks: something else that has one."""

    @property
    def sink(self) -> Sink: ...


class BufferSink:
    """Keeps messages in memory until a mode is chosen, or until somebody drains them."""

    def __init__(self) -> None:
        self.store: Store | None = None
        self.messages: list[EncodedMessage] = []

    def open(self, store: Store) -> None:
        self.store = store

    def send(self, messages: Sequence[EncodedMessage]) -> None:
        self.messages.extend(messages)

    def flush(self, deadline: float) -> bool:  # noqa: ARG002 - nothing to wait for
        return True

    def sync(self, deadline: float) -> bool:  # noqa: ARG002 - it is only memory
        return False

    def close(self) -> None:
        pass

    def after_fork(self) -> None:
        self.messages = []

    def drain(self) -> list[EncodedMessage]:
        """All messages so far; they are not kept any longer."""
        drained, self.messages = self.messages, []
        return drained


_ELSEWHERE: Final = (  # Rerun has these here: `from rerun.sinks import save`
    *("BinaryStream", "FileSink", "GrpcServerSink", "GrpcSink", "RecordingStream"),
    *("connect_grpc", "disconnect", "get_application_id", "save", "send_blueprint", "serve_grpc"),
    *("set_sinks", "spawn", "stdout"),
)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in (*_ELSEWHERE, "is_recording_enabled"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import rerund_sdk

        return getattr(rerund_sdk, "is_enabled" if name == "is_recording_enabled" else name)
