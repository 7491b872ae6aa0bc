"""What the classes in archetypes/ are made of.

An archetype is a class with fields: `positions: Vec3DArrayLike = field(Position3D)`. Its constructor is generated from
them: it turns each argument into a cell at once, checks it, and keeps fields and cells. That is all that `log` needs.

Rule: the tuple of fields is the same object for the same combination, so that rows can be grouped by identity.
Rule: a bad argument never leaves half a row: its field becomes empty and a warning is given, or strict mode raises.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from typing_extensions import Self, dataclass_transform

from rerund_sdk.batch import Cell, ComponentDescriptor, Field
from rerund_sdk.columns import AsComponents as AsComponents
from rerund_sdk.columns import ComponentColumn, ComponentColumnList, DescribedComponentBatch
from rerund_sdk.constructor import Argument, Combinations, SignatureAtFirstUse, compiled
from rerund_sdk.encoding import ComponentBatch, ComponentType, batch_of, rerun_name
from rerund_sdk.loggable import row_of_batches
from rerund_sdk.storage import TypeStorage, Vectors
from rerund_sdk.strictness import complain, describe, strict_mode

if TYPE_CHECKING:
    from rerund_sdk.blueprint.visualizers import Visualizer

_REQUIRED: Any = object()


class _ArchetypeField:
    """A declared field. On an instance the attribute is its component batch, or None if it was not given."""

    name: str
    field: Field

    def __init__(
        self,
        component: ComponentType,
        required: bool,
        kw_only: bool,
        cell: Callable[[Any], Cell],
        implied: tuple[str, Any] | None,
    ) -> None:
        self.component = component
        self.storage: TypeStorage = component._storage
        self.required = required
        self.kw_only = kw_only
        if cell == component._storage.cell and type(component._storage) is Vectors:
            cell = component._storage.quick_cell()
        self.cell = cell
        self.implied = implied

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        descriptor = ComponentDescriptor(f"{owner.__name__}:{name}", rerun_name(owner), self.component._component_type)
        self.field = Field(descriptor, self.storage)

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
def field(component: ComponentType, *, kw_only: bool = ..., cell: Callable[[Any], Cell] | None = ...) -> Any: ...
@overload
def field(
    component: ComponentType, *, default: None, kw_only: bool = ..., implied_by: str = ..., implied: Any = ...
) -> Any: ...
def field(
    component: ComponentType,
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
    implication = None if implied_by is None else (implied_by, implied)
    return _ArchetypeField(component, default is _REQUIRED, kw_only, cell or component._cell, implication)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
class Archetype:
    """Base of all archetypes: a bundle of component batches that belong together.

    A class that needs other arguments than its fields writes `__init__` and calls `self._set(...)` with the fields.
    """

    __slots__ = ("_borrowed", "_cells", "_fields")

    _fields: tuple[Field, ...]
    _cells: tuple[Cell, ...]
    _borrowed: int

    _declared: ClassVar[dict[str, _ArchetypeField]] = {}
    _combinations: ClassVar[Combinations]
    _set: ClassVar[Callable[..., None]]
    NAME: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._declared = {name: item for name, item in vars(cls).items() if isinstance(item, _ArchetypeField)}
        cls._combinations = Combinations(tuple(item.field for item in cls._declared.values()))
        cls.NAME = rerun_name(cls)

        def compile_and_set(self: Archetype, *args: Any, **kwargs: Any) -> None:
            cls._compile()
            cls._set(self, *args, **kwargs)

        cls._set = compile_and_set
        if "__init__" not in vars(cls) and cls._declared:
            cls.__init__ = compile_and_set  # type: ignore[method-assign,assignment]
            cls.__signature__ = SignatureAtFirstUse()  # type: ignore[attr-defined]
        for name, item in cls._declared.items():
            setattr(cls, f"descriptor_{name}", staticmethod(_constant(item.field.descriptor)))

    @classmethod
    def _compile(cls) -> None:
        generated = "__signature__" in vars(cls)
        arguments = [
            Argument(item.name, item.required, item.kw_only, item.cell, item.implied) for item in cls._declared.values()
        ]
        cls._set = compiled("__init__" if generated else "_set", arguments, cls._combinations)
        if generated:
            cls.__init__ = cls._set  # type: ignore[method-assign]

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
        self._fields, self._cells, self._borrowed = (), (), 0

    def _set_forgiving(self, values: tuple[Any, ...], clear_unset: bool = False) -> None:
        """Field by field: the slow way, for updates and for when something is wrong with one of them."""
        present, borrowed = 0, 0
        cells: list[Cell] = []
        for bit, (item, value) in enumerate(zip(self._declared.values(), values, strict=True)):
            if value is None and clear_unset:
                value = []
            if value is not None:
                cell = self._forgiving_cell(item, value)
                if cell is value:
                    borrowed |= 1 << len(cells)
                cells.append(cell)
                present |= 1 << bit
        self._fields, self._cells, self._borrowed = self._combinations[present], tuple(cells), borrowed

    @classmethod
    def _forgiving_cell(cls, item: _ArchetypeField, value: Any) -> Cell:
        """The cell of `value`; if it is bad, complain and return the empty cell."""
        try:
            return item.cell(value)
        except Exception as error:
            complain(f"{cls.__name__}.{item.name}: {describe(error)}")
            return item.storage.empty


class Visualizable(Archetype):
    """Base of archetypes that the viewer has a visualizer for; visualizer: its name."""

    __slots__ = ()

    _visualizer_type: ClassVar[str]

    def __init_subclass__(cls, *, visualizer: str = "") -> None:
        super().__init_subclass__()
        if visualizer:
            cls._visualizer_type = visualizer

    def visualizer(self, *, mappings: Any = None) -> Visualizer:
        """For the overrides of a view: that visualizer with these fields; mappings: where it takes others from."""
        from rerund_sdk.blueprint.visualizers import Visualizer

        return Visualizer(self._visualizer_type, overrides=self.as_component_batches(), mappings=mappings)


class forgiving:
    """Around the body of a hand-written constructor: an exception becomes a warning and no fields, unless strict."""

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


def as_row(loggable: Any) -> tuple[tuple[Field, ...], tuple[Cell, ...], int]:
    """Fields, cells and which of them are borrowed, of whatever `log` is given.

    That is an archetype, ours or the official SDK's, anything with `as_component_batches()`, a described batch, or an
    iterable of described batches. Raises BadData for anything else.
    """
    if isinstance(loggable, Archetype):
        return loggable._fields, loggable._cells, loggable._borrowed
    return (*row_of_batches(loggable), 0)


def _column(item: _ArchetypeField, batch: ComponentBatch, data: Any) -> ComponentColumn:
    """The batch in as many rows as `data` has items, if that comes out even; otherwise one instance a row."""
    instances = len(batch)
    lengths: npt.NDArray[Any] | None = None
    arrow_type = item.storage.arrow_type
    if pa.types.is_primitive(arrow_type) or pa.types.is_fixed_size_list(arrow_type):
        shape = np.shape(data)
        if shape and shape[0] and instances % shape[0] == 0:
            lengths = np.full(shape[0], instances // shape[0])
    return ComponentColumn(item.field.descriptor, batch, lengths=lengths)


def _constant(descriptor: ComponentDescriptor) -> Callable[[], ComponentDescriptor]:
    return lambda: descriptor
