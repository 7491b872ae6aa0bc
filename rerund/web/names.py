"""Reading how a recording is named in URLs, APPLICATION/RECORDING; the rule stands in rerund_sdk/links.py."""

from __future__ import annotations

from urllib.parse import unquote

from rerund_sdk.links import recording_path as recording_path


def from_segment(segment: str) -> str:
    """The id of a raw path segment. Raises ValueError if it is not UTF-8."""
    return unquote(segment.removeprefix("~"), errors="strict")


def parse_recording_path(raw: str) -> tuple[str, str]:
    """(application id, recording id) of what `recording_path` makes. Raises ValueError."""
    segments = raw.split("/")
    if len(segments) != 2 or not all(segments):
        raise ValueError(f"{raw!r:.200} is not APPLICATION/RECORDING, each percent-encoded")
    application_id, recording_id = map(from_segment, segments)
    return application_id, recording_id
