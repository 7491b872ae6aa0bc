"""The strict comparison sees what `rerun rrd compare` does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import rerund_sdk as rr
import rerund_sdk.blueprint as rrb
from tests.strict_compare import differences

Log = Callable[[rr.RecordingStream], Any]


def base(recording: rr.RecordingStream) -> None:
    recording.set_time("frame", sequence=1)
    recording.log("a", rr.Scalars(1.0), rr.TextLog("x"))
    recording.log("b", rr.Scalars(float("nan")))
    recording.log("s", rr.TextLog("static"), static=True)
    recording.send_blueprint(rrb.Horizontal(rrb.TextLogView(name="1"), rrb.TextLogView(name="2")))


def file(path: Path, log: Log) -> Path:
    recording = rr.RecordingStream("app")
    recording.save(path)
    log(recording)
    recording.disconnect()
    return path


def test_two_runs_of_one_program_are_the_same(tmp_path: Path) -> None:
    assert differences(file(tmp_path / "one.rrd", base), file(tmp_path / "two.rrd", base)) == []


def value(recording: rr.RecordingStream) -> None:
    recording.set_time("frame", sequence=1)
    recording.log("a", rr.Scalars(1.0), rr.TextLog("y"))


def grouping(recording: rr.RecordingStream) -> None:
    recording.set_time("frame", sequence=1)
    recording.log("a", rr.Scalars(1.0))
    recording.log("a", rr.TextLog("x"))


def one_row(recording: rr.RecordingStream) -> None:
    recording.set_time("frame", sequence=1)
    recording.log("a", rr.Scalars(1.0), rr.TextLog("x"))


def time(recording: rr.RecordingStream) -> None:
    recording.set_time("frame", sequence=2)
    recording.log("a", rr.Scalars(1.0), rr.TextLog("x"))


def time_type(recording: rr.RecordingStream) -> None:
    recording.set_time("frame", duration=1e-9)
    recording.log("a", rr.Scalars(1.0), rr.TextLog("x"))


def static(recording: rr.RecordingStream) -> None:
    recording.log("a", rr.Scalars(1.0), rr.TextLog("x"), static=True)


def any_values(**values: Any) -> Log:
    return lambda recording: recording.log("a", [rr.AnyBatchValue(name, value) for name, value in values.items()])


def order(*entities: str) -> Log:
    return lambda recording: [recording.log(entity, rr.Scalars(1.0)) for entity in entities]


def blueprint(layout: Any, **flags: bool) -> Log:
    return lambda recording: recording.send_blueprint(layout, **flags)


PAIRS: dict[str, tuple[Log, Log, str]] = {
    "a value": (one_row, value, "TextLog:text: .*'x'.*|.*'y'"),
    "which components were logged together": (one_row, grouping, r"rows: 1 \| 2"),
    "a time": (one_row, time, "times"),
    "the type of a timeline": (one_row, time_type, "times"),
    "what is static": (one_row, static, r"times .* \| None"),
    "a type": (any_values(t=pa.array([1])), any_values(t=pa.array([1.0])), "components: only here"),
    "a zero's sign": (any_values(z=[0.0]), any_values(z=[-0.0]), r"0\.0.*-0\.0"),
    "a component's name": (any_values(x=[1]), any_values(y=[1]), "components: only here"),
    "an entity": (order("a"), order("b"), r"entities: only here \['/a'\]"),
    "the order of rows": (order("a", "b"), order("b", "a"), "order of rows"),
    "a layout": (blueprint(rrb.TextLogView(name="a")), blueprint(rrb.TextLogView(name="b")), "display_name"),
    "which of two views is shown": (
        blueprint(rrb.Tabs(rrb.TextLogView(name="a"), rrb.TextLogView(name="b"), active_tab=0)),
        blueprint(rrb.Tabs(rrb.TextLogView(name="a"), rrb.TextLogView(name="b"), active_tab=1)),
        "active_tab",
    ),
    "how a layout is used": (
        blueprint(rrb.TextLogView()),
        blueprint(rrb.TextLogView(), make_active=False),
        r"activation \(active, default\)",
    ),
}


@pytest.mark.parametrize(("one", "other", "expected"), PAIRS.values(), ids=PAIRS.keys())
def test_a_difference_is_found(one: Log, other: Log, expected: str, tmp_path: Path) -> None:
    found = differences(file(tmp_path / "one.rrd", one), file(tmp_path / "other.rrd", other))
    assert re.search(expected, "\n".join(found))
