"""Where daemon and processes meet: directories, sockets and `daemon.json`, found the same way by both sides.

State (recordings) lies in `home()`; what lives only as long as a daemon (sockets, `daemon.json`, its lock) in
`runtime_dir()`. The runtime directory is private: who can write to it could pose as the daemon. Nothing is created
here but by `ensure_private_dir`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import stat
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from rerund_sdk.errors import PlaceError

INPROC_INGEST: Final = "inproc://rerund-ingest"  # the daemon's edges, and an embedded daemon's own process
INPROC_CONTROL: Final = "inproc://rerund-control"

_MAX_SOCKET_PATH: Final = 107  # bytes, sun_path of Linux less its closing zero
_MAX_DIR_NAME: Final = 200  # bytes, of the 255 that file systems take
_INSTANCE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def home(instance: str | None = None) -> Path:
    """The state directory: $RERUND_HOME, else rerund[-INSTANCE] in $XDG_STATE_HOME, else in ~/.local/state."""
    if chosen := os.environ.get("RERUND_HOME"):
        return path_of(chosen)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state).absolute() if state else Path.home() / ".local" / "state") / f"rerund{_suffix(instance)}"


def path_of(text: str) -> Path:
    """A path as somebody wrote it, perhaps with ~, from the root on."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise PlaceError(f"path {text!r:.80} begins in the home directory of nobody: write it from / on") from error


def instance_name(instance: str | None = None) -> str:
    """`instance`, else $RERUND_INSTANCE, else "": the unnamed one."""
    name = os.environ.get("RERUND_INSTANCE", "") if instance is None else instance
    if name and not _INSTANCE.fullmatch(name):
        raise PlaceError(
            f"instance name {name!r:.80} is not made of 1 to 64 letters, digits, '_', '.' and '-': rename it"
        )
    return name


def runtime_dir(instance: str | None = None) -> Path:
    """$XDG_RUNTIME_DIR/rerund[-INSTANCE], else /tmp/rerund-UID[-INSTANCE]."""
    if parent := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(parent).absolute() / f"rerund{_suffix(instance)}"
    return Path("/tmp") / f"rerund-{os.getuid()}{_suffix(instance)}"


def _suffix(instance: str | None) -> str:
    name = instance_name(instance)
    return f"-{name}" if name else ""


def ingest_endpoint(instance: str | None = None) -> str:
    """Where processes of this machine log to."""
    return _ipc(runtime_dir(instance) / "ingest.sock")


def control_endpoint(instance: str | None = None) -> str:
    """Where requests of this machine go."""
    return _ipc(runtime_dir(instance) / "control.sock")


def _ipc(path: Path) -> str:
    size = len(os.fsencode(path))
    if size > _MAX_SOCKET_PATH:
        raise PlaceError(
            f"socket path has {size} bytes, over the {_MAX_SOCKET_PATH} of a UNIX socket: "
            f"set XDG_RUNTIME_DIR to a shorter directory: {path}"
        )
    return f"ipc://{path}"


def ensure_private_dir(path: Path) -> None:
    """Make `path` a directory that only we can enter; raise PlaceError if it is somebody else's or no directory."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise PlaceError(f"directory cannot be made ({error.strerror}): check its parents: {path}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise PlaceError(f"this is no directory but a link or file: remove it: {path}")
    if found.st_uid != os.getuid():
        raise PlaceError(
            f"directory belongs to uid {found.st_uid}, not to us (uid {os.getuid()}): "
            f"remove it or set XDG_RUNTIME_DIR to a directory of your own: {path}"
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)


def is_loopback(host: str) -> bool:
    """Whether `host`, an address or a name, is this machine, and what listens there is reached from here alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class DaemonInfo(NamedTuple):
    """What `daemon.json` says of the running daemon."""

    pid: int
    process_started: float  # as `process_start_time` says; tells the process from a later one with its pid
    started: float  # when it was ready, seconds since the epoch
    version: str
    proto: int
    instance: str
    home: str
    ingest: str
    control: str
    tcp: tuple[str, ...]
    http: str  # base URL, or ""
    grpc: str  # URL for Rerun viewers, or ""
    remote_control: tuple[str, ...] = ()  # for requests over TCP
    http_host: str = ""  # address that the pages listen at, or "0.0.0.0"
    token_file: str = ""  # of the pages' tokens; "" if they want none
    tls_cert: str = ""  # of the pages; "" if they are served without

    def to_json(self) -> str:
        return json.dumps(self._asdict(), indent=2) + "\n"


def daemon_file(instance: str | None = None) -> Path:
    return runtime_dir(instance) / "daemon.json"


def read_daemon(instance: str | None = None) -> DaemonInfo | None:
    """The daemon that runs, or None. A file left behind by one that was killed is none."""
    try:
        info = parse_daemon_info(daemon_file(instance).read_text())
    except (OSError, ValueError, TypeError):
        return None
    return info if process_start_time(info.pid) == info.process_started else None


def parse_daemon_info(text: str) -> DaemonInfo:
    """The content of a `daemon.json`; of a later version's, what is known here. Raises ValueError, TypeError."""
    fields: dict[str, Any] = json.loads(text)
    info = DaemonInfo(**{name: fields[name] for name in DaemonInfo._fields if name in fields})
    return info._replace(tcp=tuple(info.tcp), remote_control=tuple(info.remote_control))


def process_start_time(pid: int) -> float | None:
    """A number that tells process `pid` from a later one with its pid; None if there is none (a zombie is none).

    On Linux: seconds since the boot, since setting the clock changes every other start time of the same process.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state in "ZX" else int(fields[18]) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None if Path("/proc/self/stat").exists() else _start_time_by_psutil(pid)


def _start_time_by_psutil(pid: int) -> float | None:
    import psutil  # takes 20 ms, and most programs never ask

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except (psutil.Error, OverflowError, ValueError):
        return None


def recording_dir(application_id: str, recording_id: str) -> Path:
    """Where a recording lies, from `home()`. No id can lead out of `recordings/`, and no two meet."""
    return Path("recordings") / dir_name(application_id) / dir_name(recording_id)


def dir_name(text: str) -> str:
    """`text` as one directory name: percent-encoded; a long one is cut, and its hash tells it from others."""
    name = quote(text, safe=" []:+@=,", errors="surrogatepass")
    if not name:
        return "%-"
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > _MAX_DIR_NAME:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
        name = f"{name[: _MAX_DIR_NAME - 40].rstrip('%')}%~{digest}"
    return name


def text_of_dir_name(name: str) -> str | None:
    """The text that `dir_name` made `name` of; None if it was cut, or is not ours."""
    if name == "%-":
        return ""
    if "%~" in name:
        return None
    try:
        text = unquote(name, errors="surrogatepass")
    except UnicodeDecodeError:
        return None
    return text if dir_name(text) == name else None
