"""The names of a recording, as every Rerun reader will show them."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import uuid
import warnings
from typing import Final

from rerund_sdk.wire import MAX_NAME_LENGTH

_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_\- \[\]:]")
_MAX_BYTES: Final = 180
_CUT_LENGTH: Final = 176  # leaves room for the 4 hex digits


def application_id(text: str) -> str:
    """`text` as Rerun's readers keep it: bad characters become `-`, and 4 digits of a hash make it unique again.

    Legal are ASCII letters and digits and `_ - space [ ] :`, at most 180 bytes. The rule is docs/RRD.md's, so that a
    recording has one name everywhere. Raises ValueError if `text` is empty.
    """
    if not text:
        raise ValueError("application_id is empty: give the program a name, for example rr.init('my_robot')")
    if len(text) <= _MAX_BYTES and not _ILLEGAL.search(text):
        return text
    import xxhash

    digits = xxhash.xxh64_intdigest(text.encode(), seed=0) & 0xFFFF
    mapped = f"{_ILLEGAL.sub('-', text)[:_CUT_LENGTH]}{digits:04x}"
    warnings.warn(
        f"application_id {text!r} has characters that Rerun does not allow or over {_MAX_BYTES} bytes: "
        f"it is recorded as {mapped!r}",
        stacklevel=3,
    )
    return mapped


def recording_id(given: str | uuid.UUID) -> str:
    """As text. Raises ValueError if it is longer than any daemon takes."""
    text = given.hex if isinstance(given, uuid.UUID) else str(given)
    if len(text) > MAX_NAME_LENGTH:
        raise ValueError(f"recording_id {text[:40]!r}... has {len(text)} characters: the limit is {MAX_NAME_LENGTH}")
    return text


def default_recording_id(application: str) -> str:
    """The id that this process shares with its multiprocessing children, and with nobody else.

    `RERUND_RECORDING_ID` overrules it. Else it is made of multiprocessing's authkey, which children inherit by fork,
    spawn and forkserver alike, and of the application id.
    """
    if given := os.environ.get("RERUND_RECORDING_ID"):
        return given
    key = bytes(multiprocessing.current_process().authkey)
    digest = hashlib.blake2b(application.encode(), key=key[:64], person=b"rerund recording", digest_size=16).digest()
    return uuid.UUID(bytes=digest, version=4).hex
