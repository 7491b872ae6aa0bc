"""A recording has one name everywhere."""

from __future__ import annotations

import multiprocessing
import warnings
from pathlib import Path

import pytest
import rerun
from rerun.chunk import RrdReader

import rerund_sdk as rr
from rerund_sdk import names


@pytest.mark.parametrize("text", ["robot", "a.b", "a/b", "größe", "x" * 181, "  [ok]:", "ä" * 100])
def test_application_ids_are_mapped_as_rerun_does(text: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapped = names.application_id(text)
        with rerun.RecordingStream(text) as recording:
            recording.save(tmp_path / "official.rrd")
    assert [entry.application_id for entry in RrdReader(tmp_path / "official.rrd").recordings()] == [mapped]


def test_an_empty_application_id_is_refused() -> None:
    with pytest.raises(ValueError, match="application_id is empty"):
        names.application_id("")


def _send_default_id(connection: multiprocessing.connection.Connection) -> None:
    connection.send(names.default_recording_id("app"))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_multiprocessing_children_share_the_default_recording_id(method: str) -> None:
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    child = context.Process(target=_send_default_id, args=(there,))
    child.start()
    assert here.recv() == names.default_recording_id("app") != names.default_recording_id("other app")
    child.join()


def test_the_environment_overrules_the_default_recording_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERUND_RECORDING_ID", "run-42")
    assert names.default_recording_id("app") == "run-42"


def test_a_recording_id_that_no_daemon_takes_is_refused_at_once() -> None:
    assert names.recording_id("x" * 4096) == "x" * 4096
    with pytest.raises(ValueError, match=r"recording_id 'x+'\.\.\. has 4097 characters: the limit is 4096"):
        rr.RecordingStream("app", recording_id="x" * 4097)
