"""What few programs ask of a recording: each method loads what it needs at its first call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from rerund_sdk.sorbet import AUTO_INDEX

if TYPE_CHECKING:
    from rerund_sdk.chunk import ChunkEncoder
    from rerund_sdk.delivery_status import DeliveryStatus
    from rerund_sdk.links import WebViewer
    from rerund_sdk.memory import BinaryStream, MemoryRecording
    from rerund_sdk.outbox import Delivery
    from rerund_sdk.recording import RecordingStream
    from rerund_sdk.sinks import EncodedMessage

_Function = TypeVar("_Function", bound=Callable[..., Any])


class RecordingExtras:
    """Base of `RecordingStream`."""

    def connect(
        self,
        addr: str | None = None,
        *,
        delivery: Delivery | None = None,
        server_key: str | None = None,
        key: str | None = None,
        default_blueprint: Any = None,
    ) -> None:
        """Log to a daemon: this machine's, or the one at tcp://HOST:PORT. Starts nothing; see `rr.connect`."""
        from rerund_sdk import modes

        options: dict[str, Any] = {} if delivery is None else {"delivery": delivery}
        options |= {"server_key": server_key, "key": key}
        modes.connect(addr, default_blueprint=default_blueprint, recording=self._stream, **options)

    def connect_grpc(self, url: str | None = None, *, default_blueprint: Any = None) -> None:
        """Log to a Rerun viewer or server; see `rr.connect_grpc`."""
        from rerund_sdk import modes

        modes.connect_grpc(url, default_blueprint=default_blueprint, recording=self._stream)

    def status(self) -> tuple[DeliveryStatus, ...]:
        """How far delivery is to each daemon or server that this recording goes to; see `rr.status`."""
        from rerund_sdk import delivery_status

        return delivery_status.status(self._stream)

    def on_connection_change(self, callback: Callable[[DeliveryStatus], None]) -> Callable[[], None]:
        """Have `callback` called when a connection is made or breaks; see `rr.on_connection_change`."""
        from rerund_sdk import delivery_status

        return delivery_status.on_connection_change(callback, recording=self._stream)

    def spawn(
        self,
        *,
        port: int = 9876,
        connect: bool = True,
        memory_limit: str = "75%",
        server_memory_limit: str = "1GiB",
        hide_welcome_screen: bool = False,
        detach_process: bool = True,
        executable_name: str = "rerun",
        executable_path: str | None = None,
        default_blueprint: Any = None,
    ) -> None:
        """Log to this machine's daemon, started if none runs, and open a viewer; see `rr.spawn`."""
        from rerund_sdk import modes

        modes.spawn(
            port=port,
            connect=connect,
            memory_limit=memory_limit,
            server_memory_limit=server_memory_limit,
            hide_welcome_screen=hide_welcome_screen,
            detach_process=detach_process,
            executable_name=executable_name,
            executable_path=executable_path,
            default_blueprint=default_blueprint,
            recording=self._stream,
        )

    def serve(
        self,
        *,
        open_browser: bool = True,
        embedded: bool = False,
        web_port: int | None = None,
        web_viewer: WebViewer = "rerund",
        default_blueprint: Any = None,
    ) -> str:
        """Log to this machine's daemon, or to one inside this process, and open the page; see `rr.serve`."""
        from rerund_sdk import modes

        return modes.serve(
            open_browser=open_browser,
            embedded=embedded,
            web_port=web_port,
            web_viewer=web_viewer,
            default_blueprint=default_blueprint,
            recording=self._stream,
        )

    def serve_grpc(self, **options: Any) -> str:
        """Log to this machine's daemon and return the URL for viewers; see `rr.serve_grpc`."""
        from rerund_sdk import modes

        return modes.serve_grpc(recording=self._stream, **options)

    def save(self, path: str | os.PathLike[str], default_blueprint: Any = None, *, write_footer: bool = True) -> None:
        """Write the recording to an .rrd file; see `rr.save`."""
        from rerund_sdk import modes

        modes.save(path, default_blueprint, self._stream, write_footer=write_footer)

    def stdout(self, default_blueprint: Any = None, *, write_footer: bool = True) -> None:
        """Write the recording to standard output; see `rr.stdout`."""
        from rerund_sdk import modes

        modes.stdout(default_blueprint, self._stream, write_footer=write_footer)

    def send_messages(self, encode: Callable[[ChunkEncoder], Iterable[EncodedMessage]]) -> None:
        """Send what is not made of rows: the messages that `encode` makes with an encoder of this recording."""
        raise NotImplementedError

    def send_dataframe(self, df: Any, *, index: Any = AUTO_INDEX, entity_path: str | None = None) -> None:
        """Send all rows of an Arrow table or a data frame; see `rr.send_dataframe`."""
        from rerund_sdk.dataframe import send_dataframe

        send_dataframe(df, self._stream, index=index, entity_path=entity_path)

    def send_record_batch(self, batch: Any, *, index: Any = AUTO_INDEX, entity_path: str | None = None) -> None:
        """Send the rows of one Arrow record batch; see `rr.send_dataframe`."""
        self.send_dataframe(batch, index=index, entity_path=entity_path)

    def send_chunks(self, chunks: Any) -> None:
        """Send chunks as they are, with their ids; see `rr.send_chunks`."""
        from rerund_sdk.dataframe import send_chunks

        send_chunks(chunks, recording=self._stream)

    def send_blueprint(self, blueprint: Any, *, make_active: bool = True, make_default: bool = True) -> None:
        """Send a layout for the viewers of this application.

        make_active: show it now. make_default: show it at the viewer's "reset to default".
        """
        from rerund_sdk.blueprint.send import blueprint_messages

        application_id = self._stream.application_id
        self.send_messages(lambda _: blueprint_messages(blueprint, application_id, make_active, make_default))

    def log_file_from_path(
        self, file_path: str | os.PathLike[str], *, entity_path_prefix: str | None = None, static: bool = False
    ) -> None:
        """Log a file, or all files of a directory; see `rr.log_file_from_path`."""
        from rerund_sdk.log_file import log_file_from_path

        log_file_from_path(file_path, entity_path_prefix=entity_path_prefix, static=static, recording=self._stream)

    def log_file_from_contents(
        self,
        file_path: str | os.PathLike[str],
        file_contents: bytes,
        *,
        entity_path_prefix: str | None = None,
        static: bool = False,
    ) -> None:
        """Log the contents of a file; see `rr.log_file_from_contents`."""
        from rerund_sdk.log_file import log_file_from_contents

        log_file_from_contents(
            file_path, file_contents, entity_path_prefix=entity_path_prefix, static=static, recording=self._stream
        )

    def memory_recording(self) -> MemoryRecording:
        """From now on keep in memory what is logged."""
        from rerund_sdk.memory import MemoryRecording

        return MemoryRecording(self._stream)

    def binary_stream(self) -> BinaryStream:
        """From now on hand over what is logged as bytes."""
        from rerund_sdk.memory import BinaryStream

        return BinaryStream(self._stream)

    def notebook_show(self, *, width: int | None = None, height: int | None = None, blueprint: Any = None) -> None:
        """Show the recording below the cell of a notebook; see `rr.notebook_show`."""
        from rerund_sdk.notebook import notebook_show

        notebook_show(width=width, height=height, blueprint=blueprint, recording=self._stream)

    def __call__(self, function: _Function) -> _Function:
        """As a decorator: the function logs into this recording."""
        from rerund_sdk.contexts import logging_into

        return logging_into(lambda: self._stream, function)

    @property
    def _stream(self) -> RecordingStream:
        return cast("RecordingStream", self)
