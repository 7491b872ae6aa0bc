"""How single kinds of views look and behave."""

from __future__ import annotations

from typing import Any

from rerund_sdk.archetype import Archetype, field, forgiving
from rerund_sdk.blueprint.components import (
    AngularSpeed,
    BackgroundKind,
    BackgroundKindLike,
    Corner2D,
    Corner2DLike,
    Enabled,
    Eye3DKind,
    Eye3DKindLike,
    ForceDistance,
    ForceIterations,
    ForceStrength,
    GridSpacing,
    LockRangeDuringZoom,
    MapProvider,
    MapProviderLike,
    PointsDisplay,
    PointsDisplayLike,
    TensorDimensionIndexSlider,
    TextLogColumn,
    TimelineColumn,
    TooltipMode,
    TooltipModeLike,
    ViewFit,
    ViewFitLike,
    Volume,
    ZoomLevel,
)
from rerund_sdk.blueprint.components import (
    NearClipPlane as NearClipPlaneComponent,
)
from rerund_sdk.blueprint.components import (
    VisualBounds2D as VisualBounds2DComponent,
)
from rerund_sdk.blueprint.encodings import (
    TensorDimensionIndexSliderArrayLike,
    TextLogColumnArrayLike,
    TimelineColumnArrayLike,
)
from rerund_sdk.components import (
    Color,
    Colormap,
    ColormapLike,
    EntityPath,
    GammaCorrection,
    LinearSpeed,
    MagnificationFilter,
    MagnificationFilterLike,
    Plane3D,
    Position2D,
    Position3D,
    Range1D,
    StrokeWidth,
    TensorDimensionIndexSelection,
    TensorHeightDimension,
    TensorWidthDimension,
    TextLogLevel,
    TransformFrameId,
    Vector3D,
    ViewCoordinates,
    Visible,
)
from rerund_sdk.encodings import (
    BoolLike,
    EntityPathLike,
    Float32Like,
    Float64Like,
    Plane3DLike,
    Range1DLike,
    Rgba32Like,
    TensorDimensionIndexSelectionArrayLike,
    TensorDimensionSelectionLike,
    UInt64Like,
    Utf8ArrayLike,
    Utf8Like,
    Vec2DLike,
    Vec3DLike,
    ViewCoordinatesLike,
)
from rerund_sdk.errors import BadData


class AudioPlayback(Archetype):
    """How audio is played. volume: 0 to 1."""

    volume: Float32Like | None = field(Volume, default=None)


class Background(Archetype):
    """What is behind a 3D scene: a kind, or a colour; color_or_kind takes either. By default a dark gradient."""

    kind: BackgroundKindLike | None = field(BackgroundKind)
    color: Rgba32Like | None = field(Color, default=None)

    def __init__(
        self,
        color_or_kind: Rgba32Like | BackgroundKindLike | None = None,
        *,
        color: Rgba32Like | None = None,
        kind: BackgroundKindLike | None = None,
    ) -> None:
        with forgiving(self):
            if color_or_kind is not None:
                if color is not None or kind is not None:
                    raise BadData("color_or_kind stands for color or kind: give only one of the three")
                if isinstance(color_or_kind, BackgroundKind):
                    kind = color_or_kind
                else:
                    color = color_or_kind
            if kind is None:
                kind = BackgroundKind.GradientDark if color is None else BackgroundKind.SolidColor
            self._set(kind=kind, color=color)


class EyeControls3D(Archetype):
    """The camera of a 3D view.

    position, look_target: (3,), where it is and what it looks at. eye_up: (3,), which way is up. speed: scene units a
    second. tracking_entity: an entity that it follows. spin_speed: radians a second, around look_target.
    """

    kind: Eye3DKindLike | None = field(Eye3DKind, default=None)
    position: Vec3DLike | None = field(Position3D, default=None)
    look_target: Vec3DLike | None = field(Position3D, default=None)
    eye_up: Vec3DLike | None = field(Vector3D, default=None)
    speed: Float64Like | None = field(LinearSpeed, default=None)
    tracking_entity: EntityPathLike | None = field(EntityPath, default=None)
    spin_speed: Float64Like | None = field(AngularSpeed, default=None)


class ForceCenter(Archetype):
    """Pulls all nodes of a graph to its center of mass."""

    enabled: BoolLike | None = field(Enabled, default=None)
    strength: Float64Like | None = field(ForceStrength, default=None)


class ForceCollisionRadius(Archetype):
    """Keeps the nodes of a graph from overlapping."""

    enabled: BoolLike | None = field(Enabled, default=None)
    strength: Float64Like | None = field(ForceStrength, default=None)
    iterations: UInt64Like | None = field(ForceIterations, default=None)


class ForceLink(Archetype):
    """Keeps connected nodes of a graph at a distance."""

    enabled: BoolLike | None = field(Enabled, default=None)
    distance: Float64Like | None = field(ForceDistance, default=None)
    iterations: UInt64Like | None = field(ForceIterations, default=None)


class ForceManyBody(Archetype):
    """Makes all nodes of a graph attract each other, or repel with negative strength."""

    enabled: BoolLike | None = field(Enabled, default=None)
    strength: Float64Like | None = field(ForceStrength, default=None)


class ForcePosition(Archetype):
    """Pulls the nodes of a graph to a place, (2,)."""

    enabled: BoolLike | None = field(Enabled, default=None)
    strength: Float64Like | None = field(ForceStrength, default=None)
    position: Vec2DLike | None = field(Position2D, default=None)


class GraphBackground(Archetype):
    """What is behind a graph."""

    color: Rgba32Like | None = field(Color, default=None)


class LineGrid3D(Archetype):
    """The grid of a 3D view. spacing: scene units. plane: where it lies. stroke_width: UI points."""

    visible: BoolLike | None = field(Visible, default=None, kw_only=False)
    spacing: Float32Like | None = field(GridSpacing, default=None)
    plane: Plane3DLike | None = field(Plane3D, default=None)
    stroke_width: Float32Like | None = field(StrokeWidth, default=None)
    color: Rgba32Like | None = field(Color, default=None)


class MapBackground(Archetype):
    """Where the map behind a map view comes from."""

    provider: MapProviderLike = field(MapProvider, kw_only=False)


class MapZoom(Archetype):
    """How far a map is zoomed in: 0 is the whole world."""

    zoom: Float64Like = field(ZoomLevel, kw_only=False)


class NearClipPlane(Archetype):
    """How near to the camera things are cut off, in scene units."""

    near_clip_plane: Float32Like = field(NearClipPlaneComponent, kw_only=False)


class PlotBackground(Archetype):
    """What is behind a plot."""

    color: Rgba32Like | None = field(Color, default=None)
    show_grid: BoolLike | None = field(Enabled, default=None)


class PlotInteraction(Archetype):
    """What a plot shows under the mouse."""

    tooltip_mode: TooltipModeLike | None = field(TooltipMode, default=None)
    points_display: PointsDisplayLike | None = field(PointsDisplay, default=None)


class PlotLegend(Archetype):
    """The legend of a plot."""

    corner: Corner2DLike | None = field(Corner2D, default=None, kw_only=False)
    visible: BoolLike | None = field(Visible, default=None)


class ScalarAxis(Archetype):
    """The vertical axis of a plot. range: (2,), its ends. zoom_lock: it keeps them when one zooms."""

    range: Range1DLike | None = field(Range1D, default=None)
    zoom_lock: BoolLike | None = field(LockRangeDuringZoom, default=None)


class SpatialInformation(Archetype):
    """What a spatial view shows of its space. target_frame: the frame that everything is shown in."""

    target_frame: Utf8Like = field(TransformFrameId, kw_only=False)
    show_bounding_box: BoolLike | None = field(Enabled, default=None)
    show_axes: BoolLike | None = field(Enabled, default=None)
    axes: ViewCoordinatesLike | None = field(ViewCoordinates, default=None)


class TensorScalarMapping(Archetype):
    """How the values of a tensor become colours."""

    mag_filter: MagnificationFilterLike | None = field(MagnificationFilter, default=None)
    colormap: ColormapLike | None = field(Colormap, default=None)
    gamma: Float32Like | None = field(GammaCorrection, default=None)


class TensorSliceSelection(Archetype):
    """Which slice of a tensor is shown.

    width, height: the dimensions shown rightwards and downwards. indices: the places in the others. slider: the
    dimensions with a slider.
    """

    width: TensorDimensionSelectionLike | None = field(TensorWidthDimension, default=None)
    height: TensorDimensionSelectionLike | None = field(TensorHeightDimension, default=None)
    indices: TensorDimensionIndexSelectionArrayLike | None = field(TensorDimensionIndexSelection, default=None)
    slider: TensorDimensionIndexSliderArrayLike | None = field(TensorDimensionIndexSlider, default=None)


class TensorViewFit(Archetype):
    """How a tensor fills its view."""

    scaling: ViewFitLike | None = field(ViewFit, default=None, kw_only=False)


class TextDocumentFormat(Archetype):
    """How a text is set."""

    monospace: BoolLike | None = field(Enabled, default=None)
    word_wrap: BoolLike | None = field(Enabled, default=None)


class TextLogColumns(Archetype):
    """The columns of a text log: timelines by name, and others by kind."""

    timeline_columns: TimelineColumnArrayLike | None = field(TimelineColumn, default=None)
    text_log_columns: TextLogColumnArrayLike | None = field(TextLogColumn, default=None)


class TextLogFormat(Archetype):
    """How the lines of a text log are set."""

    monospace_body: BoolLike | None = field(Enabled, default=None)


class TextLogRows(Archetype):
    """Which lines of a text log are shown: those of these levels."""

    filter_by_log_level: Utf8ArrayLike | None = field(TextLogLevel, default=None)


class VisualBounds2D(Archetype):
    """The part of the plane that a 2D view shows: (2,) each, both or none."""

    range: Any = field(VisualBounds2DComponent)

    def __init__(self, *, x_range: Range1DLike | None = None, y_range: Range1DLike | None = None) -> None:
        if (x_range is None) != (y_range is None):
            raise BadData("VisualBounds2D needs both x_range and y_range")
        with forgiving(self):
            if x_range is None or y_range is None:
                self._set()
            else:
                self._set(range=VisualBounds2DComponent(x_range=x_range, y_range=y_range))
