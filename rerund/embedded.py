"""The daemon inside another program, on a thread: data over inproc, recordings in a directory that goes with it.

The SDK loads this by name when a program asks for embedded mode, or where no daemon can be run.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import zmq

from rerund.config import Config
from rerund.server import Server
from rerund_sdk import background, places


class EmbeddedDaemon:
    """Runs from its making to `close`. Raises what kept it from starting."""

    def __init__(
        self, context: zmq.Context[Any] | None = None, *, http_port: int | None = None, grpc_port: int | None = None
    ) -> None:
        """context: in which `ingest` can be connected to; None: `zmq.Context.instance()`. Ports as in Config."""
        self._home = Path(tempfile.mkdtemp(prefix="rerund-"))
        self.ingest = places.INPROC_INGEST
        self.ingest_of_children = f"ipc://{self._home / 'ingest.sock'}"  # for processes that this one forks
        config = Config(
            home=self._home,
            instance="",
            listen=(self.ingest_of_children,),
            http_port=http_port,
            grpc_port=grpc_port,
            fsync="off",
        )
        self.server = Server(config, context or zmq.Context.instance(), embedded=True)
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="rerund-embedded", daemon=True)
        background.start(self._thread)
        self._ready.wait()
        if self._failure is not None:
            self.close()
            raise self._failure

    @property
    def http(self) -> str:
        """Base URL of the web pages."""
        return self.server.info.http

    @property
    def grpc(self) -> str:
        """URL for Rerun viewers."""
        return self.server.info.grpc

    def close(self) -> None:
        """Write what has arrived, tell readers, leave nothing behind. Idempotent."""
        self.server.stop()
        self._thread.join()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> EmbeddedDaemon:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            asyncio.run(self.server.serve(self._ready.set))
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()
