"""How a recording is named in URLs: APPLICATION/RECORDING, each one path segment. client/src/names.ts does the same.

Form: an id percent-encoded as UTF-8. Browsers resolve the segments "", "." and ".." before a server sees them, so those
ids get a tilde in front, and so do ids that begin with one. Every id has exactly one such name.
"""

from __future__ import annotations

from urllib.parse import quote, unquote


def to_segment(text: str) -> str:
    """An id as one path segment."""
    tilde = "~" if text.startswith("~") or text in ("", ".", "..") else ""
    return tilde + quote(text, safe="", errors="surrogatepass")


def from_segment(segment: str) -> str:
    """The id of a raw path segment. Raises ValueError if it is not UTF-8."""
    return unquote(segment.removeprefix("~"), errors="strict")


def recording_path(application_id: str, recording_id: str) -> str:
    return f"{to_segment(application_id)}/{to_segment(recording_id)}"


def parse_recording_path(raw: str) -> tuple[str, str]:
    """(application id, recording id) of what `recording_path` makes. Raises ValueError."""
    segments = raw.split("/")
    if len(segments) != 2 or not all(segments):
        raise ValueError(f"{raw!r:.200} is not APPLICATION/RECORDING, each percent-encoded")
    application_id, recording_id = map(from_segment, segments)
    return application_id, recording_id
