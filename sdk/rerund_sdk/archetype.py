"""What the classes in archetypes/ are made of.

An archetype is a class with fields: `positions: Vec3DArrayLike = field(Position3D)`. Its constructor is generated from
them, as dataclasses do it: it turns each argument into a cell at once, checks it, and keeps fields and cells. That is
all that `log` needs.

Rule: the tuple of fields is the same object for the same combination, so that rows can be grouped by identity. Rule: a
bad argument never leaves half a row: its field becomes empty and a warning is given, or strict mode raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, overload

import numpy as np
import pyarrow as pa
from typing_extensions import Self, dataclass_transform

from rerund_sdk.batch import Cell, ComponentDescriptor, Field
from rerund_sdk.columns import ComponentColumn, ComponentColumnList, DescribedComponentBatch
from rerund_sdk.encoding import ComponentBatch, Declared, batch_of, rerun_name
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Arrow
from rerund_sdk.strictness import complain, describe, strict_mode

_REQUIRED: Any = object()


class _ArchetypeField:
    """A declared field; on an instance the attribute is the component batch, or None if it was not given."""

    name: str
    field: Field

    def __init__(
        self,
        component: Declared,
        required: bool,
        kw_only: bool,
        cell: Callable[[Any], Cell] | None,
        implied: tuple[str, Any] | None,
    ) -> None:
        self.component = component
        self.required = required
        self.kw_only = kw_only
        self.cell = cell or component._cell
        self.implied = implied

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        archetype = rerun_name(owner)
        descriptor = ComponentDescriptor(f"{owner.__name__}:{name}", archetype, self.component._component_type)  # type: ignore[union-attr]
        self.field = Field(descriptor, self.component._storage)

    def __get__(self, archetype: Archetype | None, owner: type) -> Any:
        if archetype is None:
            return self
        for field_, cell in zip(archetype._fields, archetype._cells, strict=True):
            if field_ is self.field:
                return self.batch(cell)
        return None

    def batch(self, cell: Cell) -> ComponentBatch:
        return batch_of(self.component)._holding(cell)


@overload
def field(component: Declared, *, kw_only: bool = ..., cell: Callable[[Any], Cell] = ...) -> Any: ...
@overload
def field(
    component: Declared, *, default: None, kw_only: bool = ..., implied_by: str = ..., implied: Any = ...
) -> Any: ...
def field(
    component: Declared,
    *,
    default: Any = _REQUIRED,
    kw_only: bool = True,
    cell: Callable[[Any], Cell] | None = None,
    implied_by: str | None = None,
    implied: Any = None,
) -> Any:
    """A field of an archetype. Optional if `default=None`; also positional if `kw_only=False`.

    cell: turns what the caller gives into a cell, by default as the component does it. implied: the value that the
    constructor takes if only the field `implied_by` is given.
    """
    return _ArchetypeField(component, default is _REQUIRED, kw_only, cell, implied_by and (implied_by, implied))


_INIT = """
def {name}(self, {parameters}):
{implications}    present, cells, borrowed = 0, [], False
    try:
{assignments}
    except Exception:
        self._set_forgiving(({names},))
        return
    self._fields = combinations[present]
    self._cells = tuple(cells)
    self._borrowed = borrowed
"""
_IMPLICATION = """
    if {name} is None and {by} is not None:
        {name} = {implied!r}
"""
_ASSIGNMENT = """
        if {name} is not None:
            cell = cell_of_{name}({name})
            cells.append(cell)
            present |= {bit}
            if cell is {name} and type(cell) is ndarray:
                borrowed = True
"""


class _Combinations(dict[int, tuple[Field, ...]]):
    """The present fields by their bits: each combination is made once."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        super().__init__()
        self.fields = fields

    def __missing__(self, present: int) -> tuple[Field, ...]:
        fields = tuple(field_ for bit, field_ in enumerate(self.fields) if present >> bit & 1)
        return self.setdefault(present, fields)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
class Archetype:
    """Base of all archetypes: a bundle of component batches that belong together.

    A class that needs more than its fields as arguments writes `__init__` and calls `self._set(...)` with the fields.
    visualizer: the name of the viewer's visualizer for it, if it has one.
    """

    __slots__ = ("_borrowed", "_cells", "_fields")

    _fields: tuple[Field, ...]
    _cells: tuple[Cell, ...]
    _borrowed: bool

    _declared: ClassVar[dict[str, _ArchetypeField]] = {}
    _combinations: ClassVar[_Combinations] = _Combinations(())
    _set: ClassVar[Callable[..., None]]
    _visualizer: ClassVar[str | None] = None
    NAME: ClassVar[str]

    def __init_subclass__(cls, *, visualizer: str | None = None) -> None:
        super().__init_subclass__()
        declared = {name: value for name, value in vars(cls).items() if isinstance(value, _ArchetypeField)}
        cls._visualizer = visualizer or cls._visualizer
        if not declared:
            return  # a subclass of somebody's own
        cls._declared = declared
        cls._combinations = _Combinations(tuple(item.field for item in declared.values()))
        cls.NAME = rerun_name(cls)
        cls._set = _generated_init(declared, cls._combinations, "_set" if "__init__" in vars(cls) else "__init__")
        if "__init__" not in vars(cls):
            cls.__init__ = cls._set  # type: ignore[method-assign,assignment]
        for name, item in declared.items():
            setattr(cls, f"descriptor_{name}", staticmethod(_constant(item.field.descriptor)))

    @classmethod
    def archetype(cls) -> str:
        """The full name, for example `rerun.archetypes.Points3D`."""
        return cls.NAME

    @classmethod
    def archetype_short_name(cls) -> str:
        return cls.NAME.rpartition(".")[2]

    @classmethod
    def from_fields(cls, *, clear_unset: bool = False, **fields: Any) -> Self:
        """Only some of the fields, to update what was logged before; clear_unset: also clear all the others."""
        cls._check_names(fields)
        archetype = cls.__new__(cls)
        archetype._set_forgiving(tuple(fields.get(name) for name in cls._declared), clear_unset)
        return archetype

    @classmethod
    def cleared(cls) -> Self:
        """All fields empty: clears what was logged before."""
        return cls.from_fields(clear_unset=True)

    @classmethod
    def columns(cls, **fields: Any) -> ComponentColumnList:
        """The fields over many rows, for `send_columns`: one instance a row, unless partitioned.

        An array with one more dimension than the field's instances has its rows in its first dimension.
        """
        cls._check_names(fields)
        return ComponentColumnList(
            _column(item, item.batch(cls._forgiving_cell(item, fields[name])), fields[name])
            for name, item in cls._declared.items()
            if fields.get(name) is not None
        )

    def as_component_batches(self) -> list[DescribedComponentBatch]:
        """The given fields in order of declaration, for anything that speaks Rerun's logging protocol."""
        declared = {item.field.descriptor: item for item in self._declared.values()}
        return [
            DescribedComponentBatch(declared[field_.descriptor].batch(cell), field_.descriptor)
            for field_, cell in zip(self._fields, self._cells, strict=True)
        ]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = self.as_component_batches(), other.as_component_batches()
        return self._fields is other._fields and all(
            one.as_arrow_array().equals(another.as_arrow_array()) for one, another in zip(mine, theirs, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = [
            f"  {batch.component_descriptor().component.rpartition(':')[2]}={batch.as_arrow_array().to_pylist()!r}"
            for batch in self.as_component_batches()
        ]
        inner = ",\n".join(fields)
        return f"rr.{type(self).__name__}(\n{inner}\n)" if fields else f"rr.{type(self).__name__}()"

    @classmethod
    def _check_names(cls, fields: dict[str, Any]) -> None:
        for name in fields:
            if name not in cls._declared:
                raise TypeError(f"{cls.__name__} has no field {name!r}: its fields are {', '.join(cls._declared)}")

    def _clear(self) -> None:
        self._fields, self._cells, self._borrowed = (), (), False

    def _set_forgiving(self, values: tuple[Any, ...], clear_unset: bool = False) -> None:
        """Field by field: the slow way, for updates and for when something is wrong with one of them."""
        present, cells, borrowed = 0, [], False
        for bit, (item, value) in enumerate(zip(self._declared.values(), values, strict=True)):
            if value is not None:
                cells.append(self._forgiving_cell(item, value))
                borrowed |= cells[-1] is value
            elif clear_unset:
                cells.append(item.component._storage.empty)
            else:
                continue
            present |= 1 << bit
        self._fields, self._cells, self._borrowed = self._combinations[present], tuple(cells), borrowed

    @classmethod
    def _forgiving_cell(cls, item: _ArchetypeField, value: Any) -> Cell:
        """The cell of `value`; if it is bad, complain and return the empty cell."""
        try:
            return item.cell(value)
        except Exception as error:
            complain(f"{cls.__name__}.{item.name}: {describe(error)}")
            return item.component._storage.empty


def _generated_init(
    declared: dict[str, _ArchetypeField], combinations: _Combinations, name: str
) -> Callable[..., None]:
    namespace: dict[str, Any] = {"combinations": combinations, "ndarray": np.ndarray, "__name__": __name__}
    implications, assignments, parameters = [], [], []
    for bit, item in enumerate(declared.values()):
        namespace[f"cell_of_{item.name}"] = item.cell
        assignments.append(_ASSIGNMENT.format(name=item.name, bit=1 << bit))
        if item.implied:
            by, implied = item.implied
            implications.append(_IMPLICATION.format(name=item.name, by=by, implied=implied))
        if item.kw_only and "*" not in parameters:
            parameters.append("*")
        parameters.append(item.name if item.required and name == "__init__" else f"{item.name}=None")
    source = _INIT.format(
        name=name,
        parameters=", ".join(parameters),
        implications="".join(implications),
        assignments="".join(assignments),
        names=", ".join(declared),
    )
    exec(source, namespace)
    return namespace[name]  # type: ignore[no-any-return]


def _column(item: _ArchetypeField, batch: ComponentBatch, data: Any) -> ComponentColumn:
    """The batch in as many rows as `data` has items, if that comes out even; otherwise one instance a row."""
    instances = len(batch)
    arrow_type = item.field.storage.arrow_type
    lengths = None
    if pa.types.is_primitive(arrow_type) or pa.types.is_fixed_size_list(arrow_type):
        shape = np.shape(data)
        if shape and shape[0] and instances % shape[0] == 0:
            lengths = np.full(shape[0], instances // shape[0])
    return ComponentColumn(item.field.descriptor, batch, lengths=lengths)


def _constant(descriptor: ComponentDescriptor) -> Callable[[], ComponentDescriptor]:
    return lambda: descriptor


class forgiving:
    """Around the body of a hand-written constructor: an exception becomes a warning and no fields, or strict mode
    raises.
    """

    __slots__ = ("_archetype",)

    def __init__(self, archetype: Archetype) -> None:
        self._archetype = archetype

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or strict_mode():
            return False
        self._archetype._clear()
        complain(f"{type(self._archetype).__name__}: {describe(error)}")
        return True


class _ForeignFields(NamedTuple):
    """Fields of component batches that are not of our archetypes, each made once, so that their rows group too."""

    fields: dict[tuple[ComponentDescriptor, str], Field]
    combinations: dict[tuple[int, ...], tuple[Field, ...]]

    def intern(self, descriptor: ComponentDescriptor, arrow_type: pa.DataType) -> Field:
        key = (descriptor, str(arrow_type))
        field_ = self.fields.get(key)
        return field_ or self.fields.setdefault(key, Field(descriptor, Arrow(arrow_type)))

    def combination(self, fields: tuple[Field, ...]) -> tuple[Field, ...]:
        return self.combinations.setdefault(tuple(map(id, fields)), fields)


_foreign = _ForeignFields({}, {})


def as_row(loggable: Any) -> tuple[tuple[Field, ...], tuple[Cell, ...], bool]:
    """Fields, cells and whether a cell is borrowed, of whatever `log` is given.

    That is an archetype, ours or the official SDK's, anything with `as_component_batches()`, a described batch, or an
    iterable of described batches. Raises BadData for anything else.
    """
    if isinstance(loggable, Archetype):
        return loggable._fields, loggable._cells, loggable._borrowed
    fields, cells = [], []
    for batch in _described_batches(loggable):
        array = batch.as_arrow_array()
        if array is None:
            continue
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        fields.append(_foreign.intern(_descriptor(batch), array.type))
        cells.append(array)
    return _foreign.combination(tuple(fields)), tuple(cells), False


def _described_batches(loggable: Any) -> Iterable[Any]:
    if hasattr(loggable, "as_component_batches"):
        return loggable.as_component_batches()  # type: ignore[no-any-return]
    if hasattr(loggable, "component_descriptor"):
        return (loggable,)
    if isinstance(loggable, Iterable) and not isinstance(loggable, str | bytes | np.ndarray):
        batches = list(loggable)
        if all(hasattr(batch, "component_descriptor") for batch in batches):
            return batches
        if all(hasattr(batch, "as_component_batches") for batch in batches):
            return [inner for batch in batches for inner in batch.as_component_batches()]
    raise BadData(
        f"expected an archetype, or component batches with descriptors, got {type(loggable).__name__}: "
        "wrap your data, for example in rr.Scalars(...) or rr.AnyValues(name=...)"
    )


def _descriptor(batch: Any) -> ComponentDescriptor:
    descriptor = batch.component_descriptor()
    if isinstance(descriptor, ComponentDescriptor):
        return descriptor
    return ComponentDescriptor(descriptor.component, descriptor.archetype, descriptor.component_type)
