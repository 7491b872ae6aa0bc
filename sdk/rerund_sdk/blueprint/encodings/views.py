"""Parts of other views: text log columns, tensor sliders, what visualizers are fed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from rerund_sdk.encoding import Choice, batch_of
from rerund_sdk.encodings import Bool, BoolLike, UInt32, Utf8, Utf8Like
from rerund_sdk.struct_encoding import Member, Struct


class ComponentSourceKind(Choice):
    """Where a visualizer takes a component from."""

    SourceComponent = 1
    Override = 2
    Default = 3
    AnnotationContext = 4


class VisualizerComponentMapping(
    Struct,
    members=(
        Member("target", Utf8),
        Member("source_kind", ComponentSourceKind),
        Member("source_component", Utf8, optional=True),
        Member("selector", Utf8, optional=True),
    ),
):
    """Feeds a visualizer's component, target, from elsewhere: from another component, and with a selector from a part
    of it.
    """

    def __init__(
        self,
        target: Utf8Like,
        source_kind: ComponentSourceKindLike,
        *,
        source_component: str | None = None,
        selector: str | None = None,
    ) -> None:
        self.target = target if isinstance(target, Utf8) else Utf8(target)
        self.source_kind = ComponentSourceKind.auto(source_kind)
        self.source_component = source_component
        self.selector = selector


class TensorDimensionIndexSlider(Struct, members=(Member("dimension", UInt32),)):
    """A slider for the place along a dimension of a tensor, counted from 0. Also given as the dimension."""

    def __init__(self, dimension: int | TensorDimensionIndexSlider) -> None:
        self.dimension = int(dimension)

    def __int__(self) -> int:
        return self.dimension

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.dimension, dtype=dtype)

    @classmethod
    def _taken(cls, data: Any) -> Self:
        return data if isinstance(data, cls) else cls(data)


class TextLogColumnKind(Choice):
    """What a column of a text log shows."""

    EntityPath = 1
    LogLevel = 2
    Body = 3


class TextLogColumn(Struct, members=(Member("visible", Bool), Member("kind", TextLogColumnKind))):
    """A column of a text log. Also given as its kind."""

    def __init__(self, kind: TextLogColumnKindLike, *, visible: BoolLike = True) -> None:
        self.visible = visible if isinstance(visible, Bool) else Bool(visible)
        self.kind = TextLogColumnKind.auto(kind)

    @classmethod
    def _taken(cls, data: Any) -> Self:
        return data if isinstance(data, cls) else cls(data)


class TimelineColumn(Struct, members=(Member("visible", Bool), Member("timeline", Utf8))):
    """A column with the times of a timeline. Also given as its name."""

    def __init__(self, timeline: Utf8Like, *, visible: BoolLike = True) -> None:
        self.visible = visible if isinstance(visible, Bool) else Bool(visible)
        self.timeline = timeline if isinstance(timeline, Utf8) else Utf8(timeline)

    @classmethod
    def _taken(cls, data: Any) -> Self:
        return data if isinstance(data, cls) else cls(data)


ComponentSourceKindBatch = batch_of(ComponentSourceKind)
TensorDimensionIndexSliderBatch = batch_of(TensorDimensionIndexSlider)
TextLogColumnBatch = batch_of(TextLogColumn)
TextLogColumnKindBatch = batch_of(TextLogColumnKind)
TimelineColumnBatch = batch_of(TimelineColumn)
VisualizerComponentMappingBatch = batch_of(VisualizerComponentMapping)

ComponentSourceKindLike: TypeAlias = ComponentSourceKind | str | int
ComponentSourceKindArrayLike: TypeAlias = ComponentSourceKindLike | Sequence[ComponentSourceKindLike]
TensorDimensionIndexSliderLike: TypeAlias = TensorDimensionIndexSlider | int
TensorDimensionIndexSliderArrayLike: TypeAlias = (
    TensorDimensionIndexSlider | int | Sequence[TensorDimensionIndexSliderLike]
)
TextLogColumnKindLike: TypeAlias = TextLogColumnKind | str | int
TextLogColumnKindArrayLike: TypeAlias = TextLogColumnKindLike | Sequence[TextLogColumnKindLike]
TextLogColumnLike: TypeAlias = TextLogColumn | TextLogColumnKindLike
TextLogColumnArrayLike: TypeAlias = TextLogColumn | Sequence[TextLogColumnLike]
TimelineColumnLike: TypeAlias = TimelineColumn | Utf8Like
TimelineColumnArrayLike: TypeAlias = TimelineColumn | Sequence[TimelineColumnLike]
VisualizerComponentMappingLike: TypeAlias = VisualizerComponentMapping
VisualizerComponentMappingArrayLike: TypeAlias = VisualizerComponentMapping | Sequence[VisualizerComponentMapping]
