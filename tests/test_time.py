"""What `set_time` takes, and whose time it is."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from rerund_sdk.errors import BadData
from rerund_sdk.time import ThreadTime, shared_thread_time, time_value


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sequence": 3}, ("sequence", 3)),
        ({"sequence": np.uint8(3)}, ("sequence", 3)),
        ({"sequence": -(2**63)}, ("sequence", -(2**63) + 1)),
        ({"duration": 1.5}, ("duration", 1_500_000_000)),
        ({"duration": timedelta(days=1, microseconds=1)}, ("duration", 86_400_000_001_000)),
        ({"duration": np.timedelta64(5, "us")}, ("duration", 5_000)),
        ({"timestamp": 2}, ("timestamp", 2_000_000_000)),
        ({"timestamp": datetime(1970, 1, 2)}, ("timestamp", 86_400_000_000_000)),
        ({"timestamp": datetime(1970, 1, 2, tzinfo=timezone(timedelta(hours=1)))}, ("timestamp", 82_800_000_000_000)),
        ({"timestamp": np.datetime64(7, "ns")}, ("timestamp", 7)),
    ],
)
def test_times_become_integers(given: dict[str, object], expected: tuple[str, int]) -> None:
    assert time_value(given.get("sequence"), given.get("duration"), given.get("timestamp")) == expected


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"sequence": 1, "duration": 1},
        {"sequence": "x"},
        {"timestamp": 2e18},
        {"duration": float("nan")},
        {"sequence": 2**63},
    ],
)
def test_a_time_that_makes_no_sense_is_an_error(given: dict[str, object]) -> None:
    with pytest.raises((ValueError, BadData)):
        time_value(given.get("sequence"), given.get("duration"), given.get("timestamp"))


def test_timelines_are_kept_by_name_and_can_be_left_again() -> None:
    time = ThreadTime()
    time.set("b", "sequence", 1)
    time.set("a", "duration", 2)
    time.set("b", "sequence", 3)
    assert time.now == ((("a", "duration"), ("b", "sequence")), [2, 3])
    time.disable("a")
    assert time.now == ((("b", "sequence"),), [3])
    time.reset()
    assert time.now == ((), [])


def test_every_thread_has_its_own_time_and_streams_of_one_recording_share_it() -> None:
    time = shared_thread_time("app", "rec")
    time.set("frame", "sequence", 1)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(time.now))
    thread.start()
    thread.join()
    assert seen == [((), [])]
    assert shared_thread_time("app", "rec").now[1] == [1]
    assert shared_thread_time("app", "other").now == ((), [])
