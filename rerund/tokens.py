"""Tokens for HTTP and gRPC: who shows one may do everything, or only look.

Form of the file: two lines, `full TOKEN` and `read-only TOKEN`, mode 0600. It is made if it is not there, and looked at
anew when it has changed.
Rule 1: tokens are compared in constant time.
Rule 2: an address that shows many different wrong tokens is not answered for a minute. One wrong token shown again
and again is a page that was left open, and no guess.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from rerund_sdk import keys
from rerund_sdk.errors import KeyFailure

log = logging.getLogger(__name__)

_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.~-]{16,256}")
_MAX_GUESSES: Final = 10  # different wrong tokens of one address in _GUESS_SECS
_GUESS_SECS: Final = 60.0
_MAX_ADDRESSES: Final = 4096  # that are remembered


class Access(enum.Enum):
    """What somebody may do."""

    NONE = "no token"
    WRONG = "a wrong token"
    TOO_MANY = "too many wrong tokens"
    READ_ONLY = "read-only"
    FULL = "full"

    @property
    def may_read(self) -> bool:
        return self in (Access.READ_ONLY, Access.FULL)


class Tokens(NamedTuple):
    """Of one file."""

    full: str
    read_only: str


def default_path(home: Path) -> Path:
    return home / "keys" / "tokens"


def make(path: Path) -> Tokens:
    """New tokens; links and cookies with the old ones are worth nothing any more. Raises KeyFailure."""
    tokens = Tokens(secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES))
    unnamed = path.with_name(path.name + ".new")
    try:
        if not path.parent.exists():
            keys.ensure_directory(path.parent)
        with os.fdopen(os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(f"full {tokens.full}\nread-only {tokens.read_only}\n")
            file.flush()
            os.fsync(file.fileno())
        unnamed.replace(path)
    except OSError as error:
        raise KeyFailure(f"tokens cannot be kept ({error.strerror}): {path}") from error
    return tokens


def load(path: Path) -> Tokens:
    """Raises KeyFailure, and FileNotFoundError."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFailure(f"others than its owner can read these tokens: chmod 600 {path}")
        lines = dict(line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip())
        tokens = Tokens(lines["full"].strip(), lines["read-only"].strip())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyFailure(f"tokens cannot be read ({error.strerror}): {path}") from error
    except (ValueError, KeyError) as error:
        raise KeyFailure(f"must have two lines, `full TOKEN` and `read-only TOKEN`: {path}") from error
    if bad := [name for name, token in tokens._asdict().items() if not _TOKEN.fullmatch(token)]:
        raise KeyFailure(f"the {bad[0]} token is not made of 16 to 256 letters, digits, '_', '.', '~' and '-': {path}")
    if tokens.full == tokens.read_only:
        raise KeyFailure(f"the two tokens are the same: {path}")
    return tokens


class Gate:
    """Looks at what is shown. `path`: of the file; None: everybody may do everything. On the serving loop."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._tokens: Tokens | None = None
        self._seen: tuple[int, int] | None = None
        self._guesses: dict[str, tuple[float, set[bytes]]] = {}  # by address: since when, what

    def open(self) -> None:
        """Make the file if it is not there. Raises KeyFailure."""
        if self.path is not None:
            try:
                load(self.path)
            except FileNotFoundError:
                make(self.path)
            self._look()

    def access(self, shown: str | None, address: str) -> Access:
        """What somebody at `address` may do who shows this token."""
        if self.path is None:
            return Access.FULL
        self._look()
        guesses = self._guesses_of(address)
        if len(guesses) >= _MAX_GUESSES:
            return Access.TOO_MANY
        if not shown:
            return Access.NONE
        found = self._compare(shown.encode(errors="replace"))
        if found is Access.WRONG:
            self._note(address, guesses, shown)
        return found

    def _compare(self, shown: bytes) -> Access:
        if self._tokens is None:
            return Access.WRONG
        is_full = hmac.compare_digest(shown, self._tokens.full.encode())
        is_read_only = hmac.compare_digest(shown, self._tokens.read_only.encode())
        return Access.FULL if is_full else Access.READ_ONLY if is_read_only else Access.WRONG

    def _look(self) -> None:
        assert self.path is not None
        try:
            found = self.path.stat()
            seen = (found.st_ino, found.st_mtime_ns)
            if seen != self._seen:
                self._tokens, self._seen = load(self.path), seen
        except (OSError, KeyFailure) as error:
            if self._tokens is not None:
                log.error("nobody gets in until this is mended: %s", error)
            self._tokens = self._seen = None

    def _guesses_of(self, address: str) -> set[bytes]:
        since, guesses = self._guesses.get(address, (self._clock(), set()))
        if self._clock() - since > _GUESS_SECS:
            del self._guesses[address]
            if len(guesses) >= _MAX_GUESSES:
                log.warning("tokens shown by %s are looked at again", address)
            return set()
        return guesses

    def _note(self, address: str, guesses: set[bytes], shown: str) -> None:
        if address not in self._guesses:
            if len(self._guesses) >= _MAX_ADDRESSES:
                del self._guesses[next(iter(self._guesses))]
            log.warning("%s shows a wrong token", address)
            self._guesses[address] = (self._clock(), guesses)
        guesses.add(hashlib.sha256(shown.encode(errors="replace")).digest())
        if len(guesses) == _MAX_GUESSES:
            log.warning("%s shows many wrong tokens: it is not answered for a minute", address)
