"""How views look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from rerund_sdk import encodings
from rerund_sdk.blueprint import encodings as blueprint_encodings
from rerund_sdk.encoding import Choice, Component, batch_of


class AngularSpeed(encodings.Float64, Component):
    """A speed of rotation, in radians a second."""


class Enabled(encodings.Bool, Component):
    """Whether it is on."""


class Eye3DKind(Choice):
    """How the camera of a 3D view moves."""

    FirstPerson = 1
    Orbital = 2


class ForceDistance(encodings.Float64, Component):
    """How far apart the force keeps nodes, in scene units."""


class ForceIterations(encodings.UInt64, Component):
    """How often the force is applied in each step: more is stiffer."""


class ForceStrength(encodings.Float64, Component):
    """How strong the force is."""


class GridSpacing(encodings.Float32, Component):
    """The distance between the lines of a grid, in scene units."""


class LinkAxis(Choice):
    """Whether the time axis of a view moves with those of others."""

    Independent = 1
    LinkToGlobal = 2


class LockRangeDuringZoom(encodings.Bool, Component):
    """Whether an axis keeps its range when one zooms."""


class MapProvider(Choice):
    """Where the map behind a map view comes from."""

    OpenStreetMap = 1
    MapboxStreets = 2
    MapboxDark = 3
    MapboxSatellite = 4
    MapboxLight = 5


class NearClipPlane(encodings.Float32, Component):
    """How near to the camera things are cut off, in scene units."""


class PointsDisplay(Choice):
    """When the points of a line are marked."""

    OnHover = 1
    Always = 2


class TensorDimensionIndexSlider(blueprint_encodings.TensorDimensionIndexSlider, Component):
    """A slider for the place along a dimension of a tensor."""


class TooltipMode(Choice):
    """What a tooltip of a plot shows."""

    Nearest = 1
    All = 2


class ViewFit(Choice):
    """How an image fills its view."""

    Original = 1
    Fill = 2
    FillKeepAspectRatio = 3


class VisualBounds2D(encodings.Range2D, Component):
    """The part of the plane that is shown."""

    def __init__(self, *, x_range: encodings.Range1DLike, y_range: encodings.Range1DLike) -> None:
        super().__init__(x_range, y_range)


class Volume(encodings.Float32, Component):
    """How loud audio is: 0 to 1."""


class ZoomLevel(encodings.Float64, Component):
    """How far a map is zoomed in."""


AngularSpeedBatch = batch_of(AngularSpeed)
EnabledBatch = batch_of(Enabled)
Eye3DKindBatch = batch_of(Eye3DKind)
ForceDistanceBatch = batch_of(ForceDistance)
ForceIterationsBatch = batch_of(ForceIterations)
ForceStrengthBatch = batch_of(ForceStrength)
GridSpacingBatch = batch_of(GridSpacing)
LinkAxisBatch = batch_of(LinkAxis)
LockRangeDuringZoomBatch = batch_of(LockRangeDuringZoom)
MapProviderBatch = batch_of(MapProvider)
NearClipPlaneBatch = batch_of(NearClipPlane)
PointsDisplayBatch = batch_of(PointsDisplay)
TensorDimensionIndexSliderBatch = batch_of(TensorDimensionIndexSlider)
TooltipModeBatch = batch_of(TooltipMode)
ViewFitBatch = batch_of(ViewFit)
VisualBounds2DBatch = batch_of(VisualBounds2D)
VolumeBatch = batch_of(Volume)
ZoomLevelBatch = batch_of(ZoomLevel)

Eye3DKindLike: TypeAlias = Eye3DKind | str | int
Eye3DKindArrayLike: TypeAlias = Eye3DKindLike | Sequence[Eye3DKindLike]
LinkAxisLike: TypeAlias = LinkAxis | str | int
LinkAxisArrayLike: TypeAlias = LinkAxisLike | Sequence[LinkAxisLike]
MapProviderLike: TypeAlias = MapProvider | str | int
MapProviderArrayLike: TypeAlias = MapProviderLike | Sequence[MapProviderLike]
PointsDisplayLike: TypeAlias = PointsDisplay | str | int
PointsDisplayArrayLike: TypeAlias = PointsDisplayLike | Sequence[PointsDisplayLike]
TooltipModeLike: TypeAlias = TooltipMode | str | int
TooltipModeArrayLike: TypeAlias = TooltipModeLike | Sequence[TooltipModeLike]
ViewFitLike: TypeAlias = ViewFit | str | int
ViewFitArrayLike: TypeAlias = ViewFitLike | Sequence[ViewFitLike]
