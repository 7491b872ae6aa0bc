"""Constructors of archetypes: one function for each class, generated from its fields as dataclasses do it.

Compiling them takes longer than all else of importing the SDK, so each is compiled when it is first called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rerund_sdk.batch import Cell, Field

_FUNCTION = """
def {name}(self, {parameters}):
{implications}
    present, cells, borrowed = 0, [], 0
    try:
{assignments}
    except Exception:
        self._set_forgiving(({names},))
        return
    self._fields = combinations[present]
    self._cells = tuple(cells)
    self._borrowed = borrowed
"""
_FUNCTION_OF_ONE = """
def {name}(self, {parameters}):
    if {names} is None:
        self._set_forgiving((None,))
        return
    try:
        cell = cell_of_{names}({names})
    except Exception:
        self._set_forgiving(({names},))
        return
    self._fields = the_fields
    self._cells = (cell,)
    self._borrowed = 1 if cell is {names} and type(cell) is ndarray else 0
"""
_IMPLICATION = """
    if {name} is None and {by} is not None:
        {name} = {value!r}
"""
_ASSIGNMENT = """
        if {name} is not None:
            cell = cell_of_{name}({name})
            if cell is {name} and type(cell) is ndarray:
                borrowed |= 1 << len(cells)
            cells.append(cell)
            present |= {bit}
"""


class Argument(NamedTuple):
    """One field as the constructor sees it."""

    name: str
    required: bool
    kw_only: bool
    cell: Callable[[Any], Cell]
    implied: tuple[str, Any] | None  # its value if only the field of that name is given


class Combinations(dict[int, tuple[Field, ...]]):
    """The fields of an archetype that are present, by their bits. Each combination is made once."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        super().__init__()
        self.fields = fields

    def __missing__(self, present: int) -> tuple[Field, ...]:
        fields = tuple(field for bit, field in enumerate(self.fields) if present >> bit & 1)
        return self.setdefault(present, fields)


def compiled(
    name: str, arguments: list[Argument], combinations: Mapping[int, tuple[Field, ...]]
) -> Callable[..., None]:
    """`__init__`, or for a class with its own `_set`, where all arguments may be left out."""
    form = _FUNCTION_OF_ONE if len(arguments) == 1 else _FUNCTION
    source = form.format(
        name=name,
        parameters=", ".join(_parameters(name, arguments)),
        implications="".join(
            _IMPLICATION.format(name=argument.name, by=argument.implied[0], value=argument.implied[1])
            for argument in arguments
            if argument.implied
        ),
        assignments="".join(
            _ASSIGNMENT.format(name=argument.name, bit=1 << bit) for bit, argument in enumerate(arguments)
        ),
        names=", ".join(argument.name for argument in arguments),
    )
    namespace: dict[str, Any] = {f"cell_of_{argument.name}": argument.cell for argument in arguments}
    namespace |= {"combinations": combinations, "the_fields": combinations[1]}
    namespace |= {"ndarray": np.ndarray, "__name__": __name__}
    exec(source, namespace)
    return namespace[name]  # type: ignore[no-any-return]


def _parameters(name: str, arguments: list[Argument]) -> list[str]:
    positional = [argument for argument in arguments if not argument.kw_only]
    parameters = [*positional, None, *(argument for argument in arguments if argument.kw_only)]
    if parameters[-1] is None:
        parameters.pop()
    return [
        "*"
        if argument is None
        else argument.name
        if argument.required and name == "__init__"
        else f"{argument.name}=None"
        for argument in parameters
    ]


class SignatureAtFirstUse:
    """What `inspect.signature` and `help` ask a class for: the signature of its compiled constructor."""

    def __get__(self, instance: object, owner: Any) -> inspect.Signature:
        owner._compile()
        signature = inspect.signature(owner._set)
        return signature.replace(parameters=list(signature.parameters.values())[1:])
