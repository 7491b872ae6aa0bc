"""Layout, panels, time, and which views there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from rerund_sdk import encodings
from rerund_sdk.blueprint import encodings as blueprint_encodings
from rerund_sdk.encoding import Choice, Component, batch_of


class AbsoluteTimeRange(encodings.AbsoluteTimeRange, Component):
    """The part of a timeline that is selected."""


class ActiveTab(encodings.EntityPath, Component):
    """The tab that is shown: its path in the blueprint."""


class AutoLayout(encodings.Bool, Component):
    """Whether the viewer arranges the views by itself."""


class AutoViews(encodings.Bool, Component):
    """Whether the viewer adds views by itself."""


class BackgroundKind(Choice):
    """What is behind a 3D scene."""

    GradientDark = 1
    GradientBright = 2
    SolidColor = 3


class ColumnShare(encodings.Float32, Component):
    """How much of the width a column gets, relative to the others."""


class ContainerKind(Choice):
    """How a container arranges what is in it."""

    Tabs = 1
    Horizontal = 2
    Vertical = 3
    Grid = 4


class Corner2D(Choice):
    """A corner."""

    LeftTop = 1
    RightTop = 2
    LeftBottom = 3
    RightBottom = 4


class Fps(encodings.Float64, Component):
    """Frames a second, of a sequence timeline that is played."""


class GridColumns(encodings.UInt32, Component):
    """How many columns a grid has."""


class IncludedContent(encodings.EntityPath, Component):
    """The path of a view or container in the blueprint."""


class LoopMode(Choice):
    """What is played again when its end is reached."""

    Off = 1
    Selection = 2
    All = 3


class PanelState(Choice):
    """Whether a panel is shown."""

    Hidden = 1
    Collapsed = 2
    Expanded = 3


class PlayState(Choice):
    """Whether time stands, runs, or follows the data."""

    Paused = 1
    Playing = 2
    Following = 3


class PlaybackSpeed(encodings.Float64, Component):
    """How fast time is played: 1 is real time."""


class QueryExpression(encodings.Utf8, Component):
    """Which entities a view shows: a path, perhaps with `/**`, included by `+` or excluded by `-`."""


class RootContainer(encodings.Uuid, Component):
    """The container that holds all others, by its id."""


class RowShare(encodings.Float32, Component):
    """How much of the height a row gets, relative to the others."""


class TimeInt(encodings.TimeInt, Component):
    """A point in time."""


class TimeRange(encodings.TimeRange, Component):
    """A range of time."""


class TimelineFraction(encodings.Float64, Component):
    """A place on a timeline, from 0, its start, to 1, its end."""


class TimelineName(encodings.Utf8, Component):
    """The name of a timeline."""


class ViewClass(encodings.Utf8, Component):
    """The kind of a view, as the viewer names it."""


class ViewMaximized(encodings.Uuid, Component):
    """The view that fills the viewer, by its id."""


class ViewOrigin(encodings.EntityPath, Component):
    """The entity that a view is about."""


class ViewerRecommendationHash(encodings.UInt64, Component):
    """A view that the viewer has proposed before."""


class VisibleTimeRange(encodings.VisibleTimeRange, Component):
    """What of a timeline is shown."""


class VisualizerComponentMapping(blueprint_encodings.VisualizerComponentMapping, Component):
    """What a visualizer's component is fed with."""


class VisualizerInstructionId(encodings.Uuid, Component):
    """A visualizer, by its id."""


class VisualizerType(encodings.Utf8, Component):
    """The kind of a visualizer, as the viewer names it."""


AbsoluteTimeRangeBatch = batch_of(AbsoluteTimeRange)
ActiveTabBatch = batch_of(ActiveTab)
AutoLayoutBatch = batch_of(AutoLayout)
AutoViewsBatch = batch_of(AutoViews)
BackgroundKindBatch = batch_of(BackgroundKind)
ColumnShareBatch = batch_of(ColumnShare)
ContainerKindBatch = batch_of(ContainerKind)
Corner2DBatch = batch_of(Corner2D)
FpsBatch = batch_of(Fps)
GridColumnsBatch = batch_of(GridColumns)
IncludedContentBatch = batch_of(IncludedContent)
LoopModeBatch = batch_of(LoopMode)
PanelStateBatch = batch_of(PanelState)
PlayStateBatch = batch_of(PlayState)
PlaybackSpeedBatch = batch_of(PlaybackSpeed)
QueryExpressionBatch = batch_of(QueryExpression)
RootContainerBatch = batch_of(RootContainer)
RowShareBatch = batch_of(RowShare)
TimeIntBatch = batch_of(TimeInt)
TimeRangeBatch = batch_of(TimeRange)
TimelineFractionBatch = batch_of(TimelineFraction)
TimelineNameBatch = batch_of(TimelineName)
ViewClassBatch = batch_of(ViewClass)
ViewMaximizedBatch = batch_of(ViewMaximized)
ViewOriginBatch = batch_of(ViewOrigin)
ViewerRecommendationHashBatch = batch_of(ViewerRecommendationHash)
VisibleTimeRangeBatch = batch_of(VisibleTimeRange)
VisualizerComponentMappingBatch = batch_of(VisualizerComponentMapping)
VisualizerInstructionIdBatch = batch_of(VisualizerInstructionId)
VisualizerTypeBatch = batch_of(VisualizerType)

BackgroundKindLike: TypeAlias = BackgroundKind | str | int
BackgroundKindArrayLike: TypeAlias = BackgroundKindLike | Sequence[BackgroundKindLike]
ContainerKindLike: TypeAlias = ContainerKind | str | int
ContainerKindArrayLike: TypeAlias = ContainerKindLike | Sequence[ContainerKindLike]
Corner2DLike: TypeAlias = Corner2D | str | int
Corner2DArrayLike: TypeAlias = Corner2DLike | Sequence[Corner2DLike]
LoopModeLike: TypeAlias = LoopMode | str | int
LoopModeArrayLike: TypeAlias = LoopModeLike | Sequence[LoopModeLike]
PanelStateLike: TypeAlias = PanelState | str | int
PanelStateArrayLike: TypeAlias = PanelStateLike | Sequence[PanelStateLike]
PlayStateLike: TypeAlias = PlayState | str | int
PlayStateArrayLike: TypeAlias = PlayStateLike | Sequence[PlayStateLike]
