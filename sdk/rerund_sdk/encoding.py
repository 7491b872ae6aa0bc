"""What the classes in encodings/ and components/ are made of.

An *encoding* is a type of value: how it is constructed, its Arrow type, and how what callers give becomes cells. A
*component* is an encoding with a meaning and a name, such as `rerun.components.Radius`. A *batch* is many instances.
To declare one: `class Float32(Number, storage=Numbers(np.float32))`, then `Float32Batch = batch_of(Float32)`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, ClassVar, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from typing_extensions import Self

from rerund_sdk.batch import Cell
from rerund_sdk.columns import ComponentBatchMixin
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Numbers, TypeStorage, arrow_given, shown
from rerund_sdk.strictness import complain, describe

_Choice = TypeVar("_Choice", bound="Choice")


def rerun_name(cls: type) -> str:
    """The name of `cls` in Rerun's catalogue: `rerund_sdk.components.spatial.Radius` is `rerun.components.Radius`."""
    return ".".join(["rerun", *cls.__module__.split(".")[1:-1], cls.__name__])


class Encoding:
    """Base of all encodings that are not enums.

    storage: how instances are kept and become Arrow; cell: turns what callers give into a cell, by default the
    storage's.
    """

    _storage: ClassVar[TypeStorage]
    _cell: ClassVar[Callable[[Any], Cell]]

    def __init_subclass__(
        cls, *, storage: TypeStorage | None = None, cell: Callable[[Any], Cell] | None = None
    ) -> None:
        super().__init_subclass__()
        if storage is not None:
            cls._storage = storage
            cls._cell = staticmethod(cell or storage.cell)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = vars(self), vars(other)
        return mine.keys() == theirs.keys() and all(np.array_equal(mine[key], theirs[key]) for key in mine)

    def __hash__(self) -> int:
        return hash((type(self), repr(self)))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({values})"


class Component(Encoding):
    """Mixin that gives an encoding its meaning. A single component is also a batch of one instance."""

    _component_type: ClassVar[str]

    def __init_subclass__(
        cls, *, storage: TypeStorage | None = None, cell: Callable[[Any], Cell] | None = None
    ) -> None:
        super().__init_subclass__(storage=storage, cell=cell)
        cls._component_type = rerun_name(cls)

    @classmethod
    def component_type(cls) -> str:
        return cls._component_type

    @classmethod
    def arrow_type(cls) -> pa.DataType:
        return cls._storage.arrow_type

    def as_arrow_array(self) -> pa.Array[Any]:
        return to_arrow(type(self), [self])


class Choice(Enum):
    """Base of the enums. Members are also given by name, in any case, or by number."""

    _storage: ClassVar[TypeStorage]
    _numbers: ClassVar[Numbers]
    _cell: ClassVar[Callable[[Any], Cell]]
    _component_type: ClassVar[str]

    def __init_subclass__(cls, *, dtype: npt.DTypeLike = np.uint8) -> None:
        super().__init_subclass__()
        cls._storage = cls._numbers = Numbers(dtype)
        cls._cell = staticmethod(cls._chosen)
        if ".components." in cls.__module__:
            cls._component_type = rerun_name(cls)

    @classmethod
    def auto(cls: type[_Choice], val: str | int | _Choice) -> _Choice:
        """The member that `val` is, names or numbers."""
        if isinstance(val, cls):
            return val
        try:
            if isinstance(val, str):
                by_name = {name.lower(): member for name, member in cls.__members__.items()}
                return by_name[val.lower()]
            return cls(int(val))  # type: ignore[arg-type]
        except (KeyError, ValueError, TypeError):
            names = ", ".join(cls.__members__)
            raise BadData(f"{shown(val)} is no {cls.__name__}: choose one of {names}") from None

    @classmethod
    def _chosen(cls, data: Any) -> Cell:
        if isinstance(data, cls | str | int | np.integer):
            return cls.auto(data).value  # type: ignore[arg-type]
        if (array := arrow_given(data, cls._storage.arrow_type)) is not None:
            return cls._storage.from_arrow(array)
        try:
            members = [cls.auto(item).value for item in data]
        except TypeError:
            return cls.auto(data).value  # to complain of it
        return cls._numbers.cell(np.array(members, cls._numbers.dtype))

    def __str__(self) -> str:
        return self.name

    __hash__ = object.__hash__  # members are only equal to themselves; Enum's own is slow, and images need two


Declared: TypeAlias = type[Encoding] | type[Choice]
ComponentType: TypeAlias = type[Component] | type[Choice]


def to_arrow(declared: Declared, data: Any) -> pa.Array[Any]:
    """`data` as an Arrow array of instances of `declared`. Raises BadData."""
    return declared._storage.column([declared._cell(data)])[0]


class Batch:
    """Many instances of one encoding, as Arrow.

    data: whatever the encoding takes, or None for no instances; strict: raise an exception for bad data, or warn and be
    empty; by default as `set_strict_mode` says.
    """

    _of: ClassVar[Declared]

    def __init__(self, data: Any, strict: bool | None = None) -> None:
        storage = self._of._storage
        try:
            self._cell: Cell = storage.empty if data is None else storage.owned(self._of._cell(data))
        except Exception as error:
            if strict:
                raise
            complain(f"{type(self).__name__}: {describe(error)}")
            self._cell = storage.empty

    @classmethod
    def _holding(cls, cell: Cell) -> Self:
        batch = cls.__new__(cls)
        batch._cell = cell
        return batch

    def as_arrow_array(self) -> pa.Array[Any]:
        return self._of._storage.column([self._cell])[0]

    @property
    def pa_array(self) -> pa.Array[Any]:
        return self.as_arrow_array()

    def __len__(self) -> int:
        return len(self.as_arrow_array())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Batch):
            return NotImplemented
        return bool(self.as_arrow_array().equals(other.as_arrow_array()))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.as_arrow_array().to_pylist()!r})"


class ComponentBatch(Batch, ComponentBatchMixin):
    """Many instances of one component."""


@overload
def batch_of(declared: ComponentType) -> type[ComponentBatch]: ...
@overload
def batch_of(declared: Declared) -> type[Batch]: ...
def batch_of(declared: Declared) -> type[Batch]:
    """The batch class of an encoding or component, made once."""
    batch: type[Batch] | None = vars(declared).get("_BATCH_TYPE")
    if batch is None:
        component_type = getattr(declared, "_component_type", None)
        base = Batch if component_type is None else ComponentBatch
        members = {
            "_of": declared,
            "_ARROW_DATATYPE": declared._storage.arrow_type,
            "_COMPONENT_TYPE": component_type,
            "__module__": declared.__module__,
        }
        batch = type(f"{declared.__name__}Batch", (base,), members)
        declared._BATCH_TYPE = batch  # type: ignore[union-attr]
    return batch
