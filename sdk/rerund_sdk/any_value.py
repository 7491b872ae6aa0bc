"""Data that is of none of Rerun's types: any name, any value.

Rule: a component keeps the Arrow type of its first value; later values are converted to it. Where that fails, the type
changes, with a warning: viewers expect one type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from typing_extensions import Self

from rerund_sdk import arrow
from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.columns import ComponentColumn, ComponentColumnList, DescribedComponentBatch
from rerund_sdk.errors import BadData
from rerund_sdk.storage import shown
from rerund_sdk.strictness import catch_and_log_exceptions, complain, strict_mode

ComponentValueLike: TypeAlias = Any  # numbers, text, bytes, lists, arrays, component batches, Arrow arrays


class _KnownType(NamedTuple):
    arrow_type: pa.DataType
    dtype: np.dtype[Any] | None = None  # if only numpy could make an array of the first value


_known: dict[ComponentDescriptor, _KnownType] = {}


def _to_arrow(descriptor: ComponentDescriptor, value: Any, of_rows: bool) -> pa.Array[Any]:
    """`value` as an array of the component's type. of_rows: it is a list of rows of items of that type."""
    known = _known.get(descriptor)
    if known is not None and of_rows:
        known = _KnownType(pa.list_(known.arrow_type))
    array, new = _converted(value, known)
    if of_rows and isinstance(new.arrow_type, pa.ListType):
        new = _KnownType(new.arrow_type.value_type)
    before = _known.get(descriptor)
    if before is not None and before != new:
        complain(
            f"{descriptor} was of type {before.arrow_type} and becomes {new.arrow_type}: "
            "a component should have one type, convert the value first"
        )
    _known[descriptor] = new
    return array


def _converted(value: Any, known: _KnownType | None) -> tuple[pa.Array[Any], _KnownType]:
    arrow_type = None if known is None else known.arrow_type
    if (array := _simple(value)) is not None and arrow_type in (None, array.type):
        return array, _KnownType(array.type)
    if isinstance(value, np.ndarray):
        value = value.item() if value.ndim == 0 else value.copy()  # Arrow would share it
    elif hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        value = np.from_dlpack(value).copy()
    for convert in (_from_sequence, _from_scalar):
        try:
            array = convert(value, arrow_type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError):
            continue
        if strict_mode() and pa.types.is_null(array.type):
            raise BadData(f"{shown(value)} has no type")
        return array, _KnownType(array.type)
    return _by_numpy(value, known)


def _simple(value: Any) -> pa.Array[Any] | None:
    """The quick way, for what is logged most."""
    kind = type(value)
    if kind is float:
        return arrow.numbers(pa.float64(), np.array([value]))
    if kind is int and -(2**63) <= value < 2**63:
        return arrow.numbers(pa.int64(), np.array([value], np.int64))
    if kind is str:
        return arrow.strings([value])
    if kind is bool:
        return arrow.booleans(np.array([value]))
    return None


def _from_sequence(value: Any, arrow_type: pa.DataType | None) -> pa.Array[Any]:
    if isinstance(value, str | bytes):
        raise TypeError
    return pa.array(value, type=arrow_type)


def _from_scalar(value: Any, arrow_type: pa.DataType | None) -> pa.Array[Any]:
    return pa.array([pa.scalar(value)], type=arrow_type)


def _by_numpy(value: Any, known: _KnownType | None) -> tuple[pa.Array[Any], _KnownType]:
    """Mixtures and nestings that Arrow does not take."""
    arrow_type, dtype = (None, None) if known is None else known
    try:
        values = np.atleast_1d(np.array(value, dtype=dtype))
        array = pa.array(values, type=arrow_type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, ValueError, TypeError) as error:
        wanted = "Arrow" if arrow_type is None else str(arrow_type)
        raise BadData(f"cannot make {wanted} of {shown(value)}: {error}") from error
    return array, _KnownType(array.type, values.dtype)


class AnyBatchValue:
    """A component batch of any data.

    descriptor: the component, or its name. value: a number, text, bytes, a list or array of such, lists of lists, or
    anything with `as_arrow_array()`. drop_untyped_nones: None and empty values are left out until the component has a
    type. expect_column: value is a list of rows.
    """

    def __init__(
        self,
        descriptor: str | ComponentDescriptor,
        value: Any,
        *,
        drop_untyped_nones: bool = True,
        expect_column: bool = False,
    ) -> None:
        self.descriptor = ComponentDescriptor(descriptor) if isinstance(descriptor, str) else descriptor
        self.pa_array: pa.Array[Any] | None = None
        with catch_and_log_exceptions(f"{self.descriptor}"):
            if isinstance(value, pa.Array):
                self.pa_array = value
            elif hasattr(value, "as_arrow_array"):
                self.pa_array = value.as_arrow_array()
            elif self.descriptor in _known:
                self.pa_array = _to_arrow(self.descriptor, [] if value is None else value, expect_column)
            elif not _is_empty(value):
                self.pa_array = _to_arrow(self.descriptor, value, expect_column)
            elif not drop_untyped_nones:
                raise BadData(f"{shown(value)} has no type: log a value first, or give an Arrow array")

    def is_valid(self) -> bool:
        """Whether there is anything to log."""
        return self.pa_array is not None

    def component_descriptor(self) -> ComponentDescriptor:
        return self.descriptor

    def as_arrow_array(self) -> pa.Array[Any] | None:
        return self.pa_array

    @classmethod
    def column(
        cls, descriptor: str | ComponentDescriptor, value: Any, drop_untyped_nones: bool = True
    ) -> ComponentColumn | None:
        """The component over many rows, for `send_columns`: a flat list has one instance a row, lists have many."""
        batch = cls(descriptor, _rows(value), drop_untyped_nones=drop_untyped_nones, expect_column=True)
        array = batch.pa_array
        if array is None:
            return None
        if not isinstance(array, pa.ListArray):
            return ComponentColumn(batch.descriptor, _Instances(array))
        offsets = np.frombuffer(array.offsets.buffers()[1], np.int32)[array.offset :][: len(array) + 1]
        return ComponentColumn(batch.descriptor, _Instances(array.values), offsets=offsets)


def _is_empty(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.size == 0
    return value is None or (isinstance(value, Sized) and len(value) == 0)


class _Instances(NamedTuple):
    array: pa.Array[Any]

    def as_arrow_array(self) -> pa.Array[Any]:
        return self.array


def _rows(value: Any) -> Any:
    """A flat list as a list of lists of one item; anything else as it is."""
    if value is None or isinstance(value, pa.Array | str | bytes) or hasattr(value, "as_arrow_array"):
        return value
    try:
        values = np.asarray(value)
    except ValueError:  # ragged: a list of lists already
        return value
    if values.ndim == 1 and values.dtype.kind != "O":
        return [[item] for item in value]
    return list(value) if isinstance(value, np.ndarray) and value.ndim > 1 else value


class DynamicArchetype:
    """An archetype of one's own: its name, and values for its components.

    drop_untyped_nones: None and empty values are left out until their component has a type. components: names and
    values, see AnyBatchValue.
    """

    def __init__(
        self,
        archetype: str,
        drop_untyped_nones: bool = True,
        components: Mapping[str, ComponentValueLike | None] | None = None,
    ) -> None:
        self._archetype: str | None = archetype
        self._batches: list[DescribedComponentBatch] = []
        self._add(drop_untyped_nones, components or {})

    def with_component_from_data(
        self, field: str, value: ComponentValueLike | None, *, drop_untyped_nones: bool = True
    ) -> Self:
        """Adds a component."""
        self._add_one(self._descriptor(field), value, drop_untyped_nones)
        return self

    def with_component_override(
        self, field: str, component_type: str, value: ComponentValueLike | None, *, drop_untyped_nones: bool = True
    ) -> Self:
        """Adds a component of a component type."""
        descriptor = self._descriptor(field).with_overrides(component_type=component_type)
        self._add_one(descriptor, value, drop_untyped_nones)
        return self

    def as_component_batches(self) -> list[DescribedComponentBatch]:
        if not self._batches:
            complain(f"{type(self).__name__}: there is no value to log")
        return self._batches

    @classmethod
    def columns(
        cls,
        archetype: str,
        drop_untyped_nones: bool = True,
        components: Mapping[str, ComponentValueLike | None] | None = None,
    ) -> ComponentColumnList:
        """The components over many rows, for `send_columns`: flat lists have one instance a row."""
        named = {
            ComponentDescriptor(name).with_builtin_archetype(archetype): value
            for name, value in (components or {}).items()
        }
        return _columns(named, drop_untyped_nones)

    def _descriptor(self, field: str) -> ComponentDescriptor:
        descriptor = ComponentDescriptor(field)
        return descriptor if self._archetype is None else descriptor.with_builtin_archetype(self._archetype)

    def _add(self, drop_untyped_nones: bool, components: Mapping[str, ComponentValueLike | None]) -> None:
        with catch_and_log_exceptions(type(self).__name__):
            if not isinstance(drop_untyped_nones, bool | None):
                raise BadData(f"drop_untyped_nones is {shown(drop_untyped_nones)}: give values by name")
            for name, value in components.items():
                self._add_one(self._descriptor(name), value, drop_untyped_nones)

    def _add_one(self, descriptor: ComponentDescriptor, value: Any, drop_untyped_nones: bool) -> None:
        batch = AnyBatchValue(descriptor, value, drop_untyped_nones=drop_untyped_nones)
        if batch.is_valid():
            self._batches.append(DescribedComponentBatch(batch, descriptor))


class AnyValues(DynamicArchetype):
    """Any values by name: `AnyValues(confidence=[1.2, 3.4], homepage="https://rerun.io")`. See AnyBatchValue."""

    def __init__(self, drop_untyped_nones: bool = True, **kwargs: ComponentValueLike | None) -> None:
        self._archetype = None
        self._batches = []
        self._add(drop_untyped_nones, kwargs)

    @classmethod
    def columns(  # type: ignore[override]
        cls, drop_untyped_nones: bool = True, **kwargs: ComponentValueLike | None
    ) -> ComponentColumnList:
        """The values over many rows, for `send_columns`: flat lists have one instance a row."""
        return _columns({ComponentDescriptor(name): value for name, value in kwargs.items()}, drop_untyped_nones)

    @property
    def component_batches(self) -> list[DescribedComponentBatch]:
        return self.as_component_batches()


def _columns(values: Mapping[ComponentDescriptor, Any], drop_untyped_nones: bool) -> ComponentColumnList:
    columns = (AnyBatchValue.column(descriptor, value, drop_untyped_nones) for descriptor, value in values.items())
    return ComponentColumnList(column for column in columns if column is not None)
