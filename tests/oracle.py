"""The official SDK as an oracle: what the same call gives in both, compared down to Arrow types and values."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pyarrow as pa
import rerun

import rerund_sdk.archetypes
import rerund_sdk.blueprint.archetypes
import rerund_sdk.blueprint.components
import rerund_sdk.blueprint.encodings
import rerund_sdk.components
import rerund_sdk.encodings
from rerund_sdk import any_value, batch, columns, strictness
from rerund_sdk.archetypes.boxes import Box2DFormat

official = SimpleNamespace(**vars(rerun), bp=rerun.blueprint)


def _public(module: ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


# The part of `rerund_sdk` that says what data are, also where `rerund_sdk/__init__.py` loads it lazily.
ours = SimpleNamespace(
    **_public(any_value)
    | _public(columns)
    | _public(rerund_sdk.encodings)
    | _public(rerund_sdk.components)
    | _public(rerund_sdk.archetypes)
    | {"ComponentDescriptor": batch.ComponentDescriptor, "Box2DFormat": Box2DFormat},
    archetypes=rerund_sdk.archetypes,
    components=rerund_sdk.components,
    encodings=rerund_sdk.encodings,
    bp=rerund_sdk.blueprint,
)
sdks = {"official": official, "ours": ours}


class Batch(NamedTuple):
    """One component batch, comparable."""

    component: str
    archetype: str | None
    component_type: str | None
    arrow_type: pa.DataType
    values: list[Any]


def batches(loggable: Any) -> list[Batch]:
    """What `loggable` gives to `log`."""
    return [_batch(batch) for batch in loggable.as_component_batches()]


def rows(columns: Iterable[Any]) -> list[Batch]:
    """What columns give to `send_columns`."""
    return [_batch(column) for column in columns]


def _batch(batch: Any) -> Batch:
    descriptor, array = batch.component_descriptor(), batch.as_arrow_array()
    array.validate(full=True)
    names = (descriptor.component, descriptor.archetype, descriptor.component_type)
    return Batch(*names, without_metadata(array.type), comparable(array))


def without_metadata(arrow_type: pa.DataType) -> pa.DataType:
    """The type with child names and nullability, which count, and without the fields' metadata, which don't."""

    def plain(field: pa.Field) -> pa.Field:
        return pa.field(field.name, without_metadata(field.type), field.nullable)

    if isinstance(arrow_type, pa.StructType):
        return pa.struct([plain(field) for field in arrow_type])
    if isinstance(arrow_type, pa.ListType):
        return pa.list_(plain(arrow_type.value_field))
    if isinstance(arrow_type, pa.FixedSizeListType):
        return pa.list_(plain(arrow_type.value_field), arrow_type.list_size)
    if isinstance(arrow_type, pa.UnionType):
        fields = [plain(arrow_type.field(number)) for number in range(arrow_type.num_fields)]
        return pa.dense_union(fields, arrow_type.type_codes)
    return arrow_type


def comparable(array: pa.Array) -> list[Any]:
    """The values, with nan equal to nan and unions with their type."""
    if isinstance(array, pa.UnionArray):
        items = zip(array.type_codes.to_pylist(), array, strict=True)
        return [(code, repr(scalar.as_py())) for code, scalar in items]
    if isinstance(array, pa.StructArray):
        members = (comparable(array.field(number)) for number in range(array.type.num_fields))
        return list(zip(*members, strict=True))
    return [repr(value) for value in array.to_pylist()]


class Outcome(NamedTuple):
    """What a call did: what it gave, which exception it raised, and whether it warned."""

    value: Any
    error: type[Exception] | None
    messages: list[str]

    @property
    def kind(self) -> str:
        """How it ended for the caller: 'error', 'warning' (with whatever is left) or 'ok'."""
        return "error" if self.error else "warning" if self.messages else "ok"


def outcome(call: Callable[[], Any]) -> Outcome:
    """Run `call`, catching what it raises and what it warns of as a user of the SDK."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value, error = None, None
        try:
            value = call()
        except Exception as raised:
            error = type(raised)
            return Outcome(None, error, [str(raised)])
    categories = (strictness.RerunWarning, rerun.error_utils.RerunWarning)
    return Outcome(value, error, [str(item.message) for item in caught if issubclass(item.category, categories)])
