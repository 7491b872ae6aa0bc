"""Where a recording goes: spawn, connect, serve, save and stdout. Each replaces the one before.

`recording=None` is the current recording. Modes raise ModeError, in one sentence, if they cannot be entered; the
recording then goes where it went before. Logging itself never waits for any of them.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import weakref
from typing import Any, Final

from rerund_sdk import current, launch, links, places, viewer
from rerund_sdk.daemon_file import DaemonFileSink
from rerund_sdk.daemon_sink import DaemonSink, EmbeddedSink
from rerund_sdk.errors import ModeError, PlaceError
from rerund_sdk.file_sink import FileSink
from rerund_sdk.grpc_sink import DEFAULT_URL, GrpcSink
from rerund_sdk.keys import credentials
from rerund_sdk.outbox import Delivery
from rerund_sdk.recording import RecordingStream
from rerund_sdk.sinks import Sink
from rerund_sdk.stdout_sink import StdoutSink

logger = logging.getLogger("rerund_sdk")

TCP_PORT: Final = 9877  # of `rr.connect("robot7")`
_USUAL_GRPC_PORT: Final = 9876
_SAVE_SECS: Final = 3.0  # for what was logged to reach the daemon
_HOST_AND_PORT: Final = re.compile(r"(?:tcp://)?(?P<host>[^/:\s]+|\[[0-9a-fA-F:]+\])(?::(?P<port>\d{1,5}))?")


def spawn(
    *,
    port: int = _USUAL_GRPC_PORT,
    connect: bool = True,
    memory_limit: str = "75%",
    server_memory_limit: str = "1GiB",
    hide_welcome_screen: bool = False,
    detach_process: bool = True,
    executable_name: str = "rerun",
    executable_path: str | None = None,
    default_blueprint: Any = None,
    recording: RecordingStream | None = None,
) -> None:
    """Log to this machine's daemon, which is started if none runs, and open a viewer unless one is connected.

    The viewer is the native one if it is installed and there is a display, else the web page, else its URL is printed.
    port: gRPC port of the daemon, if it has to be started. connect: False leaves the recording where it goes now.
    memory_limit: of the native viewer. server_memory_limit: has no effect: the daemon keeps history on disk.
    executable_name, executable_path: of the native viewer. detach_process: it outlives this process.
    hide_welcome_screen: has no effect: it is not shown.
    """
    del server_memory_limit, hide_welcome_screen
    found = _recording(recording, "spawn")
    if found is None:
        return
    daemon = launch.ensure_daemon(() if port == _USUAL_GRPC_PORT else (f"--grpc-port={port}",))
    if connect:
        found.set_sinks(DaemonSink(), default_blueprint=default_blueprint)
    options = () if memory_limit == "75%" else (f"--memory-limit={memory_limit}",)
    viewer.show(daemon, found.store, viewer.Program(executable_name, executable_path, options, detach_process))


def connect(
    addr: str | None = None,
    *,
    delivery: Delivery = Delivery(),  # noqa: B008 - frozen
    server_key: str | None = None,
    key: str | None = None,
    default_blueprint: Any = None,
    recording: RecordingStream | None = None,
) -> None:
    """Log to a daemon: this machine's, or the one at `addr`, for example "tcp://robot7:9877". Starts nothing.

    While no daemon is there rows are kept, within the limits of `delivery`, and sent when it comes.
    addr: tcp://HOST:PORT (default port 9877), ipc://PATH, or rerun+http://... as for connect_grpc. Default:
    $RERUND_CONNECT, else this machine's daemon.
    server_key: public key of a daemon on another machine, as `rerund keys show` prints it there; default:
    $RERUND_SERVER_KEY.
    key: name or file of our own, made by `rerund keys create`; default: $RERUND_KEY, else "default".
    """
    if found := _recording(recording, "connect"):
        found.set_sinks(sink_for(addr, delivery, server_key, key), default_blueprint=default_blueprint)


def sink_for(
    addr: str | None,
    delivery: Delivery = Delivery(),  # noqa: B008 - frozen
    server_key: str | None = None,
    key: str | None = None,
) -> Sink:
    """The sink that delivers to an address as `connect` takes it. Raises ModeError, or KeyFailure."""
    addr = addr or os.environ.get("RERUND_CONNECT")
    if not addr:
        places.ensure_private_dir(places.runtime_dir())  # nobody else may pose as the daemon there
        return DaemonSink(delivery=delivery)
    if addr.startswith("rerun"):
        return GrpcSink(addr, delivery=delivery)
    if addr.startswith("ipc://"):
        return DaemonSink(addr, delivery=delivery)
    match = _HOST_AND_PORT.fullmatch(addr)
    port = int(match["port"] or TCP_PORT) if match else 0
    if match is None or not 0 < port < 65536:
        raise ModeError(f"{addr!r} is no address of a daemon: must be tcp://HOST:PORT, like tcp://robot7:{TCP_PORT}")
    endpoint = f"tcp://{match['host']}:{port}"
    return DaemonSink(endpoint, delivery=delivery, credentials=credentials(endpoint, server_key, key))


def connect_grpc(
    url: str | None = None,
    *,
    default_blueprint: Any = None,
    recording: RecordingStream | None = None,
) -> None:
    """Log to a stock Rerun viewer or server at `url`; default: rerun+http://127.0.0.1:9876/proxy.

    If our own daemon is there, its faster way in is used. Rows are kept while nobody answers, and sent again after a
    break.
    """
    if found := _recording(recording, "connect_grpc"):
        daemon = places.read_daemon()
        is_ours = daemon is not None and daemon.grpc == (url or DEFAULT_URL).replace("localhost", "127.0.0.1")
        found.set_sinks(DaemonSink() if is_ours else GrpcSink(url), default_blueprint=default_blueprint)


def serve(
    *,
    open_browser: bool = True,
    embedded: bool = False,
    web_port: int | None = None,
    web_viewer: links.WebViewer = "rerund",
    default_blueprint: Any = None,
    recording: RecordingStream | None = None,
) -> str:
    """Log to the daemon, started if none runs, and open the web page of this recording; returns the page's URL.

    web_viewer: "rerund": our page, light and also for a phone; "rerun": the one that holds the Rerun web viewer, which
    shows a recording as its blueprint says. Each links to the other.
    embedded: serve from inside this process, with nothing installed or left behind; also where no daemon can run.
    web_port: of the pages, if the daemon has to be started.
    """
    found = _recording(recording, "serve")
    if found is None:
        return ""
    page = links.page_path(found.application_id, found.recording_id, web_viewer)
    shown = ""
    base = _serve_embedded(found, web_port, default_blueprint) if embedded else ""
    if not base:
        try:
            daemon = launch.ensure_daemon(() if web_port is None else (f"--http-port={web_port}",))
            found.set_sinks(DaemonSink(), default_blueprint=default_blueprint)
            base, shown = daemon.http, links.token(daemon)
        except (ModeError, PlaceError) as error:
            logger.warning("serving from inside this program: %s", error)
            base = _serve_embedded(found, web_port, default_blueprint)
    url = links.with_token(base + page, shown)
    if open_browser:
        viewer.browse(url)
    return url


def _serve_embedded(recording: RecordingStream, web_port: int | None, default_blueprint: Any) -> str:
    from importlib import import_module

    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")  # children don't use its gRPC, and are not warned so
    embedded = import_module("rerund.embedded")  # the one door from the SDK to the daemon's code
    sink = EmbeddedSink(lambda context: embedded.EmbeddedDaemon(context, http_port=web_port))
    recording.set_sinks(sink, default_blueprint=default_blueprint)
    _disconnect_before_threads_end(recording, sink)
    http: str = sink.daemon.http
    return http


def _disconnect_before_threads_end(recording: RecordingStream, sink: EmbeddedSink) -> None:
    """At exit Python waits for threads before it calls atexit handlers; those of an embedded daemon would not end."""
    serving = weakref.ref(recording)

    def disconnect() -> None:
        found = serving()
        if found is not None and sink in found.sinks:
            found.disconnect()

    threading._register_atexit(disconnect)  # type: ignore[attr-defined]


def serve_grpc(
    *,
    grpc_port: int | None = None,
    default_blueprint: Any = None,
    recording: RecordingStream | None = None,
    server_memory_limit: str = "1GiB",
    newest_first: bool = False,
    cors_allow_origin: list[str] | None = None,
) -> str:
    """Log to the daemon, started if none runs, and return the URL at which Rerun viewers can connect to it.

    grpc_port: of the daemon, if it has to be started. The other options of Rerun's function have no effect here: the
    daemon keeps history on disk and replays it in order.
    """
    del server_memory_limit, newest_first, cors_allow_origin
    found = _recording(recording, "serve_grpc")
    if found is None:
        return ""
    daemon = launch.ensure_daemon(() if grpc_port is None else (f"--grpc-port={grpc_port}",))
    found.set_sinks(DaemonSink(), default_blueprint=default_blueprint)
    return daemon.grpc


class GrpcServerSink:
    """For `set_sinks`: delivers to the daemon, started if none runs; Rerun viewers can connect to it at `uri`.

    port: of the daemon, if it has to be started. The other options of Rerun's class have no effect here: the daemon
    listens where its own options say, keeps history on disk and replays it in order.
    """

    def __init__(
        self,
        bind_ip: str = "0.0.0.0",
        port: int = _USUAL_GRPC_PORT,
        *,
        server_memory_limit: str = "1GiB",
        newest_first: bool = False,
        cors_allow_origin: list[str] | None = None,
    ) -> None:
        del bind_ip, server_memory_limit, newest_first, cors_allow_origin
        self.uri = launch.ensure_daemon(() if port == _USUAL_GRPC_PORT else (f"--grpc-port={port}",)).grpc
        self.sink = DaemonSink()

    def __repr__(self) -> str:
        return f"GrpcServerSink({self.uri!r})"


def serve_web_viewer(*, web_port: int | None = None, open_browser: bool = True, connect_to: str | None = None) -> None:
    """Open the daemon's web pages, which is started if none runs.

    web_port: of the pages, if the daemon has to be started. connect_to: has no effect: they show what the daemon has.
    """
    del connect_to
    daemon = launch.ensure_daemon(() if web_port is None else (f"--http-port={web_port}",))
    if open_browser:
        viewer.browse(links.link(daemon))


def save(
    path: str | os.PathLike[str],
    default_blueprint: Any = None,
    recording: RecordingStream | None = None,
    *,
    write_footer: bool = True,
) -> None:
    """Write the recording to an .rrd file, which is replaced; at every moment it is a valid one.

    A recording that is connected to a daemon stays so. If that is this machine's, the daemon writes the file: it holds
    what all processes logged, from the beginning. Else this process does. A path that is being written is refused.
    write_footer: end the file with a manifest, with which it can be searched without reading it all.
    """
    found = _recording(recording, "save")
    if found is None:
        return
    sink = next((sink for sink in found.sinks if isinstance(sink, DaemonSink)), None)
    if sink is None:
        found.set_sinks(FileSink(path, write_footer=write_footer), default_blueprint=default_blueprint)
        return
    found.flush(timeout_sec=_SAVE_SECS)  # a connection that was only just begun is there then, and the recording known
    welcome = sink.welcome
    if welcome is not None and sink.is_local:
        file: Sink = DaemonFileSink(path, welcome.control)
    else:
        logger.warning("%s cannot write %s: it will hold what this process logs from now on", sink.endpoint, path)
        file = FileSink(path, write_footer=write_footer)
    found.set_sinks(sink, file, default_blueprint=default_blueprint)


def stdout(
    default_blueprint: Any = None, recording: RecordingStream | None = None, *, write_footer: bool = True
) -> None:
    """Write the recording to standard output, for a viewer or a file at the other end of a pipe."""
    if found := _recording(recording, "stdout"):
        found.set_sinks(StdoutSink(write_footer=write_footer), default_blueprint=default_blueprint)


def _recording(recording: RecordingStream | None, mode: str) -> RecordingStream | None:
    """The recording meant, if entering a mode has any effect on it."""
    found = current.required(recording, mode)
    if found is None:
        return None
    return None if not found.is_enabled() or os.environ.get("_RERUN_TEST_FORCE_SAVE") else found
