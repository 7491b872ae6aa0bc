"""Component batches with their descriptors, and columns of them: what `log` and `send_columns` take besides
archetypes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Counts


@runtime_checkable
class ComponentBatchLike(Protocol):
    """Anything that is a batch of instances of one component."""

    def as_arrow_array(self) -> pa.Array[Any]:
        """The instances, of the component's Arrow type."""


@runtime_checkable
class AsComponents(Protocol):
    """Anything that `log` takes: a bundle of component batches. Implement it for your own archetypes."""

    def as_component_batches(self) -> list[DescribedComponentBatch]:
        """The batches, each with its descriptor."""


class DescribedComponentBatch:
    """A batch and the descriptor that says which component of which archetype it is."""

    def __init__(self, batch: ComponentBatchLike, descriptor: ComponentDescriptor) -> None:
        self._batch = batch
        self._descriptor = descriptor

    def component_descriptor(self) -> ComponentDescriptor:
        return self._descriptor

    def as_arrow_array(self) -> pa.Array[Any]:
        return self._batch.as_arrow_array()

    def partition(self, lengths: npt.ArrayLike | None = None) -> ComponentColumn:
        """The batch as a column of rows of `lengths` instances each; by default one instance a row."""
        return ComponentColumn(self._descriptor, self, lengths=lengths)

    def __repr__(self) -> str:
        return f"DescribedComponentBatch({self._descriptor.component!r}, {self.as_arrow_array().to_pylist()!r})"


class ComponentBatchMixin(ComponentBatchLike):
    """Makes a class with `as_arrow_array` and `component_type` (or `_COMPONENT_TYPE`) a component batch."""

    _COMPONENT_TYPE: str

    def component_type(self) -> str:
        return self._COMPONENT_TYPE

    def described(self, descriptor: ComponentDescriptor) -> DescribedComponentBatch:
        return DescribedComponentBatch(self, descriptor)

    def partition(self, lengths: npt.ArrayLike | None = None) -> ComponentColumn:
        """The batch as a column of rows of `lengths` instances each; by default one instance a row."""
        return ComponentColumn(self.component_type(), self, lengths=lengths)


class ComponentMixin(ComponentBatchLike):
    """Makes a class whose `_BATCH_TYPE` is its batch class a component: also a batch of one instance."""

    _BATCH_TYPE: Any

    @classmethod
    def component_type(cls) -> str:
        return str(cls._BATCH_TYPE._COMPONENT_TYPE)

    @classmethod
    def arrow_type(cls) -> pa.DataType:
        return cls._BATCH_TYPE._ARROW_DATATYPE

    def as_arrow_array(self) -> pa.Array[Any]:
        return self._BATCH_TYPE([self]).as_arrow_array()


class ComponentColumn:
    """One component over many rows, for `send_columns`.

    lengths: how many instances each row has, together all of the batch; by default one each.
    offsets: the same as int32 positions of the first instance of each row, and the end. Not both.
    """

    def __init__(
        self,
        descriptor: str | ComponentDescriptor,
        component_batch: ComponentBatchLike,
        *,
        lengths: npt.ArrayLike | None = None,
        offsets: npt.NDArray[np.int32] | None = None,
    ) -> None:
        if lengths is not None and offsets is not None:
            raise BadData("a component column takes lengths or offsets, not both")
        self.descriptor = ComponentDescriptor(descriptor) if isinstance(descriptor, str) else descriptor
        self.component_batch = component_batch
        if offsets is not None:
            self._offsets = np.ascontiguousarray(offsets, np.int32)
        elif lengths is not None:
            self._offsets = self._checked_offsets(np.asarray(lengths))
        else:
            self._offsets = np.arange(len(component_batch.as_arrow_array()) + 1, dtype=np.int32)

    def component_descriptor(self) -> ComponentDescriptor:
        return self.descriptor

    def as_arrow_array(self) -> pa.Array[Any]:
        """A list of instances a row."""
        return pa.ListArray.from_arrays(self._offsets, self.component_batch.as_arrow_array())

    def partition(self, lengths: npt.ArrayLike) -> ComponentColumn:
        """The same instances in rows of other lengths."""
        return ComponentColumn(self.descriptor, self.component_batch, lengths=lengths)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def _checked_offsets(self, lengths: npt.NDArray[Any]) -> Counts:
        if lengths.ndim != 1 or (lengths.size and lengths.dtype.kind not in "iu"):
            raise BadData(f"lengths of {self.descriptor}: expected a list of integers, got shape {lengths.shape}")
        instances, total = len(self.component_batch.as_arrow_array()), int(lengths.sum())
        if total != instances or np.any(lengths < 0):
            raise BadData(f"lengths of {self.descriptor} add up to {total}, but the batch has {instances} instances")
        offsets = np.zeros(len(lengths) + 1, np.int32)
        np.cumsum(lengths, out=offsets[1:], dtype=np.int32)
        return offsets


class ComponentColumnList(Iterable[ComponentColumn]):
    """Several component columns, repartitioned together."""

    def __init__(self, columns: Iterable[ComponentColumn]) -> None:
        self._columns = list(columns)

    def __iter__(self) -> Iterator[ComponentColumn]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def partition(self, lengths: npt.ArrayLike) -> ComponentColumnList:
        """All columns in rows of `lengths` instances each."""
        return ComponentColumnList(column.partition(lengths) for column in self._columns)
