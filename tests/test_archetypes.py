"""Archetypes against the official SDK: the same call gives the same components, Arrow types and values."""

from __future__ import annotations

import inspect
from collections import Counter
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
import rerun

import rerund_sdk.archetypes
import rerund_sdk.blueprint.archetypes
import rerund_sdk.blueprint.components
import rerund_sdk.blueprint.encodings
import rerund_sdk.components
import rerund_sdk.encodings
from tests.archetype_cases import COLUMNS, OF_COMPONENT, OF_ENCODING, Case, construction_paths
from tests.oracle import batches, official, ours, outcome, rows, without_metadata

MODULES: dict[str, tuple[ModuleType, ModuleType]] = {
    "archetypes": (rerun.archetypes, rerund_sdk.archetypes),
    "components": (rerun.components, rerund_sdk.components),
    "encodings": (rerun.encodings, rerund_sdk.encodings),
    "blueprint.archetypes": (rerun.blueprint.archetypes, rerund_sdk.blueprint.archetypes),
    "blueprint.components": (rerun.blueprint.components, rerund_sdk.blueprint.components),
    "blueprint.encodings": (rerun.blueprint.encodings, rerund_sdk.blueprint.encodings),
}
ARCHETYPES = [
    (kind, name)
    for kind in ("archetypes", "blueprint.archetypes")
    for name in sorted(MODULES[kind][0].__all__)
    if inspect.isclass(getattr(MODULES[kind][0], name))
]
FIELDS = [
    (kind, name, field.name)
    for kind, name in ARCHETYPES
    for field in attrs.fields(getattr(MODULES[kind][0], name))
    if "component" in field.metadata
]


# Its constructor takes them, but the official SDK cannot turn them into Arrow.
OFFICIALLY_MISSING = {("McapStatistics", "channel_message_counts")}
# Without these the official archetype complains of a field that was not given.
COMPANIONS = {"BarChart": {"values": [1, 2, 3]}}


def samples(component_type: str) -> list[Case]:
    """What may be given for a component: by its own name, or by that of the encoding it is of."""
    *package, name = component_type.split(".")
    if name in OF_COMPONENT:
        return OF_COMPONENT[name]
    component = getattr(MODULES[".".join(package[1:])][0], name)
    names = [base.__name__ for base in component.__mro__ if base.__name__ in OF_ENCODING]
    return OF_ENCODING[names[0]]


def public_classes(module: ModuleType) -> set[str]:
    return {name for name in module.__all__ if inspect.isclass(getattr(module, name))}


@pytest.mark.parametrize("kind", MODULES)
def test_every_class_of_the_catalogue_is_there(kind: str) -> None:
    theirs, mine = MODULES[kind]
    missing = sorted(name for name in theirs.__all__ if not hasattr(mine, name))
    assert missing == []


@pytest.mark.parametrize("kind", MODULES)
def test_there_is_nothing_that_the_catalogue_lacks(kind: str) -> None:
    theirs, mine = MODULES[kind]
    extra = {name for name, value in vars(mine).items() if inspect.isclass(value) and not name.startswith("_")}
    assert extra - set(theirs.__all__) - {"Box2DFormat"} == set()


@pytest.mark.parametrize("kind", [kind for kind in MODULES if "archetypes" not in kind])
def test_arrow_types_and_names_are_those_of_the_catalogue(kind: str) -> None:
    theirs, mine = MODULES[kind]
    batch_classes = [name for name in public_classes(theirs) if name.endswith("Batch")]
    for name in batch_classes:
        their_class, my_class = getattr(theirs, name), getattr(mine, name)
        assert my_class._of._storage.arrow_type == without_metadata(their_class._ARROW_DATATYPE), name
        if "components" in kind:
            assert my_class([]).component_type() == their_class._COMPONENT_TYPE
    print(f"{kind}: {len(batch_classes)} of {len(batch_classes)} Arrow types equal")


@pytest.mark.parametrize("kind", MODULES)
def test_enums_have_the_members_of_the_catalogue(kind: str) -> None:
    theirs, mine = MODULES[kind]
    enums = [name for name in public_classes(theirs) if issubclass(getattr(theirs, name), Enum)]
    for name in enums:
        members = {member.name: member.value for member in getattr(theirs, name)}
        assert {member.name: member.value for member in getattr(mine, name)} == members


@pytest.mark.parametrize(("kind", "name"), ARCHETYPES)
def test_constructors_have_the_official_signature(kind: str, name: str) -> None:
    theirs, mine = (getattr(module, name) for module in MODULES[kind])

    def parameters(cls: Any) -> tuple[list[Any], set[Any]]:
        signature = [p for p in inspect.signature(cls).parameters.values() if p.name != "self"]
        described = [(p.name, p.kind, p.default is inspect.Parameter.empty) for p in signature]
        positional = [item for item in described if item[1] is not inspect.Parameter.KEYWORD_ONLY]
        return positional, set(described) - set(positional)

    assert parameters(mine) == parameters(theirs)


@pytest.mark.parametrize(("kind", "name"), ARCHETYPES)
def test_fields_are_the_official_ones_in_their_order(kind: str, name: str) -> None:
    theirs, mine = (getattr(module, name) for module in MODULES[kind])
    found, expected = batches(mine.cleared()), outcome(lambda: batches(theirs.cleared()))
    if (name, found[-1].component.partition(":")[2]) in OFFICIALLY_MISSING:
        found.pop(), expected.value.pop()
    assert found == expected.value
    assert mine.archetype() == theirs.archetype()
    assert mine.archetype_short_name() == theirs.archetype_short_name()


@pytest.mark.parametrize(("kind", "archetype", "field"), FIELDS)
def test_field_takes_what_the_official_one_takes(kind: str, archetype: str, field: str) -> None:
    theirs, mine = (getattr(module, archetype) for module in MODULES[kind])
    companions = COMPANIONS.get(archetype, {})
    descriptor = getattr(theirs, f"descriptor_{field}")()
    cases = samples(descriptor.component_type)
    compared = 0
    for number, case in enumerate(cases):
        expected = outcome(lambda case=case: batches(theirs.from_fields(**companions | {field: case(official)})))
        found = outcome(lambda case=case: batches(mine.from_fields(**companions | {field: case(ours)})))
        if expected.kind == "ok":
            assert (number, found.kind, found.messages) == (number, "ok", [])
            assert (number, found.value) == (number, expected.value)
            compared += 1
    COMPARED["fields"][kind, archetype, field] = compared
    assert compared or (archetype, field) in OFFICIALLY_MISSING, (
        "no sample of this component is taken by the official SDK"
    )
    assert getattr(mine, f"descriptor_{field}")() == (
        descriptor.component,
        descriptor.archetype,
        descriptor.component_type,
    )


@pytest.fixture(scope="module")
def png(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "some.png"
    path.write_bytes(b"not really a picture")
    return path


CONSTRUCTION_PATHS = construction_paths(Path("unused"))
COMPARED: dict[str, Counter[Any]] = {"fields": Counter(), "construction paths": Counter(), "columns": Counter()}


@pytest.mark.parametrize("name", CONSTRUCTION_PATHS)
def test_construction_path_gives_the_official_data(name: str, png: Path) -> None:
    case = construction_paths(png)[name]
    assert batches(case(ours)) == batches(case(official))
    COMPARED["construction paths"][name] += 1


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_give_the_official_rows(name: str) -> None:
    assert rows(COLUMNS[name](ours)) == rows(COLUMNS[name](official))
    COMPARED["columns"][name] += 1


def test_all_of_the_catalogue_was_compared() -> None:
    """Runs last; says N of N."""
    kinds = {"fields": FIELDS, "construction paths": CONSTRUCTION_PATHS, "columns": COLUMNS}
    for kind, cases in kinds.items():
        done = sorted(COMPARED[kind])
        print(f"{kind}: {len(done)} of {len(cases)} equal in {sum(COMPARED[kind].values())} calls")
    assert len(ARCHETYPES) == 98
