"""Which visualizer the viewer uses for an entity in a view, and what it is fed with."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from rerund_sdk.blueprint.parts import BlueprintRow
    from rerund_sdk.columns import DescribedComponentBatch


class Visualizer:
    """A visualizer for one entity of a view. Mirrors `rerun.blueprint.Visualizer`.

    visualizer_type: as the viewer names it, for example `SeriesLines`.
    overrides: component batches that replace what the entity has logged.
    mappings: from which of the entity's components others are taken (VisualizerComponentMapping).
    """

    def __init__(
        self,
        visualizer_type: str,
        *,
        overrides: Sequence[DescribedComponentBatch] | None = None,
        mappings: Sequence[Any] | None = None,
    ) -> None:
        self.id = uuid.uuid4()
        self.visualizer_type = visualizer_type
        self.overrides = overrides
        self.mappings = mappings

    def rows(self, base_path: str) -> Iterator[BlueprintRow]:
        """Its rows in the blueprint store, below the entity's `base_path`."""
        from rerund_sdk.blueprint.archetypes import VisualizerInstruction
        from rerund_sdk.blueprint.parts import BlueprintRow

        path = f"{base_path}/{self.id}"
        yield BlueprintRow(path, VisualizerInstruction(self.visualizer_type, component_map=self.mappings))
        if self.overrides:
            yield BlueprintRow(path, self.overrides)


@runtime_checkable
class VisualizableArchetype(Protocol):
    """An archetype that a visualizer of the viewer shows."""

    def visualizer(self, *args: Any, **kwargs: Any) -> Visualizer:
        """The visualizer, with this archetype's fields as overrides."""


# Also EntityBehavior and VisibleTimeRanges, which are no visualizers but are given in the same place.
VisualizerLike: TypeAlias = "Visualizer | VisualizableArchetype | Any"


def as_visualizer(override: VisualizerLike) -> Visualizer | None:
    """The visualizer that `override` is or stands for; None if it is none."""
    if isinstance(override, VisualizableArchetype):
        return override.visualizer()
    return override if isinstance(override, Visualizer) else None
