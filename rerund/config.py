"""The daemon's options, once: flags of `rerund run`, $RERUND_ variables and the sample config follow from a table."""

from __future__ import annotations

import argparse
import dataclasses
import ipaddress
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rerund.errors import ConfigError
from rerund.space import Floor
from rerund_sdk import places
from rerund_sdk.errors import PlaceError

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
_SECS_OF: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_UNITS: Final = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": KIB, "mib": MIB, "gib": GIB}

FLOOR_POLICIES: Final = ("refuse-new", "drop-oldest-recordings")
FSYNC_POLICIES: Final = ("interval", "always", "off")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


def number_of_bytes(text: str) -> int:
    """`text` as a size: "1000", "64MiB", "2 GB"."""
    digits = text.strip().rstrip("BbKkMmGgIi ")
    unit = text.strip()[len(digits) :].strip().lower()
    try:
        size = int(float(digits) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        size = -1
    if size < 0:
        raise ValueError("not a size like 1000, 64MiB or 2GB")
    return size


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 65536:
        raise ValueError("not a port: 0 (any free one) to 65535")
    return port


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.001 <= seconds <= 3600:
        raise ValueError("not 0.001 to 3600 seconds")
    return seconds


def _age(text: str) -> float:
    digits = text.strip().rstrip("smhdw")
    unit = text.strip()[len(digits) :]
    if unit not in _SECS_OF:
        raise ValueError("not an age like 90m, 12h, 30d or 8w")
    secs = float(digits) * _SECS_OF[unit]
    if not secs > 0:
        raise ValueError("not a time above 0")
    return secs


def _floor(text: str) -> Floor:
    sizes, percents = [], []
    for part in text.split(","):
        if part.strip().endswith("%"):
            percents.append(float(part.strip()[:-1]))
        else:
            sizes.append(number_of_bytes(part))
    if any(not 0 <= percent < 100 for percent in percents):
        raise ValueError("a percentage is not 0 to 99")
    return Floor(min(sizes, default=None), min(percents, default=None), text)


def _floor_policy(text: str) -> str:
    if text not in FLOOR_POLICIES:
        raise ValueError(f"not one of {', '.join(FLOOR_POLICIES)}")
    return text


def _policy(text: str) -> str:
    if text not in FSYNC_POLICIES:
        raise ValueError(f"not one of {', '.join(FSYNC_POLICIES)}")
    return text


def _level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"not one of {', '.join(LOG_LEVELS)}")
    return text.lower()


def _endpoints(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _path(text: str) -> Path:
    return places.path_of(text)


def _host(text: str) -> str:
    address = text.strip().removeprefix("[").removesuffix("]")
    if address != "localhost":
        ipaddress.ip_address(address)  # says itself what is wrong
    return address


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 1_000_000:
        raise ValueError("not 1 to 1000000")
    return count


def _segment_size(text: str) -> int:
    size = number_of_bytes(text)
    if size < 4 * KIB:
        raise ValueError("under 4 KiB")
    return size


def _memory_size(text: str) -> int:
    size = number_of_bytes(text)
    if size < 256 * MIB:
        raise ValueError("under 256 MiB, of which the daemon alone takes the half")
    return size


def _replay(text: str) -> str:
    if text not in ("active", "all") and not text.isdecimal():
        raise ValueError("not active, all, or a number of recordings")
    return text


def option(default: Any, parse: Callable[[str], Any], metavar: str, text: str) -> Any:
    metadata = {"parse": parse, "metavar": metavar, "help": text}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """How a daemon runs."""

    home: Path = option(  # noqa: RUF009 - a dataclass field
        places.home, _path, "DIR", "where recordings are kept"
    )
    instance: str = option(
        places.instance_name, places.instance_name, "NAME", "run beside other daemons under this name"
    )
    listen: tuple[str, ...] = option(
        (),
        _endpoints,
        "tcp://HOST:PORT",
        "take data over TCP, too; several separated by commas; port * or 0: any free one",
    )
    control_listen: tuple[str, ...] = option(
        (), _endpoints, "tcp://HOST:PORT", "answer requests over TCP, too: those that look, and subscriptions"
    )
    grpc_host: str = option("127.0.0.1", _host, "ADDRESS", "where to listen for Rerun SDKs and viewers")
    grpc_port: int | None = option(
        None, _port, "PORT", "for Rerun SDKs and viewers; 0: any free one; default: 9876, or the next free one"
    )
    http_host: str = option("127.0.0.1", _host, "ADDRESS", "where to listen for browsers; 0.0.0.0: everywhere")
    http_names: tuple[str, ...] = option(
        (), _endpoints, "NAME", "names by which browsers know this machine, such as a proxy's; separated by commas"
    )
    http_port: int | None = option(
        None, _port, "PORT", "for web pages; 0: any free one; default: 9090, or the next free one"
    )
    grpc_replay: str = option(
        "active",
        _replay,
        "WHICH",
        "recordings that a Rerun viewer gets: active (since the daemon started), all, or the last N",
    )
    token_file: Path | None = option(  # noqa: RUF009
        None,
        _path,
        "FILE",
        "HTTP and gRPC want a token of this file; made if it is not there; default: only beyond this machine, and "
        "keys/tokens of the state directory",
    )
    tls_cert: Path | None = option(  # noqa: RUF009
        None, _path, "FILE", "PEM certificate of HTTP and gRPC beyond this machine"
    )
    tls_key: Path | None = option(None, _path, "FILE", "its PEM key")  # noqa: RUF009
    max_connections: int = option(
        4000, _count, "COUNT", "most producers, and most connections, streams and subscriptions of each other kind"
    )
    memory_limit: int = option(
        2 * GIB,
        _memory_size,
        "SIZE",
        "most memory that the daemon takes, whoever is connected; when it is short, producers keep what they log. A "
        "message may have half of it",
    )
    fsync: str = option(
        "interval", _policy, "POLICY", "when data is forced to the disk: interval, always (as soon as it can be), off"
    )
    fsync_secs: float = option(
        1.0, _seconds, "SECONDS", "longest that data waits for the disk with --fsync interval; a power cut may take it"
    )
    segment_bytes: int = option(256 * MIB, _segment_size, "SIZE", "a recording goes on in a new file at this size")
    min_free: Floor = option(  # noqa: RUF009
        Floor(GIB, 5.0, "5%,1GiB"),
        _floor,
        "SIZE",
        "how much of the disk stays free: a size, a percentage, or both, and then the smaller one counts; 0: nothing",
    )
    min_free_policy: str = option(
        "refuse-new",
        _floor_policy,
        "POLICY",
        "when no more is free: refuse-new (producers keep what they log until there is room), or "
        "drop-oldest-recordings, neither pinned nor live ones",
    )
    retention_bytes: int | None = option(
        None, number_of_bytes, "SIZE", "recordings beyond this in all are removed, the oldest first; default: none"
    )
    retention_age: float | None = option(
        None, _age, "AGE", "recordings that nobody wrote to for so long are removed, such as 30d; default: none"
    )
    retention_count: int | None = option(
        None, _count, "COUNT", "recordings beyond so many are removed, the oldest first; default: none"
    )
    save_dir: Path | None = option(  # noqa: RUF009
        None, _path, "DIR", "where pages may have recordings written to files; default: saved/ of the state directory"
    )
    max_message_bytes: int = option(GIB, number_of_bytes, "SIZE", "larger .rrd messages are rejected")
    log_level: str = option("info", _level, "LEVEL", "debug, info, warning or error")

    @property
    def saved(self) -> Path:
        """Where `save_dir` is."""
        return self.save_dir or self.home / "saved"


def _variable(name: str) -> str:
    return f"RERUND_{name.upper()}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """One flag for each option; `from_args` reads them."""
    for field in dataclasses.fields(Config):
        default = field.default
        shown = "" if default in (None, (), dataclasses.MISSING) else f" (default: {_show(default)})"
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            metavar=field.metadata["metavar"],
            help=(field.metadata["help"] + shown).replace("%", "%%"),
        )


def from_args(args: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Config:
    """Flags first, then variables, then defaults. Raises ConfigError."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Config):
        flag, variable = f"--{field.name.replace('_', '-')}", _variable(field.name)
        given = getattr(args, field.name, None)
        source, text = (flag, given) if given is not None else (variable, environ.get(variable) or None)
        if text is not None:
            try:
                values[field.name] = field.metadata["parse"](text)
            except (ValueError, PlaceError) as error:
                raise ConfigError(f"{source} is {text!r}: {error}") from None
    if "home" not in values:
        values["home"] = places.home(values.get("instance"))
    return Config(**values)


def check(words: Sequence[str]) -> None:
    """Raise ConfigError unless `rerund run` can be given these flags: they may be of another version."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    add_options(parser)
    try:
        args, unknown = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise ConfigError(f"the daemon's options cannot be kept ({error}): give all that it shall have") from error
    if unknown:
        sentence = f"this version has no option {unknown[0]}, which the daemon was given: give all that it shall have"
        raise ConfigError(sentence)
    from_args(args)


def sample() -> str:
    """A config file for systemd's EnvironmentFile=, all options commented out with their defaults."""
    lines = ["# Options of the rerund daemon, one a line; `rerund run --help` lists the same as flags."]
    for field in dataclasses.fields(Config):
        default = field.default
        value = "" if default in (None, (), dataclasses.MISSING) else _show(default)
        lines += ["", f"# {field.metadata['help']}", f"#{_variable(field.name)}={value}"]
    return "\n".join(lines) + "\n"


def _show(value: Any) -> str:
    if isinstance(value, int) and value >= KIB:
        for unit, size in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
            if value % size == 0:
                return f"{value // size}{unit}"
    return str(value)
