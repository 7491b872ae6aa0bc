"""Blueprints, against those that the official SDK writes for the same calls."""

# ruff: noqa: ARG005 - every builder takes both modules

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import rerun
import rerun.blueprint

import rerund_sdk as rr
import rerund_sdk.blueprint as rrb
from rerund_sdk import places
from rerund_sdk.loading import load_all
from tests.homes import wait_until
from tests.official import RERUN
from tests.strict_compare import differences

Build = Callable[[Any, Any], Any]  # of a module `rerun.blueprint` and a module `rerun`: ours or theirs

VIEWS = [
    "AudioView",
    "BarChartView",
    "DataframeView",
    "GraphView",
    "MapView",
    "Spatial2DView",
    "Spatial3DView",
    "StateTimelineView",
    "TensorView",
    "TextDocumentView",
    "TextLogView",
    "TimeSeriesView",
]


def range_of(b: Any, timeline: str = "frame") -> Any:
    return b.VisibleTimeRange(
        timeline,
        start=b.TimeRangeBoundary.cursor_relative(seq=-10),
        end=b.TimeRangeBoundary.infinite(),
    )


PROPERTIES: dict[str, Build] = {
    "AudioView.playback": lambda b, r: b.AudioView(playback=b.AudioPlayback(volume=0.5)),
    "BarChartView.plot_legend": lambda b, r: b.BarChartView(plot_legend=b.Corner2D.LeftTop),
    "BarChartView.background": lambda b, r: b.BarChartView(
        background=b.archetypes.PlotBackground(color=[1, 2, 3], show_grid=False)
    ),
    "DataframeView.query": lambda b, r: b.DataframeView(
        query=b.archetypes.DataframeQuery(
            timeline="frame",
            filter_by_range=(1, 5),
            filter_is_not_null="/a:color",
            apply_latest_at=True,
            select=["t", "/a:color"],
        )
    ),
    "GraphView.forces": lambda b, r: b.GraphView(
        background=b.archetypes.GraphBackground(color=0xFF00FFFF),
        visual_bounds=b.VisualBounds2D(x_range=[-1, 1], y_range=[-2, 2]),
        force_link=b.archetypes.ForceLink(enabled=True, distance=60, iterations=3),
        force_many_body=b.archetypes.ForceManyBody(strength=-60),
        force_position=b.archetypes.ForcePosition(strength=0.1, position=(1, 2)),
        force_collision_radius=b.archetypes.ForceCollisionRadius(enabled=True),
        force_center=b.archetypes.ForceCenter(strength=1),
    ),
    "MapView": lambda b, r: b.MapView(zoom=16.0, background=b.MapProvider.OpenStreetMap),
    "MapView.background by name": lambda b, r: b.MapView(zoom=b.archetypes.MapZoom(3), background="mapboxdark"),
    "Spatial2DView": lambda b, r: b.Spatial2DView(
        background=[255, 0, 0],
        visual_bounds=b.VisualBounds2D(x_range=[0, 1], y_range=[0, 1]),
        spatial_information=b.SpatialInformation(target_frame="tf#/", show_axes=True),
        time_ranges=[range_of(b), range_of(b, "time")],
    ),
    "Spatial2DView.time_ranges of one": lambda b, r: b.Spatial2DView(time_ranges=range_of(b)),
    "Spatial3DView": lambda b, r: b.Spatial3DView(
        background=b.Background(kind=b.BackgroundKind.GradientBright),
        line_grid=b.LineGrid3D(True, spacing=0.5, color=[1, 2, 3, 4], stroke_width=2.0),
        eye_controls=b.EyeControls3D(
            kind=b.Eye3DKind.FirstPerson,
            position=(1, 2, 3),
            look_target=(0, 0, 0),
            eye_up=(0, 0, 1),
            speed=2,
            tracking_entity="/world/robot",
            spin_speed=0.1,
        ),
    ),
    "Spatial3DView.line_grid as bool": lambda b, r: b.Spatial3DView(line_grid=False),
    "StateTimelineView": lambda b, r: b.StateTimelineView(
        time_view=b.TimeAxis(
            view_range=r.TimeRange(start=r.TimeRangeBoundary.absolute(seq=1), end=r.TimeRangeBoundary.infinite())
        ),
    ),
    "TensorView": lambda b, r: b.TensorView(
        slice_selection=b.TensorSliceSelection(
            width=1,
            height=r.TensorDimensionSelection(dimension=2, invert=True),
            indices=[r.TensorDimensionIndexSelection(dimension=0, index=4)],
            slider=[0],
        ),
        scalar_mapping=b.TensorScalarMapping(colormap="turbo", gamma=1.5, mag_filter="linear"),
        view_fit="FillKeepAspectRatio",
    ),
    "TextDocumentView": lambda b, r: b.TextDocumentView(
        format_options=b.archetypes.TextDocumentFormat(word_wrap=True, monospace=True)
    ),
    "TextLogView": lambda b, r: b.TextLogView(
        columns=b.TextLogColumns(
            timeline_columns=["frame"],
            text_log_columns=["LogLevel", b.components.TextLogColumn(kind="entitypath", visible=False)],
        ),
        rows=b.TextLogRows(filter_by_log_level=["INFO", "WARN"]),
        format_options=b.TextLogFormat(monospace_body=True),
    ),
    "TimeSeriesView": lambda b, r: b.TimeSeriesView(
        axis_x=b.TimeAxis(link="independent", zoom_lock=True),
        axis_y=b.ScalarAxis(range=(-1, 1), zoom_lock=True),
        plot_legend=b.PlotLegend(visible=False),
        background=b.archetypes.PlotBackground(color=[0, 0, 0]),
        interaction=b.PlotInteraction(tooltip_mode="all"),
        time_ranges=b.VisibleTimeRanges([range_of(b)]),
    ),
}

LAYOUTS: dict[str, Build] = {
    "nothing": lambda b, r: b.Blueprint(),
    "one view": lambda b, r: b.Spatial3DView(),
    "several views": lambda b, r: b.Blueprint(b.Spatial3DView(name="3D"), b.TextLogView(name="log")),
    "auto": lambda b, r: b.Blueprint(b.TextLogView(), auto_layout=True, auto_views=False),
    "collapsed": lambda b, r: b.Blueprint(b.TextLogView(), collapse_panels=True),
    "horizontal": lambda b, r: b.Horizontal(b.TextLogView(), b.Spatial2DView(), column_shares=[1, 2], name="row"),
    "vertical": lambda b, r: b.Vertical(contents=[b.TextLogView(name="a"), b.TextLogView(name="b")], row_shares=[3, 1]),
    "grid": lambda b, r: b.Grid(
        *[b.TextLogView(name=str(i)) for i in range(4)],
        grid_columns=2,
        column_shares=[1, 1],
        row_shares=[1, 2],
        name="grid",
        visible=False,
    ),
    "tabs by number": lambda b, r: b.Tabs(b.TextLogView(name="a"), b.TextLogView(name="b"), active_tab=1),
    "tabs by name": lambda b, r: b.Tabs(b.TextLogView(name="a"), b.TextLogView(name="b"), active_tab="a", visible=True),
    "nested": lambda b, r: b.Horizontal(
        b.Vertical(b.TextLogView(), b.Tabs(b.MapView(), b.GraphView())), b.TensorView()
    ),
    "panels": lambda b, r: b.Blueprint(
        b.TopPanel(state="hidden"),
        b.BlueprintPanel(expanded=False),
        b.SelectionPanel(state=b.PanelState.Expanded),
        b.TimePanel(expanded=True),
    ),
    "time panel": lambda b, r: b.Blueprint(
        b.TimePanel(
            timeline="frame",
            playback_speed=2.0,
            fps=30.0,
            play_state="playing",
            loop_mode="selection",
            time_selection=b.components.AbsoluteTimeRange(10, 20),
            state="collapsed",
        )
    ),
    "contents": lambda b, r: b.Horizontal(
        b.Spatial3DView(origin="/world", contents=["$origin/**", "- $origin/hidden"], visible=False, titlebar=True),
        b.Spatial2DView(origin="world/image", contents="+ /**\n- /a"),
        b.TextLogView(contents=b.archetypes.ViewContents(query="/log/**")),
    ),
    "defaults": lambda b, r: b.Spatial3DView(
        defaults=[r.Points3D.from_fields(colors=[1, 2, 3], radii=0.1), r.Pinhole.from_fields(image_plane_distance=2.0)]
    ),
    "overrides": lambda b, r: b.TimeSeriesView(
        overrides={
            "/curve": r.SeriesLines(colors=[255, 0, 0], names="red"),
            "other/curve": [r.SeriesPoints(markers="cross"), b.EntityBehavior(visible=False)],
            "/third": b.VisibleTimeRanges([range_of(b)]),
            "/fourth": b.Visualizer("SeriesLines", overrides=r.SeriesLines(widths=3.0).as_component_batches()),
        }
    ),
    "mappings": lambda b, r: b.TimeSeriesView(
        overrides={
            "/curve": r.SeriesLines().visualizer(
                mappings=[
                    b.encodings.VisualizerComponentMapping(
                        target="Scalars:scalars",
                        source_kind=b.encodings.ComponentSourceKind.SourceComponent,
                        source_component="custom:x",
                        selector=".x",
                    )
                ]
            )
        }
    ),
}


def saved(build: Build, ours: bool, folder: Path) -> Path:
    path = folder / ("ours.rbl" if ours else "theirs.rbl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if not ours else "error")
        blueprint = build(rrb, rr) if ours else build(rerun.blueprint, rerun)
        blueprint.to_blueprint().save("app", path)
    return path


def assert_same(build: Build, folder: Path) -> None:
    ours, theirs = saved(build, True, folder), saved(build, False, folder)
    assert differences(theirs, ours) == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_plain_view_is_as_the_official_one(view: str, tmp_path: Path) -> None:
    assert_same(lambda b, _: getattr(b, view)(origin="/here", name="a view"), tmp_path)


@pytest.mark.parametrize("build", PROPERTIES.values(), ids=PROPERTIES.keys())
def test_properties_of_a_view_are_as_the_official_ones(build: Build, tmp_path: Path) -> None:
    assert_same(build, tmp_path)


@pytest.mark.parametrize("build", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_a_layout_is_as_the_official_one(build: Build, tmp_path: Path) -> None:
    assert_same(build, tmp_path)


TABLES: dict[str, Build] = {
    "empty": lambda b, r: b.TableBlueprint(),
    "columns": lambda b, r: b.TableBlueprint(
        table_layout=b.table.TableLayout(
            columns=[
                b.table.Column("a b", name="A", editable=True, visible=False),
                b.table.Column("color", column_type=r.components.Color),
                b.table.Column("typed", column_type="rerun.components.Text"),
                b.table.Column("described", column_type=r.ComponentDescriptor("x", component_type="t")),
            ]
        ),
        sort_by="a b",
        filters=["x IS NULL", b.table.col("age") >= 18],
    ),
    "cards": lambda b, r: b.TableBlueprint(
        card_layout=b.table.CardLayout(
            title="t",
            link="l",
            fields=[b.table.Column("view", column_type=b.table.PreviewCell(b.Spatial3DView(origin="/w")))],
        ),
        default_layout="cards",
        previews_config=b.table.PreviewsConfig(timeline="frame", playback_speed=2.0),
        sort_by=b.table.SortBy("t", direction="descending"),
    ),
}


@pytest.mark.parametrize("build", TABLES.values(), ids=TABLES.keys())
def test_a_table_is_as_the_official_one(build: Build, tmp_path: Path) -> None:
    build(rrb, rr).save("app", tmp_path / "ours.rbl")
    build(rerun.blueprint, rerun).save("app", tmp_path / "theirs.rbl")
    assert differences(tmp_path / "theirs.rbl", tmp_path / "ours.rbl") == []


NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
FILTERS: dict[str, Callable[[Any], Any]] = {
    "numbers": lambda c: [c == 1, c != 1.5, c < 2, c <= 2, c > 2, c >= -2, c.eq(float("nan")), c.lt(float("inf"))],
    "bools and nulls": lambda c: [
        c.is_true(),
        c.is_false(),
        c.is_not_true(),
        c.is_not_false(),
        c.is_null(),
        c.is_not_null(),
    ],
    "times": lambda c: [c.before(NOW), c.after(NOW.replace(tzinfo=None)), c.between(NOW, NOW), c.not_between(NOW, NOW)],
    "periods": lambda c: [
        getattr(c, prefix + name)()
        for name in ("today", "yesterday", "last_24_hours", "this_week", "last_week")
        for prefix in ("", "not_")
    ],
    "texts": lambda c: [
        c.str.contains("it's 100%"),
        c.str.does_not_contain("b"),
        c.str.starts_with("c_"),
        c.str.ends_with("\\d"),
    ],
}


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS.keys())
@pytest.mark.parametrize("of_lists", [False, True])
def test_filters_are_the_same_sql_as_the_official_ones(filters: Callable[[Any], Any], of_lists: bool) -> None:
    for name in ("plain", 'quo"ted'):
        ours, theirs = rrb.table.col(name), rerun.blueprint.table.col(name)
        found = filters(ours.list if of_lists else ours)
        assert [str(filter_) for filter_ in found] == [
            str(filter_) for filter_ in filters(theirs.list if of_lists else theirs)
        ]


def test_a_blueprint_goes_with_the_recording_and_says_how_it_is_used(tmp_path: Path) -> None:
    for module, blueprint, name in ((rr, rrb, "ours"), (rerun, rerun.blueprint, "theirs")):
        recording = module.RecordingStream("app", recording_id="r")
        recording.save(tmp_path / f"{name}.rrd", default_blueprint=blueprint.TextLogView(name="default"))
        recording.log("a", module.TextLog("hi"))
        recording.send_blueprint(blueprint.TextLogView(name="active"), make_active=True, make_default=False)
        recording.disconnect()
    stores = load_all(tmp_path / "ours.rrd")
    assert [store.activation for store in stores if store.is_blueprint] == [(False, True), (True, False)]
    expected = {store.activation for store in load_all(tmp_path / "theirs.rrd")}
    assert {store.activation for store in stores} == expected


def test_the_official_tools_accept_a_saved_blueprint(tmp_path: Path) -> None:
    path = saved(LAYOUTS["nested"], True, tmp_path)
    subprocess.run([RERUN, "rrd", "verify", path], check=True, capture_output=True)
    subprocess.run([RERUN, "rrd", "optimize", path, "-o", tmp_path / "out.rbl"], check=True, capture_output=True)


@pytest.mark.usefixtures("daemon")
def test_a_blueprint_reaches_the_recordings_of_its_application() -> None:
    recording = rr.RecordingStream("app", recording_id="live")
    recording.connect()
    recording.log("a", rr.TextLog("hi"))
    assert recording.flush(timeout_sec=30)
    daemon = places.read_daemon()
    assert daemon is not None
    rrb.Blueprint(rrb.TextLogView(name="log")).connect_grpc("app", url=daemon.grpc)
    wait_until(lambda: any(store.is_blueprint for store in load_all("app/live")))
    recording.disconnect()


def test_wrong_parts_are_named() -> None:
    with pytest.raises(ValueError, match="not of str"):
        rrb.Blueprint("view")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="only one TimePanel"):
        rrb.Blueprint(rrb.TimePanel(), rrb.TimePanel())
    with pytest.raises(ValueError, match="active_tab='c'"):
        rrb.Tabs(rrb.TextLogView(name="a"), active_tab="c").to_blueprint().save("app", "/nowhere.rbl")
    with pytest.raises(ValueError, match="positional arguments or as contents="):
        rrb.Horizontal(rrb.TextLogView(), contents=[])
    with pytest.raises(TypeError, match="colour"):
        rrb.Spatial3DView(colour=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(rrb.table.col("a") > 1)
