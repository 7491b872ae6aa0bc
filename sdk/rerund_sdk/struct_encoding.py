"""Encodings made of named members: Arrow structs. Declared by their members, which also give the Arrow type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from typing_extensions import Self

from rerund_sdk import arrow
from rerund_sdk.batch import Cell
from rerund_sdk.encoding import Component, Declared, Encoding, to_arrow
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Arrow, Numbers, Text, arrow_given, shown


class Member(NamedTuple):
    """One member of a struct: an instance of `of`; or, if optional, perhaps none; or, if many, a list of them."""

    name: str
    of: Declared
    optional: bool = False
    many: bool = False

    @property
    def arrow_field(self) -> pa.Field[Any]:
        item = self.of._storage.arrow_type
        arrow_type = pa.list_(pa.field("item", item, nullable=False)) if self.many else item
        return pa.field(self.name, arrow_type, nullable=self.optional)

    def to_arrow(self, values: Sequence[Any]) -> pa.Array[Any]:
        """This member of many structs."""
        if self.many:
            lists = [list(value) for value in values]
            items = to_arrow(self.of, list(chain.from_iterable(lists)))
            return arrow.lists(self.arrow_field.type, map(len, lists), items)
        if None not in values:
            return to_arrow(self.of, values)
        storage = self.of._storage
        if isinstance(storage, Text):
            return arrow.strings([None if value is None else str(value) for value in values])
        assert isinstance(storage, Numbers)  # nothing else is optional in the catalogue
        numbers = np.zeros(len(values), storage.dtype)
        valid = np.array([value is not None for value in values])
        numbers[valid] = self.of._cell([value for value in values if value is not None])
        return arrow.numbers(storage.arrow_type, numbers, valid)


class Struct(Encoding):
    """Base of encodings with members. `_taken` makes an instance of the other things that a subclass takes."""

    _members: ClassVar[tuple[Member, ...]]

    def __init_subclass__(cls, *, members: tuple[Member, ...] = (), **keywords: Any) -> None:
        if members:
            cls._members = members
            arrow_type = pa.struct([member.arrow_field for member in members])
            keywords = {"storage": Arrow(arrow_type), "cell": cls._struct_cell, **keywords}
        super().__init_subclass__(**keywords)

    @classmethod
    def _struct_cell(cls, data: Any) -> Cell:
        if (array := arrow_given(data, cls._storage.arrow_type)) is not None:
            return array
        if isinstance(data, cls):
            return cls._array([data])
        if isinstance(data, Sequence) and not isinstance(data, str):
            return cls._array([cls._taken(item) for item in data])
        return cls._array([cls._taken(data)])

    @classmethod
    def _array(cls, instances: Sequence[Self]) -> pa.Array[Any]:
        members = [
            member.to_arrow([getattr(instance, member.name) for instance in instances]) for member in cls._members
        ]
        return pa.StructArray.from_arrays(members, fields=list(cls._storage.arrow_type))

    @classmethod
    def _taken(cls, data: Any) -> Self:
        if isinstance(data, cls):
            return data
        raise BadData(f"expected {cls.__name__}, got {shown(data)}")


class StructLists(Arrow):
    """A list of structs an instance.

    one: the structs of one instance, from what a caller gave; many: those of many, by default of the only one, unless
    it is a list of components.
    """

    def __init__(
        self,
        item: type[Struct],
        one: Callable[[Any], Sequence[Struct]],
        many: Callable[[Any], Sequence[Sequence[Struct]]] | None = None,
    ) -> None:
        super().__init__(pa.list_(pa.field("item", item._storage.arrow_type, nullable=False)))
        self.item = item
        self.one = one
        self.many = many or self._components_or_one

    def cell(self, data: Any) -> Cell:
        if not isinstance(data, Component) and (array := arrow_given(data, self.arrow_type)) is not None:
            return array
        lists = self.many(data)
        return arrow.lists(self.arrow_type, map(len, lists), self.item._array(list(chain.from_iterable(lists))))

    def _components_or_one(self, data: Any) -> Sequence[Sequence[Struct]]:
        if isinstance(data, list | tuple) and data and isinstance(data[0], Component):
            return [self.one(item) for item in data]
        return [self.one(data)]
