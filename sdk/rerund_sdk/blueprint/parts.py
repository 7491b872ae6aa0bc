"""The parts of a blueprint: views, containers, panels. Each says which rows of the blueprint store it is.

A row is an entity path of that store and what is logged there; send.py encodes them. Paths of views and containers hold
a random id, so that the same layout sent twice is two layouts.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

from typing_extensions import dataclass_transform

from rerund_sdk.archetype import Archetype
from rerund_sdk.blueprint.visualizers import Visualizer, VisualizerLike, as_visualizer

if TYPE_CHECKING:
    from rerund_sdk.blueprint.api import Blueprint
    from rerund_sdk.columns import AsComponents, DescribedComponentBatch

ViewContentsLike: TypeAlias = Any  # entity path expressions (a text with one a line, or several texts), or ViewContents
Defaults: TypeAlias = "Iterable[AsComponents | Iterable[DescribedComponentBatch]]"
Overrides: TypeAlias = "Mapping[Any, VisualizerLike | Iterable[VisualizerLike]]"


class BlueprintRow(NamedTuple):
    """One row of a blueprint store."""

    path: str
    data: Any  # anything that `log` takes
    static: bool = False


class Part:
    """What a blueprint is made of."""

    def blueprint_path(self) -> str:
        """Its entity path in the blueprint store."""
        raise NotImplementedError

    def blueprint_rows(self) -> Iterator[BlueprintRow]:
        """What is logged for it, and for all parts in it."""
        raise NotImplementedError


class View(Part):
    """A view of some entities. Mirrors `rerun.blueprint.View`; what one uses are the classes in views.py.

    class_identifier: names the kind of view to the viewer.
    origin: the entity path that the view is about; its space's origin.
    contents: which entities it shows, as path expressions, for example `["$origin/**", "- /world/hidden/**"]`.
    properties: archetypes that say how the view looks, by name.
    defaults: component values that hold in the view where the data have none.
    overrides: for entity paths, visualizers to use there, or EntityBehavior, VisibleTimeRanges.
    """

    def __init__(
        self,
        *,
        class_identifier: str,
        origin: Any = "/",
        contents: ViewContentsLike = "$origin/**",
        name: Any = None,
        visible: Any = None,
        titlebar: Any = None,
        properties: Mapping[str, AsComponents] | None = None,
        defaults: Defaults | None = None,
        overrides: Overrides | None = None,
    ) -> None:
        self.id = uuid.uuid4()
        self.class_identifier = class_identifier
        self.origin = origin
        self.contents = contents
        self.name = name
        self.visible = visible
        self.titlebar = titlebar
        self.properties = dict(properties or {})
        self.defaults = list(defaults or [])
        self.visualizer_overrides = dict(overrides or {})

    def blueprint_path(self) -> str:
        return f"view/{self.id}"

    def to_container(self) -> Container:
        from rerund_sdk.blueprint.containers import Tabs

        return Tabs(self)

    def to_blueprint(self) -> Blueprint:
        from rerund_sdk.blueprint.api import Blueprint

        return Blueprint(self)

    def blueprint_rows(self) -> Iterator[BlueprintRow]:
        from rerund_sdk.blueprint.archetypes import ViewBlueprint, ViewContents

        path = self.blueprint_path()
        contents = self.contents
        yield BlueprintRow(
            f"{path}/ViewContents", contents if isinstance(contents, ViewContents) else ViewContents(contents)
        )
        yield BlueprintRow(
            path,
            ViewBlueprint(
                self.class_identifier,
                display_name=self.name,
                space_origin=self.origin,
                visible=self.visible,
                titlebar=self.titlebar,
            ),
        )
        for name, archetype in self.properties.items():
            yield BlueprintRow(f"{path}/{name}", archetype)
        for default in self.defaults:
            yield BlueprintRow(f"{path}/defaults", default)
        for entity_path, overrides in self.visualizer_overrides.items():
            yield from self._override_rows(str(entity_path), overrides)

    def _override_rows(
        self, entity_path: str, overrides: VisualizerLike | Iterable[VisualizerLike]
    ) -> Iterator[BlueprintRow]:
        from rerund_sdk.blueprint.archetypes import ActiveVisualizers

        path = f"{self.blueprint_path()}/ViewContents/overrides/{entity_path.removeprefix('/')}/visualizers"
        active: list[Visualizer] = []
        for override in overrides if isinstance(overrides, Iterable) else [overrides]:
            visualizer = as_visualizer(override)
            if visualizer is None:
                yield BlueprintRow(path, override)
            else:
                yield from visualizer.rows(path)
                active.append(visualizer)
        if active:
            yield BlueprintRow(path, ActiveVisualizers([visualizer.id.bytes for visualizer in active]))


def view_property(archetype: type[Archetype]) -> Any:
    """Declares an argument of a view: an archetype, or what its constructor takes as first argument."""
    return _ViewProperty(archetype)


class _ViewProperty(NamedTuple):
    archetype: type[Archetype]


@dataclass_transform(kw_only_default=True, eq_default=False)
class _DeclarativeView(View):
    """What makes a class statement a view. Its own attributes are no arguments to type checkers, those below are."""

    _identifier: ClassVar[str]
    _properties: ClassVar[dict[str, type[Archetype]]]

    def __init_subclass__(cls, *, identifier: str) -> None:
        super().__init_subclass__()
        cls._identifier = identifier
        cls._properties = {
            name: value.archetype for name, value in vars(cls).items() if isinstance(value, _ViewProperty)
        }

    if not TYPE_CHECKING:  # type checkers make the signature from the declarations

        def __init__(self, **arguments: Any) -> None:
            properties = {}
            for name, archetype in self._properties.items():
                value = arguments.pop(name, None)
                if value is not None:
                    properties[archetype.__name__] = value if isinstance(value, archetype) else archetype(value)
            super().__init__(class_identifier=self._identifier, properties=properties, **arguments)


class DeclaredView(_DeclarativeView, identifier=""):
    """Base of the views in views.py: a class statement says its identifier and its properties, the rest is here."""

    origin: Any = "/"
    contents: ViewContentsLike = "$origin/**"
    name: Any = None
    visible: Any = None
    titlebar: Any = None
    defaults: Any = None
    overrides: Any = None


class Container(Part):
    """Arranges views and containers. Mirrors `rerun.blueprint.Container`; see containers.py for the kinds."""

    def __init__(
        self,
        *args: Container | View,
        contents: Iterable[Container | View] | None = None,
        kind: Any,
        column_shares: Any = None,
        row_shares: Any = None,
        grid_columns: int | None = None,
        active_tab: int | str | None = None,
        name: Any = None,
        visible: Any = None,
    ) -> None:
        if args and contents is not None:
            raise ValueError("a container takes its contents as positional arguments or as contents=, not both")
        self.id = uuid.uuid4()
        self.contents = args if contents is None else tuple(contents)
        self.kind = kind
        self.column_shares = column_shares
        self.row_shares = row_shares
        self.grid_columns = grid_columns
        self.active_tab = active_tab
        self.name = name
        self.visible = visible

    def blueprint_path(self) -> str:
        return f"container/{self.id}"

    def to_container(self) -> Container:
        return self

    def to_blueprint(self) -> Blueprint:
        from rerund_sdk.blueprint.api import Blueprint

        return Blueprint(self)

    def blueprint_rows(self) -> Iterator[BlueprintRow]:
        from rerund_sdk.blueprint.archetypes import ContainerBlueprint

        for part in self.contents:
            yield from part.blueprint_rows()
        yield BlueprintRow(
            self.blueprint_path(),
            ContainerBlueprint(
                self.kind,
                display_name=self.name,
                contents=[part.blueprint_path() for part in self.contents],
                col_shares=self.column_shares,
                row_shares=self.row_shares,
                active_tab=self._active_path(),
                visible=self.visible,
                grid_columns=self.grid_columns,
            ),
        )

    def _active_path(self) -> str | None:
        """The path of the active tab, which is given by number, or by the name of a view.

        By default it is the last view without a name, in every kind of container: so does Rerun.
        """
        paths = [
            part.blueprint_path()
            for number, part in enumerate(self.contents)
            if number == self.active_tab or (isinstance(part, View) and part.name == self.active_tab)
        ]
        if not paths and self.active_tab is not None:
            raise ValueError(f"active_tab={self.active_tab!r} is neither the number nor the name of a view in it")
        return paths[-1] if paths else None


class Panel(Part):
    """A panel around the views.

    expanded: whether it is open. state: the same as a PanelState, or `hidden`; not both.
    """

    _path: ClassVar[str]

    def __init__(self, *, expanded: bool | None = None, state: Any = None) -> None:
        if expanded is not None and state is not None:
            raise ValueError("a panel takes expanded= or state=, not both")
        self.state = state if expanded is None else ("expanded" if expanded else "collapsed")

    def blueprint_path(self) -> str:
        return self._path

    def blueprint_rows(self) -> Iterator[BlueprintRow]:
        from rerund_sdk.blueprint.archetypes import PanelBlueprint

        yield BlueprintRow(self._path, PanelBlueprint(state=self.state))
