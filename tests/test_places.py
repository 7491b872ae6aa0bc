from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerund_sdk import places
from rerund_sdk.errors import PlaceError


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RERUND_HOME", "RERUND_INSTANCE", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_state_lies_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert places.home() == tmp_path / ".local" / "state" / "rerund"
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert places.home() == Path("/var/state/rerund")
    monkeypatch.setenv("RERUND_HOME", "/data/robot")
    assert places.home() == Path("/data/robot")


def test_instances_share_neither_state_nor_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.setenv("RERUND_INSTANCE", "b")
    assert places.runtime_dir() == Path("/run/user/7/rerund-b")
    assert places.runtime_dir("") == Path("/run/user/7/rerund")
    assert places.home() != places.home("")


def test_without_a_runtime_directory_sockets_go_to_one_of_this_user() -> None:
    assert places.runtime_dir() == Path(f"/tmp/rerund-{os.getuid()}")


@pytest.mark.parametrize("name", ["a/b", "a b", "x" * 65, "é"])
def test_an_instance_name_that_could_leave_its_directory_is_refused(name: str) -> None:
    with pytest.raises(PlaceError, match="instance name"):
        places.runtime_dir(name)


def test_a_path_too_long_for_a_socket_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/" + "x" * 84)
    assert places.ingest_endpoint().startswith("ipc:///xxx")
    with pytest.raises(PlaceError, match="108 bytes, over the 107"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", "/" + "x" * 88)
        places.ingest_endpoint()


def test_a_private_directory_is_made_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    places.ensure_private_dir(path)
    path.chmod(0o755)
    places.ensure_private_dir(path)
    assert path.stat().st_mode & 0o777 == 0o700


def test_somebody_elses_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(PlaceError, match="belongs to uid"):
        places.ensure_private_dir(tmp_path)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_link_or_file_is_no_private_directory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "runtime"
    if kind == "link":
        path.symlink_to(tmp_path)
    else:
        path.touch()
    with pytest.raises(PlaceError):
        places.ensure_private_dir(path)


def _daemon_info(pid: int, started: float) -> places.DaemonInfo:
    return places.DaemonInfo(pid, started, 1.0, "0.1", 1, "", "/h", "ipc:///i", "ipc:///c", ("tcp://x:1",), "", "")


def test_the_running_daemon_is_found_and_a_dead_one_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert places.read_daemon() is None
    places.ensure_private_dir(places.runtime_dir())
    started = places.process_start_time(os.getpid())
    assert started is not None
    mine = _daemon_info(os.getpid(), started)
    places.daemon_file().write_text(mine.to_json())
    assert places.read_daemon() == mine
    reused = _daemon_info(os.getpid(), started - 100)  # another program has the pid now
    places.daemon_file().write_text(reused.to_json())
    assert places.read_daemon() is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "x"}', "\0"])
def test_a_damaged_daemon_file_is_none(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    places.ensure_private_dir(places.runtime_dir())
    places.daemon_file().write_text(text)
    assert places.read_daemon() is None


def test_a_later_versions_daemon_file_is_understood() -> None:
    fields = {**json.loads(_daemon_info(1, 2.0).to_json()), "mood": "good"}
    assert places.parse_daemon_info(json.dumps(fields)) == _daemon_info(1, 2.0)


@given(st.text(max_size=400), st.text(max_size=400))
def test_no_name_leaves_its_directory_and_no_two_names_meet(one: str, other: str) -> None:
    name = places.dir_name(one)
    assert name not in ("", ".", "..")
    assert "/" not in name and "\0" not in name
    assert len(name.encode()) <= 255
    assert (name == places.dir_name(other)) == (one == other)
    back = places.text_of_dir_name(name)
    assert back == one or (back is None and "%~" in name)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "../../etc", "/etc/passwd", "a\0b", "%-", "%~", "%2E", "run 1", "x" * 300]
)
def test_awkward_names_are_kept_apart(text: str) -> None:
    assert len(places.recording_dir("app", text).parts) == 3
    assert places.text_of_dir_name(places.dir_name(text)) in (text, None)
