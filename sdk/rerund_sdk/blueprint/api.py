"""The layout of a viewer: what it shows, and how. Mirrors `rerun.blueprint.api`."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from rerund_sdk.blueprint.panels import BlueprintPanel, SelectionPanel, TimePanel, TopPanel
from rerund_sdk.blueprint.parts import BlueprintRow, Container, Panel, Part, View, ViewContentsLike
from rerund_sdk.blueprint.visualizers import VisualizableArchetype, Visualizer, VisualizerLike

__all__ = [
    "Blueprint",
    "BlueprintLike",
    "BlueprintPanel",
    "BlueprintPart",
    "Container",
    "ContainerLike",
    "Panel",
    "SelectionPanel",
    "TimePanel",
    "TopPanel",
    "View",
    "ViewContentsLike",
    "VisualizableArchetype",
    "Visualizer",
    "VisualizerLike",
]

ContainerLike: TypeAlias = "Container | View"
BlueprintPart: TypeAlias = "ContainerLike | TopPanel | BlueprintPanel | SelectionPanel | TimePanel"


class Blueprint:
    """A whole layout: one container or view, or several (shown as tabs), and panels, at most one of each kind.

    auto_layout, auto_views: whether the viewer may arrange and add views itself. Default: only if there is none here.
    collapse_panels: close the panels that are not given.
    """

    def __init__(
        self,
        *parts: BlueprintPart,
        auto_layout: bool | None = None,
        auto_views: bool | None = None,
        collapse_panels: bool = False,
    ) -> None:
        contents: list[ContainerLike] = []
        for part in parts:
            if isinstance(part, (Container, View)):
                contents.append(part)
            elif isinstance(part, (TopPanel, BlueprintPanel, SelectionPanel, TimePanel)):
                self._add_panel(part)
            else:
                raise ValueError(f"a blueprint is made of views, containers and panels, not of {type(part).__name__}")
        self.collapse_panels = collapse_panels
        self.auto_layout = not contents or None if auto_layout is None else auto_layout
        self.auto_views = not contents or None if auto_views is None else auto_views
        if len(contents) == 1:
            self.root_container = contents[0].to_container()
        elif contents:
            from rerund_sdk.blueprint.containers import Tabs

            self.root_container = Tabs(contents=contents)

    def _add_panel(self, panel: Panel) -> None:
        if hasattr(self, panel.blueprint_path()):
            raise ValueError(f"a blueprint can have only one {type(panel).__name__}")
        setattr(self, panel.blueprint_path(), panel)  # as `self.time_panel` and so on

    def to_blueprint(self) -> Blueprint:
        return self

    def blueprint_rows(self) -> Iterator[BlueprintRow]:
        """All rows of the blueprint store, in the order in which they are logged."""
        from rerund_sdk.blueprint.archetypes import ViewportBlueprint

        root: Container | None = getattr(self, "root_container", None)
        if root is not None:
            yield from root.blueprint_rows()
        viewport = ViewportBlueprint(
            root_container=None if root is None else root.id.bytes,
            auto_layout=self.auto_layout,
            auto_views=self.auto_views,
        )
        yield BlueprintRow("viewport", viewport)
        for panel in self._panels():
            yield from panel.blueprint_rows()

    def _panels(self) -> Iterator[Part]:
        for kind in (TopPanel, BlueprintPanel, SelectionPanel, TimePanel):
            panel: Part | None = getattr(self, kind._path, None)
            if panel is None and self.collapse_panels and kind is not TopPanel:
                panel = kind(state="collapsed")
            if panel is not None:
                yield panel

    def save(self, application_id: str, path: str | PathLike[str] | None = None) -> None:
        """Write it to a .rbl file, which any viewer opens. Default: named after the application."""
        from rerund_sdk.blueprint.send import save

        save(self, application_id, Path(path if path is not None else f"{application_id}.rbl"))

    def connect_grpc(
        self, application_id: str, *, url: str | None = None, make_active: bool = True, make_default: bool = True
    ) -> None:
        """Send it to the viewer or server at `url` (default: this machine's), for the recordings of an application.

        make_active: show it now. make_default: show it at the viewer's "reset to default".
        """
        from rerund_sdk.blueprint.send import connect_grpc

        connect_grpc(self, application_id, url, make_active=make_active, make_default=make_default)

    def spawn(
        self,
        application_id: str,
        *,
        port: int = 9876,
        memory_limit: str = "75%",
        hide_welcome_screen: bool = False,
        detach_process: bool = True,
    ) -> None:
        """Start a viewer, or use the one that listens on `port`, and send it there."""
        from rerund_sdk.blueprint.send import spawn

        del hide_welcome_screen  # it is not shown anyhow
        spawn(self, application_id, port=port, memory_limit=memory_limit, detach_process=detach_process)


BlueprintLike: TypeAlias = "Blueprint | View | Container"
