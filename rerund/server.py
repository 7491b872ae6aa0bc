"""The life of the daemon. START HERE.

Two threads matter: the intake (intake.py) writes logs; the asyncio loop that runs `serve` answers everybody who reads
or asks. Between them: logs on disk, their published ends (log.py), and a bell (bell.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

import psutil
import zmq

from rerund import listening
from rerund.bell import Bells
from rerund.config import Config
from rerund.control import Control, RemoteControl
from rerund.dirlock import DirLock
from rerund.edge import Edge, ViewerInfo
from rerund.file_edge import FileEdge
from rerund.grpc_edge import GrpcEdge
from rerund.guard import Guard
from rerund.housekeeping import Housekeeping
from rerund.intake import Intake
from rerund.limits import Limits
from rerund.memory import Memory
from rerund.notify import notify
from rerund.recording import Recording
from rerund.space import Space
from rerund.store import Store
from rerund.tls import Certificate, certificate
from rerund.tokens import Gate, default_path
from rerund.web.edge import WebEdge
from rerund_sdk import places, wire
from rerund_sdk.errors import PlaceError
from rerund_sdk.places import is_loopback
from rerund_sdk.version import VERSION

log = logging.getLogger(__name__)

_RATE_SECS: Final = 2  # rates are means over this time
_MAX_SOCKETS: Final = 8192  # edges take one for each recording of each peer


class Server:
    """One daemon. `serve` is its life; `stop` ends it from any thread."""

    def __init__(self, config: Config, context: zmq.Context[Any] | None = None, *, embedded: bool = False) -> None:
        """embedded: inside another program: no signals, no runtime directory, requests and data over inproc."""
        self.config = config
        self.embedded = embedded
        self.context: zmq.Context[Any] = context or _context()
        self.bells = Bells()
        self.space = Space(config.home, config.min_free)
        self.memory = Memory(config.memory_limit, watches=not embedded)  # else it is mostly the program's
        self.store = Store(config.home, config.segment_bytes, self.bells, self.space, self.memory)
        self.viewers: list[ViewerInfo] = []  # edges add and remove them
        self.info = _not_yet(config, embedded)  # as daemon.json says; filled in at the start
        self.guard = Guard(self.context, config.home)
        self.limits = Limits(config.max_connections, self.memory)
        self.tokens = Gate(config.token_file or default_path(config.home))
        self.intake = Intake(
            self.store,
            self.context,
            self._welcome(),
            _sync_secs(config),
            self.stop,
            self.guard,
            self.limits,
            self.memory,
        )
        self._entrance = listening.Entrance([self.info.ingest], [self.info.control], self.limits)
        self.control = Control(self, self.info.control)
        self.remote_control = RemoteControl(self, config.control_listen)
        self.edges = self._edges()
        self.files = FileEdge(self)  # ends after the intake: so files have what came last
        self.housekeeping = Housekeeping(self)
        self._owns_context = context is None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._samples: deque[tuple[float, int, int, int]] = deque(maxlen=_RATE_SECS + 1)

    def _edges(self) -> list[Edge]:
        """Every way in and out but the intake, in the order of their start."""
        config = self.config
        grpc_gate, http_gate = self._gate(config.grpc_host), self._gate(config.http_host, *config.http_names)
        self.grpc = GrpcEdge(self, grpc_gate, self.limits, self._certificate(config.grpc_host))
        self.web = WebEdge(self, http_gate, self.limits, self._certificate(config.http_host))
        return [self.control, self.remote_control, self.grpc, self.web]

    def _gate(self, host: str, *names: str) -> Gate:
        """Everybody on this machine may do everything, unless a token file or a name says who else comes this way."""
        is_locked = self.config.token_file is not None or names or not is_loopback(host)
        return self.tokens if is_locked else Gate(None)

    def _certificate(self, host: str) -> Certificate | None:
        if is_loopback(host):
            return None
        shown = certificate(self.config.tls_cert, self.config.tls_key)
        if shown is None:
            log.warning(
                "what goes to and from %s, tokens too, can be read on its way: give --tls-cert, --tls-key", host
            )
        return shown

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """The life of the daemon: everything else is called from here. `ready` is called when it serves."""
        self._loop = asyncio.get_running_loop()
        with self._directories(), self._signals():
            try:
                await self._start()
                ready()
                await self._stopping.wait()
            finally:
                await self._stop()
        if self.intake.failure:
            raise RuntimeError("the intake failed, see above") from self.intake.failure

    def stop(self) -> None:
        """End `serve`: write, sync and acknowledge what has arrived. From any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself just now
                loop.call_soon_threadsafe(self._stopping.set)

    @contextlib.contextmanager
    def _directories(self) -> Iterator[None]:
        """Hold the state directory and, unless embedded, the runtime directory."""
        try:
            self.config.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PlaceError(f"state directory cannot be made ({error.strerror}): {self.config.home}") from error
        with contextlib.ExitStack() as locks:
            if not self.embedded:
                runtime = places.runtime_dir(self.config.instance)
                places.ensure_private_dir(runtime)
                locks.enter_context(DirLock(runtime))
            locks.enter_context(DirLock(self.config.home))
            yield

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        if self.embedded:
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def _start(self) -> None:
        """Take data last: whoever is welcomed is told where everything is."""
        self.bells.attach(asyncio.get_running_loop())
        self.store.load()
        tcp = self._bind()
        for edge in self.edges:
            await edge.start()
        await self.files.start()
        self.info = self._describe(tcp)
        self.intake.start(self._welcome())
        self._entrance.watch()
        self.housekeeping.start()
        self._sample()
        if not self.embedded:
            self._write_daemon_file()
            notify(f"READY=1\nSTATUS=at {self.info.http or self.info.ingest}\nMAINPID={os.getpid()}")
        log.info("rerund %s serves %d recordings in %s", VERSION, len(self.store.recordings()), self.config.home)
        for endpoint in (self.info.ingest, *self.info.tcp, *(edge.endpoint for edge in self.edges)):
            if endpoint:
                log.info("at %s", endpoint)

    async def _stop(self) -> None:
        """Nobody new, then all that arrived is written and synced, then the rest."""
        if not self.embedded:
            notify("STOPPING=1")
            places.daemon_file(self.config.instance).unlink(missing_ok=True)
        await asyncio.to_thread(self._entrance.close)
        await asyncio.to_thread(self.housekeeping.stop)
        for edge in reversed(self.edges):
            await edge.stop()
        await asyncio.to_thread(self.intake.stop)
        await self.files.stop()
        for endpoint in (self.info.ingest, self.info.control):
            listening.remove_socket(endpoint)
        self.bells.detach()
        self.guard.close()
        if self._owns_context:
            await asyncio.to_thread(self.context.term)
        log.info("stopped")

    def _bind(self) -> list[str]:
        """Where data comes in; the TCP addresses."""
        local = {places.INPROC_INGEST, self.info.ingest}
        bound = self.intake.bind([*local, *self.config.listen], self.max_message_bytes)
        return bound[len(local) :]

    def _describe(self, tcp: list[str]) -> places.DaemonInfo:
        pid = os.getpid()
        return self.info._replace(
            pid=pid,
            process_started=places.process_start_time(pid) or 0.0,
            started=time.time(),
            tcp=tuple(tcp),
            http=self.web.endpoint,
            grpc=self.grpc.endpoint,
            remote_control=self.remote_control.endpoints,
            http_host=self.config.http_host,
            token_file=str(self.web.gate.path or ""),
            tls_cert=str(self.config.tls_cert) if self.web.endpoint.startswith("https:") else "",
        )

    def _welcome(self) -> wire.Welcome:
        info = self.info
        return wire.Welcome(
            wire.PROTOCOL,
            VERSION,
            0,
            self.max_message_bytes,
            info.control,
            info.http,
            info.grpc,
            remote_control=next(iter(info.remote_control), ""),
        )

    @property
    def max_message_bytes(self) -> int:
        """As the option says, unless memory is too small for it."""
        return min(self.config.max_message_bytes, self.memory.largest_message)

    def _write_daemon_file(self) -> None:
        path = places.daemon_file(self.config.instance)
        unnamed = path.with_suffix(".new")
        try:
            unnamed.write_text(self.info.to_json())
            unnamed.replace(path)
        except OSError as error:
            unnamed.unlink(missing_ok=True)
            raise PlaceError(f"nobody would find this daemon, {path} cannot be written ({error.strerror})") from error

    # for the edges

    async def remove(self, recording: Recording) -> None:
        """Take a recording off the disk; its readers are told, its producers begin a new one."""
        await asyncio.to_thread(self.store.remove, recording)
        await asyncio.to_thread(self.store.delete, recording)

    def recordings(self) -> list[dict[str, Any]]:
        """Figures of every recording, the latest first. From any thread; may read files."""
        stats = [recording.stats()._asdict() for recording in self.store.recordings()]
        return sorted(stats, key=lambda each: float(each["last_write"]), reverse=True)

    def status(self) -> dict[str, Any]:
        """All that is known of the daemon, as JSON would say it. From any thread; may read files."""
        process = psutil.Process()
        counters = self.intake.counters
        return {
            **self.info._asdict(),
            "uptime_secs": time.time() - self.info.started,
            "memory_bytes": process.memory_info().rss,
            "memory": self.memory.status()._asdict(),
            "rates": self._rates(),
            "counters": dict(vars(counters)),
            "producers": [producer._asdict() for producer in self.intake.producers()],
            "recordings": self.recordings(),
            "viewers": [_viewer(viewer) for viewer in list(self.viewers)],
            "sinks": self.files.sinks(),
            **self.housekeeping.status(),
        }

    def _sample(self) -> None:
        """Note the counters, and look at the memory, once a second."""
        self.memory.look()
        counters = self.intake.counters
        self._samples.append((time.monotonic(), counters.messages, counters.rows, counters.bytes))
        if self._loop is not None and not self._stopping.is_set():
            self._loop.call_later(1.0, self._sample)

    def _rates(self) -> dict[str, float]:
        counters = self.intake.counters
        then, *before = self._samples[0]
        secs = max(time.monotonic() - then, 0.001)
        now = (counters.messages, counters.rows, counters.bytes)
        names = ("messages_per_sec", "rows_per_sec", "bytes_per_sec")
        return {name: (new - old) / secs for name, new, old in zip(names, now, before, strict=True)}


def _viewer(viewer: ViewerInfo) -> dict[str, Any]:
    return {
        "kind": viewer.kind,
        "peer": viewer.peer,
        "recording": viewer.recording.name,
        "position": str(viewer.cursor.position),
        "lag_bytes": viewer.cursor.lag(),
    }


def _not_yet(config: Config, embedded: bool) -> places.DaemonInfo:
    ingest = places.INPROC_INGEST if embedded else places.ingest_endpoint(config.instance)
    control = places.INPROC_CONTROL if embedded else places.control_endpoint(config.instance)
    return places.DaemonInfo(
        0, 0.0, 0.0, VERSION, wire.PROTOCOL, config.instance, str(config.home), ingest, control, (), "", ""
    )


def _context() -> zmq.Context[Any]:
    context: zmq.Context[Any] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, _MAX_SOCKETS)
    return context


def _sync_secs(config: Config) -> float | None:
    return {"interval": config.fsync_secs, "always": 0.0, "off": None}[config.fsync]
