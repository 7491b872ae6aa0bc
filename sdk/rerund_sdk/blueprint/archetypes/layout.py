"""Which views, containers and panels there are, and what they contain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rerund_sdk.archetype import Archetype, field, forgiving
from rerund_sdk.blueprint.components import (
    AbsoluteTimeRange,
    ActiveTab,
    AutoLayout,
    AutoViews,
    ColumnShare,
    ContainerKind,
    ContainerKindLike,
    Enabled,
    Fps,
    GridColumns,
    IncludedContent,
    LinkAxis,
    LinkAxisLike,
    LockRangeDuringZoom,
    LoopMode,
    LoopModeLike,
    PanelState,
    PanelStateLike,
    PlaybackSpeed,
    PlayState,
    PlayStateLike,
    QueryExpression,
    RootContainer,
    RowShare,
    TimelineFraction,
    TimelineName,
    TimeRange,
    ViewClass,
    ViewerRecommendationHash,
    ViewMaximized,
    ViewOrigin,
    VisibleTimeRange,
    VisualizerComponentMapping,
    VisualizerInstructionId,
    VisualizerType,
)
from rerund_sdk.blueprint.encodings import VisualizerComponentMappingArrayLike
from rerund_sdk.components import Interactive, Name, Visible
from rerund_sdk.encodings import (
    AbsoluteTimeRangeLike,
    BoolLike,
    EntityPathArrayLike,
    EntityPathLike,
    Float32ArrayLike,
    Float64Like,
    TimeRangeBoundary,
    TimeRangeLike,
    UInt32Like,
    UInt64ArrayLike,
    Utf8ArrayLike,
    Utf8Like,
    UuidArrayLike,
    UuidLike,
    VisibleTimeRangeArrayLike,
)
from rerund_sdk.encodings import VisibleTimeRange as VisibleTimeRangeEncoding
from rerund_sdk.errors import BadData
from rerund_sdk.strictness import complain


class ActiveVisualizers(Archetype):
    """Which visualizers are used for an entity in a view: ids of instructions."""

    instruction_ids: UuidArrayLike = field(VisualizerInstructionId, kw_only=False)


class VisualizerInstruction(Archetype):
    """A visualizer, and what its components are fed with."""

    visualizer_type: Utf8Like = field(VisualizerType, kw_only=False)
    component_map: VisualizerComponentMappingArrayLike | None = field(VisualizerComponentMapping, default=None)


class ContainerBlueprint(Archetype):
    """A container of views and containers. col_shares, row_shares: relative sizes. contents, active_tab: paths."""

    container_kind: ContainerKindLike = field(ContainerKind, kw_only=False)
    display_name: Utf8Like | None = field(Name, default=None)
    contents: EntityPathArrayLike | None = field(IncludedContent, default=None)
    col_shares: Float32ArrayLike | None = field(ColumnShare, default=None)
    row_shares: Float32ArrayLike | None = field(RowShare, default=None)
    active_tab: EntityPathLike | None = field(ActiveTab, default=None)
    visible: BoolLike | None = field(Visible, default=None)
    grid_columns: UInt32Like | None = field(GridColumns, default=None)


class EntityBehavior(Archetype):
    """Whether an entity is visible and can be selected; holds for its children too."""

    interactive: BoolLike | None = field(Interactive, default=None)
    visible: BoolLike | None = field(Visible, default=None)


class PanelBlueprint(Archetype):
    """Whether a panel is shown."""

    state: PanelStateLike | None = field(PanelState, default=None)


class TimePanelBlueprint(Archetype):
    """The time panel: which timeline it shows, and how time runs. fps: for sequence timelines."""

    state: PanelStateLike | None = field(PanelState, default=None)
    timeline: Utf8Like | None = field(TimelineName, default=None)
    playback_speed: Float64Like | None = field(PlaybackSpeed, default=None)
    fps: Float64Like | None = field(Fps, default=None)
    play_state: PlayStateLike | None = field(PlayState, default=None)
    loop_mode: LoopModeLike | None = field(LoopMode, default=None)
    time_selection: AbsoluteTimeRangeLike | None = field(AbsoluteTimeRange, default=None)


class PreviewsConfig(Archetype):
    """How previews play. start_point: 0, the start of the timeline, to 1, its end."""

    timeline: Utf8Like | None = field(TimelineName, default=None)
    play_state: PlayStateLike | None = field(PlayState, default=None)
    playback_speed: Float64Like | None = field(PlaybackSpeed, default=None)
    start_point: Float64Like | None = field(TimelineFraction, default=None)


class TimeAxis(Archetype):
    """The time axis of a plot. link: whether it moves with others. view_range: what it shows."""

    link: LinkAxisLike | None = field(LinkAxis, default=None)
    view_range: TimeRangeLike | None = field(TimeRange, default=None)
    zoom_lock: BoolLike | None = field(LockRangeDuringZoom, default=None)


class ViewBlueprint(Archetype):
    """A view. class_identifier: its kind, as the viewer names it. space_origin: the entity it is about."""

    class_identifier: Utf8Like = field(ViewClass, kw_only=False)
    display_name: Utf8Like | None = field(Name, default=None)
    space_origin: EntityPathLike | None = field(ViewOrigin, default=None)
    visible: BoolLike | None = field(Visible, default=None)
    titlebar: BoolLike | None = field(Enabled, default=None)


class ViewContents(Archetype):
    """Which entities a view shows: path expressions."""

    query: Utf8ArrayLike = field(QueryExpression, kw_only=False)


class ViewportBlueprint(Archetype):
    """The middle of the viewer: ids of its root container and of a maximized view."""

    root_container: UuidLike | None = field(RootContainer, default=None)
    maximized: UuidLike | None = field(ViewMaximized, default=None)
    auto_layout: BoolLike | None = field(AutoLayout, default=None)
    auto_views: BoolLike | None = field(AutoViews, default=None)
    past_viewer_recommendations: UInt64ArrayLike | None = field(ViewerRecommendationHash, default=None)


class VisibleTimeRanges(Archetype):
    """What of each timeline is shown: ranges, or for one timeline its range, or start and end."""

    ranges: VisibleTimeRangeArrayLike = field(VisibleTimeRange)

    def __init__(
        self,
        ranges: VisibleTimeRangeArrayLike | None = None,
        *,
        timeline: Utf8Like | None = None,
        range: TimeRangeLike | None = None,
        start: TimeRangeBoundary | None = None,
        end: TimeRangeBoundary | None = None,
    ) -> None:
        with forgiving(self):
            if (ranges is None) == (timeline is None):
                raise BadData("VisibleTimeRanges needs either ranges or a timeline")
            if timeline is not None:
                ranges = [VisibleTimeRangeEncoding(timeline, range, start=start, end=end)]
            elif isinstance(ranges, VisibleTimeRangeEncoding):
                ranges = [ranges]
            _complain_of_doubles(ranges)
            self._set(ranges=ranges)


def _complain_of_doubles(ranges: Any) -> None:
    if not isinstance(ranges, Iterable):
        return
    timelines = set()
    for item in ranges:
        name = str(getattr(item, "timeline", ""))
        if name in timelines:
            complain(f"VisibleTimeRanges: timeline {name} is listed twice; only the first one counts")
        timelines.add(name)
