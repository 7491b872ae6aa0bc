"""Entity paths come out as the official SDK writes them."""

from __future__ import annotations

import pytest
import rerun
from hypothesis import given
from hypothesis import strategies as st

from rerund_sdk.entity_path import escape_part, new_entity_path, normalise

# Python does not know the property Other_Alphabetic, so some marks and symbols are escaped that need not be: that is
# another spelling of the same path. Unassigned characters (Cn) depend on the Unicode version.
texts = st.text(st.characters(exclude_categories=["Mn", "Mc", "So", "Cn", "Cs"]), min_size=1, max_size=20)


@given(texts)
def test_a_part_is_escaped_as_rerun_does(part: str) -> None:
    assert escape_part(part) == rerun.escape_entity_path_part(part)


@given(st.lists(texts, max_size=4))
def test_a_list_of_parts_makes_the_path_that_rerun_makes(parts: list[str]) -> None:
    assert new_entity_path(parts) == rerun.new_entity_path(parts)


@given(st.lists(texts, min_size=1, max_size=4))
def test_an_escaped_path_is_normal_already(parts: list[str]) -> None:
    path = new_entity_path(parts)
    assert normalise(path) == path


@pytest.mark.parametrize(
    ("given_path", "stored"),
    [
        ("arm/joint1", "/arm/joint1"),
        ("/arm//joint1/", "/arm/joint1"),
        ("", "/"),
        ("/", "/"),
        ("my camera", r"/my\ camera"),
        (r"my\ camera", r"/my\ camera"),
        ("größe/温度", "/größe/温度"),
        (r"a\/b/c", r"/a\/b/c"),
        ("a\nb", r"/a\nb"),
        (["a", 1, "b/c"], r"/a/1/b\/c"),
    ],
)
def test_paths_are_stored_normalised(given_path: str | list[object], stored: str) -> None:
    assert normalise(given_path) == stored
