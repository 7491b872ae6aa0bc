"""The kinds of views, each with its properties. Mirrors `rerun.blueprint.views`.

Every view also takes what `View` takes: origin, contents, name, visible, titlebar, defaults, overrides. A property is
given as its archetype, or as what that archetype's constructor takes first: `background=[0, 0, 0]`.
"""

from __future__ import annotations

from typing import Any

from rerund_sdk.blueprint.archetypes import (
    AudioPlayback,
    Background,
    DataframeQuery,
    EyeControls3D,
    ForceCenter,
    ForceCollisionRadius,
    ForceLink,
    ForceManyBody,
    ForcePosition,
    GraphBackground,
    LineGrid3D,
    MapBackground,
    MapZoom,
    PlotBackground,
    PlotInteraction,
    PlotLegend,
    ScalarAxis,
    SpatialInformation,
    TensorScalarMapping,
    TensorSliceSelection,
    TensorViewFit,
    TextDocumentFormat,
    TextLogColumns,
    TextLogFormat,
    TextLogRows,
    TimeAxis,
    VisibleTimeRanges,
    VisualBounds2D,
)
from rerund_sdk.blueprint.parts import DeclaredView, view_property


class AudioView(DeclaredView, identifier="Audio"):
    """A sound: its waveform, and controls to play it."""

    playback: AudioPlayback | Any = view_property(AudioPlayback)


class BarChartView(DeclaredView, identifier="BarChart"):
    """A `BarChart`."""

    plot_legend: PlotLegend | Any = view_property(PlotLegend)
    background: PlotBackground | Any = view_property(PlotBackground)


class DataframeView(DeclaredView, identifier="Dataframe"):
    """Rows and columns of the data as logged."""

    query: DataframeQuery | Any = view_property(DataframeQuery)


class GraphView(DeclaredView, identifier="Graph"):
    """Nodes and edges, placed where they say or by forces."""

    background: GraphBackground | Any = view_property(GraphBackground)
    visual_bounds: VisualBounds2D | Any = view_property(VisualBounds2D)
    force_link: ForceLink | Any = view_property(ForceLink)
    force_many_body: ForceManyBody | Any = view_property(ForceManyBody)
    force_position: ForcePosition | Any = view_property(ForcePosition)
    force_collision_radius: ForceCollisionRadius | Any = view_property(ForceCollisionRadius)
    force_center: ForceCenter | Any = view_property(ForceCenter)


class MapView(DeclaredView, identifier="Map"):
    """Points and lines given in degrees of latitude and longitude, on a map."""

    zoom: MapZoom | Any = view_property(MapZoom)
    background: MapBackground | Any = view_property(MapBackground)


class Spatial2DView(DeclaredView, identifier="2D"):
    """Images, and everything in two dimensions."""

    background: Background | Any = view_property(Background)
    visual_bounds: VisualBounds2D | Any = view_property(VisualBounds2D)
    spatial_information: SpatialInformation | Any = view_property(SpatialInformation)
    time_ranges: VisibleTimeRanges | Any = view_property(VisibleTimeRanges)


class Spatial3DView(DeclaredView, identifier="3D"):
    """Everything in three dimensions."""

    background: Background | Any = view_property(Background)
    line_grid: LineGrid3D | Any = view_property(LineGrid3D)
    spatial_information: SpatialInformation | Any = view_property(SpatialInformation)
    eye_controls: EyeControls3D | Any = view_property(EyeControls3D)
    time_ranges: VisibleTimeRanges | Any = view_property(VisibleTimeRanges)


class StateTimelineView(DeclaredView, identifier="StateTimeline"):
    """States over time, as bars."""

    time_view: TimeAxis | Any = view_property(TimeAxis)
    time_ranges: VisibleTimeRanges | Any = view_property(VisibleTimeRanges)


class TensorView(DeclaredView, identifier="Tensor"):
    """Two-dimensional slices of a `Tensor`."""

    slice_selection: TensorSliceSelection | Any = view_property(TensorSliceSelection)
    scalar_mapping: TensorScalarMapping | Any = view_property(TensorScalarMapping)
    view_fit: TensorViewFit | Any = view_property(TensorViewFit)


class TextDocumentView(DeclaredView, identifier="TextDocument"):
    """A `TextDocument`, Markdown or plain."""

    format_options: TextDocumentFormat | Any = view_property(TextDocumentFormat)


class TextLogView(DeclaredView, identifier="TextLog"):
    """The lines of `TextLog`s."""

    columns: TextLogColumns | Any = view_property(TextLogColumns)
    rows: TextLogRows | Any = view_property(TextLogRows)
    format_options: TextLogFormat | Any = view_property(TextLogFormat)


class TimeSeriesView(DeclaredView, identifier="TimeSeries"):
    """`Scalars` over time."""

    axis_x: TimeAxis | Any = view_property(TimeAxis)
    axis_y: ScalarAxis | Any = view_property(ScalarAxis)
    plot_legend: PlotLegend | Any = view_property(PlotLegend)
    background: PlotBackground | Any = view_property(PlotBackground)
    interaction: PlotInteraction | Any = view_property(PlotInteraction)
    time_ranges: VisibleTimeRanges | Any = view_property(VisibleTimeRanges)
