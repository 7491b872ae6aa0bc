"""What the logging path passes around: descriptors, fields, cells and rows.

A *field* is one component column: its descriptor and its storage, made once for each archetype field and compared by
identity. A *cell* is what one row says for one field, kept in the cheapest form that its storage can later turn into
Arrow, many rows at a time. `log` only makes a `Row` of cells; chunk.py turns rows into record batches.

Rule: a cell in a row shares no memory with the caller. Archetypes may hold views of the caller's arrays (so that an
image is copied once, not twice); `Storage.owned` makes the copy when the row is logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rerund_sdk.time import TimePoint

Cell: TypeAlias = Any  # what it is depends on the field's storage


_ARCHETYPE_PREFIXES = ("rerun.blueprint.archetypes.", "rerun.archetypes.", "rerun.")


class ComponentDescriptor(NamedTuple):
    """Names one component of an archetype. Mirrors `rerun.ComponentDescriptor`.

    component: for example `Points3D:positions`; archetype: `rerun.archetypes.Points3D`, or None;
    component_type: `rerun.components.Position3D`, or None if the type is not one of Rerun's.
    """

    component: str
    archetype: str | None = None
    component_type: str | None = None

    def __str__(self) -> str:
        return self.component

    def with_overrides(self, archetype: str | None = None, component_type: str | None = None) -> ComponentDescriptor:
        """With this archetype and component type, where they are given."""
        return ComponentDescriptor(self.component, archetype or self.archetype, component_type or self.component_type)

    def or_with_overrides(self, archetype: str | None = None, component_type: str | None = None) -> ComponentDescriptor:
        """With this archetype and component type, where there is none yet."""
        return ComponentDescriptor(self.component, self.archetype or archetype, self.component_type or component_type)

    def with_builtin_archetype(self, archetype: str) -> ComponentDescriptor:
        """As a component of `archetype`, named as archetypes name theirs: `Points3D:x` for `x`."""
        prefix = next((prefix for prefix in _ARCHETYPE_PREFIXES if archetype.startswith(prefix)), "")
        return ComponentDescriptor(f"{archetype[len(prefix) :]}:{self.component}", archetype, self.component_type)


class Storage(Protocol):
    """How the instances of one component type are kept in cells and become Arrow."""

    arrow_type: pa.DataType  # of one instance, exactly as Rerun's catalogue has it

    def column(self, cells: Sequence[Cell]) -> tuple[pa.Array[Any], npt.NDArray[np.int32]]:
        """All instances of all cells as one array of `arrow_type`, and how many each cell has. Cells are never None."""

    def owned(self, cell: Cell) -> Cell:
        """`cell`, or a copy of it if it could be changed by somebody else."""

    def nbytes(self, cell: Cell) -> int:
        """About how much memory the cell takes, in bytes; cheap."""


class Field(NamedTuple):
    """One component column. Identity counts: an archetype has one Field object for each of its fields."""

    descriptor: ComponentDescriptor
    storage: Storage


@runtime_checkable
class Loggable(Protocol):
    """The fast way into `log`: what our archetypes are. Anything else goes through `as_component_batches()`."""

    @property
    def _fields(self) -> tuple[Field, ...]: ...  # only those that were given; the same object for the same combination

    @property
    def _cells(self) -> tuple[Cell, ...]: ...  # one for each field

    @property
    def _borrowed(self) -> int: ...  # a bit for each cell, the first the lowest: whether it is the caller's own array


# One `log` call. A plain tuple, since making one of anything else takes longer than all the rest of the call:
# entity path (normalised, with leading slash), time.time_ns() at the call (the row id is made of it), point in time
# (None: static), fields, and a cell for each field.
Row: TypeAlias = "tuple[str, int, TimePoint | None, tuple[Field, ...], tuple[Cell, ...]]"
