"""Several recordings in one program."""

from __future__ import annotations

import pytest

import rerund_sdk as rr
from rerund_sdk.errors import ModeError
from tests.homes import Home, messages_of


def test_sessions_go_their_own_ways(home: Home) -> None:
    home.daemon()
    with rr.Session("app", recording_id="one") as one, rr.Session("app", recording_id="two") as two:
        one.connect()
        two.save(home.folder / "two.rrd")
        for value in range(100):
            one.log("/a", rr.Scalars(value))
            two.log("/b", rr.Scalars(-value))
        assert one.flush(timeout_sec=30)
    assert home.rows("one") == {"/a": list(range(100))}
    assert len(list(messages_of(home.folder / "two.rrd"))) >= 3
    assert [recording["recording_id"] for recording in home.status()["recordings"]] == ["one"]


def test_a_session_is_the_current_recording_while_it_is_entered(home: Home) -> None:
    home.daemon()
    with rr.Session("app", recording_id="one") as session:
        session.connect()
        assert rr.get_data_recording() is session
        rr.log("/a", rr.Scalars(1))
    assert rr.get_data_recording() is not session
    assert home.rows("one") == {"/a": [1]}


def test_close_tells_whether_all_was_delivered(home: Home) -> None:
    lost = rr.Session("app", recording_id="one")
    lost.connect()
    lost.log("/a", rr.Scalars(1))
    assert not lost.close()
    assert len(home.spilled()) == 1

    home.daemon()
    delivered = rr.Session("app", recording_id="two")
    delivered.connect()
    delivered.log("/a", rr.Scalars(1))
    assert delivered.close()
    delivered.log("/a", rr.Scalars(2))
    assert delivered.close()
    assert home.rows("two") == {"/a": [1]}


def test_modes_of_a_session(home: Home) -> None:
    with rr.Session("app", recording_id="one") as session:
        url = session.serve(open_browser=False)
        assert url.endswith("/recordings/app/one")
        session.log("/served", rr.Scalars(1))
        session.spawn()
        session.log("/spawned", rr.Scalars(2))
        with pytest.raises(ModeError):
            session.connect("no address")
        session.log("/still", rr.Scalars(3))
        assert session.flush(timeout_sec=30)
    assert home.rows("one") == {"/served": [1], "/spawned": [2], "/still": [3]}
