"""The kinds of containers. Mirrors `rerun.blueprint.containers`.

Every container takes its contents as positional arguments or as `contents=`, and `name` and `visible`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rerund_sdk.blueprint.parts import Container, View


class Horizontal(Container):
    """Side by side. column_shares: relative widths."""

    def __init__(
        self,
        *args: Container | View,
        contents: Iterable[Container | View] | None = None,
        column_shares: Any = None,
        name: Any = None,
        visible: Any = None,
    ) -> None:
        super().__init__(
            *args, contents=contents, kind="horizontal", column_shares=column_shares, name=name, visible=visible
        )


class Vertical(Container):
    """One above the other. row_shares: relative heights."""

    def __init__(
        self,
        *args: Container | View,
        contents: Iterable[Container | View] | None = None,
        row_shares: Any = None,
        name: Any = None,
        visible: Any = None,
    ) -> None:
        super().__init__(*args, contents=contents, kind="vertical", row_shares=row_shares, name=name, visible=visible)


class Grid(Container):
    """In rows and columns. grid_columns: how many columns; by default as it fits best."""

    def __init__(
        self,
        *args: Container | View,
        contents: Iterable[Container | View] | None = None,
        column_shares: Any = None,
        row_shares: Any = None,
        grid_columns: int | None = None,
        name: Any = None,
        visible: Any = None,
    ) -> None:
        super().__init__(
            *args,
            contents=contents,
            kind="grid",
            column_shares=column_shares,
            row_shares=row_shares,
            grid_columns=grid_columns,
            name=name,
            visible=visible,
        )


class Tabs(Container):
    """One at a time. active_tab: which one is shown first, by number or by the name of a view."""

    def __init__(
        self,
        *args: Container | View,
        contents: Iterable[Container | View] | None = None,
        active_tab: int | str | None = None,
        name: Any = None,
        visible: Any = None,
    ) -> None:
        super().__init__(*args, contents=contents, kind="tabs", active_tab=active_tab, name=name, visible=visible)
