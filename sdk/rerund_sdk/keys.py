"""Keys for ZeroMQ beyond this machine: CURVE key pairs, as files that only their owner can read.

A key pair says who a machine or a program is, whichever side it takes: a daemon shows its own and lets in those whose
public keys are authorized; an SDK shows its own and trusts the daemon whose public key it was given.
Form: `keys/NAME.key` in the state directory, mode 0600, JSON with `public` and `secret`, each 64 hexadecimal digits, so
that a key needs no quotes in a shell. ZeroMQ's own form (Z85, 40 characters) is understood as well.
"""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Final, NamedTuple

import zmq
from zmq.utils import z85

from rerund_sdk import places
from rerund_sdk.errors import KeyFailure

DEFAULT_NAME: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
REFUSALS: Final = (  # events of a connection's monitor
    zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
_CUT_SHORT_FOR_A_KEY: Final = 3  # handshakes
_ASKS_FOR_ONE: Final = "it asks for a key: run `rerund keys create` here, and give the daemon's own key as server_key"
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_MAX_FILE_BYTES: Final = 4096


class KeyPair(NamedTuple):
    """Who somebody is."""

    name: str
    public: bytes  # 32 bytes
    secret: bytes  # 32 bytes

    def __repr__(self) -> str:
        return f"KeyPair({self.name!r}, {self.public.hex()})"  # the secret gets into no log


class Credentials(NamedTuple):
    """What a connection to a daemon beyond this machine needs."""

    server_key: bytes
    own: KeyPair

    def apply_to(self, socket: zmq.Socket[bytes]) -> None:
        """Before it connects."""
        socket.curve_serverkey = self.server_key
        socket.curve_publickey = self.own.public
        socket.curve_secretkey = self.own.secret


def directory() -> Path:
    """Where keys lie."""
    return places.home() / "keys"


def ensure_directory(where: Path) -> None:
    """Make it, and the state directory around it, for us alone. Raises KeyFailure, PlaceError."""
    if where.parent.exists() and (owner := where.parent.stat().st_uid) != os.getuid():
        raise KeyFailure(
            f"the state directory belongs to uid {owner}: do this as that user, with sudo -u: {where.parent}"
        )
    if not where.parent.exists():
        places.ensure_private_dir(where.parent)
    places.ensure_private_dir(where)


def create(name: str = DEFAULT_NAME, where: Path | None = None) -> KeyPair:
    """Make a key pair and keep it. Raises KeyFailure if there is one of that name."""
    path = _path(name, where)
    public, secret = (z85.decode(half) for half in zmq.curve_keypair())
    ensure_directory(path.parent)
    text = json.dumps({"public": public.hex(), "secret": secret.hex()})
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(text + "\n")
    except FileExistsError:
        raise KeyFailure(f"there is a key {name!r} already: `rerund keys show {name}` prints it: {path}") from None
    except OSError as error:
        raise KeyFailure(f"the key cannot be kept ({error.strerror}): {path}") from error
    return KeyPair(name, public, secret)


def load(name: str = DEFAULT_NAME, where: Path | None = None) -> KeyPair:
    """The key pair of a name, or of a file if it has a slash. Raises KeyFailure."""
    path = Path(name).expanduser() if "/" in name else _path(name, where)
    try:
        found = path.stat()
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFailure(f"others than its owner can read this secret key: chmod 600 {path}")
        with path.open("rb") as file:
            halves = json.loads(file.read(_MAX_FILE_BYTES))
        public, secret = parse(halves["public"]), parse(halves["secret"])
    except FileNotFoundError:
        create_it = f"rerund keys create{'' if name == DEFAULT_NAME else f' {name}'}"
        raise KeyFailure(f"there is no key here: `{create_it}` makes one: {path}") from None
    except OSError as error:
        raise KeyFailure(f"the key cannot be read ({error.strerror}): {path}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFailure(f"this is no key file of `rerund keys create`: {path}") from error
    if z85.decode(zmq.curve_public(z85.encode(secret))) != public:
        raise KeyFailure(f"public and secret key are not of one pair: {path}")
    return KeyPair(path.stem, public, secret)


def names(where: Path | None = None) -> list[str]:
    """Of the key pairs that are kept."""
    return sorted(path.stem for path in (where or directory()).glob("*.key"))


def parse(text: str) -> bytes:
    """A key as people write it. Raises KeyFailure."""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        if len(text) == 40:
            return z85.decode(text.encode("ascii"))
    except (ValueError, KeyError, ArithmeticError):
        pass
    except Exception as error:  # struct.error: beyond what 32 bits hold
        raise KeyFailure(_no_key(text)) from error
    raise KeyFailure(_no_key(text))


def check_name(name: str) -> str:
    """`name`, if it may be one. Raises KeyFailure."""
    if not _NAME.fullmatch(name):
        raise KeyFailure(f"{name!r:.80} is no name of a key: must be 1 to 32 letters, digits, '_', '.' and '-'")
    return name


def credentials(endpoint: str, server_key: str | None = None, key: str | None = None) -> Credentials | None:
    """What to show at `endpoint`; None: it is used without keys. Raises KeyFailure.

    server_key: the daemon's public key; default: $RERUND_SERVER_KEY; without one no keys are used.
    key: name or file of our key pair; default: $RERUND_KEY, else "default".
    """
    theirs = server_key or os.environ.get("RERUND_SERVER_KEY")
    if not theirs or not endpoint.startswith("tcp:"):
        return None
    return Credentials(parse(theirs), load(key or os.environ.get("RERUND_KEY") or DEFAULT_NAME))


class LockedDoor:
    """Tells, by the events of the monitors of connections to one daemon, whether it is a key that keeps us out.

    A daemon that wants another key, or one at all, often just hangs up in the middle of the handshake. So does one that
    is killed at that moment: it must have happened several times in a row.
    """

    def __init__(self, endpoint: str, ours: Credentials | None) -> None:
        """ours: what we show there."""
        self._is_beyond_machine = endpoint.startswith("tcp:")
        self._ours = ours
        self._cut_short = 0  # handshakes, since we were let in last

    def let_us_in(self) -> None:
        """A connection came about."""
        self._cut_short = 0

    def refusal(self, event: int, value: int) -> str:
        """Why a connection failed; "" if it was, or may have been, for no key."""
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH and self._ours is not None:
            return (
                f"our key is not authorized: run `rerund keys authorize {self._ours.own.public.hex()}` on its machine"
            )
        if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL and value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
            if self._ours is not None:
                return "it takes none here: connect without a server key, or to the address that takes keys"
            return _ASKS_FOR_ONE
        if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL and self._is_beyond_machine:
            self._cut_short += 1
            if self._cut_short >= _CUT_SHORT_FOR_A_KEY:
                return _ASKS_FOR_ONE if self._ours is None else _wrong_key(self._ours.server_key)
        return ""


def _wrong_key(theirs: bytes) -> str:
    return f"its key is not {theirs.hex()}, or it takes none here: compare with `rerund keys show` on its machine"


def _path(name: str, where: Path | None) -> Path:
    return (where or directory()) / f"{check_name(name)}.key"


def _no_key(text: str) -> str:
    return f"{text!r:.80} is no public key: must be 64 hexadecimal digits, as `rerund keys show` prints them"
