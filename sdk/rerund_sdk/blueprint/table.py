"""How a viewer shows a table: which columns, as rows or as cards, filtered and sorted.

Mirrors `rerun.blueprint.table`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal, cast

from rerund_sdk.batch import ComponentDescriptor
from rerund_sdk.blueprint import archetypes
from rerund_sdk.blueprint.archetypes import PreviewsConfig as PreviewsConfig
from rerund_sdk.blueprint.encodings import ColumnType as ColumnType
from rerund_sdk.blueprint.encodings import SortBy as SortBy
from rerund_sdk.blueprint.parts import BlueprintRow, View
from rerund_sdk.blueprint.table_filters import Filter as Filter
from rerund_sdk.blueprint.table_filters import FilterColumn as FilterColumn
from rerund_sdk.blueprint.table_filters import ListFilters as ListFilters
from rerund_sdk.blueprint.table_filters import StringFilters as StringFilters
from rerund_sdk.blueprint.table_filters import col as col
from rerund_sdk.entity_path import escape_part


class PreviewCell:
    """Shows views of the recording that a cell names, instead of its text."""

    def __init__(self, *views: View) -> None:
        if not views:
            raise ValueError("PreviewCell needs at least one view")
        for view in views:
            if not isinstance(view, View):
                raise TypeError(f"PreviewCell takes views, not {type(view).__name__}")
        self.views = views


@dataclass(frozen=True)
class Column:
    """One column of the table, or one field of its cards.

    source: its name in the data. name: its title. column_type: how its values are shown: a component class, the name of
    a component type, a ComponentDescriptor, or PreviewCell.
    """

    source: str
    name: str | None = field(default=None, kw_only=True)
    editable: bool | None = field(default=None, kw_only=True)
    column_type: Any = field(default=None, kw_only=True)
    visible: bool | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_type("Column.source", self.source, str)
        if not self.source:
            raise ValueError("Column.source must not be empty")
        for option, kind in (("name", str), ("editable", bool), ("visible", bool)):
            _check_optional(f"Column.{option}", getattr(self, option), kind)
        self._type()

    def _type(self) -> ColumnType | None:
        kind = self.column_type
        if kind is None or isinstance(kind, PreviewCell):
            return None
        if isinstance(kind, str):
            if not kind:
                raise ValueError("Column.column_type must not be empty")
            return ColumnType(component_type_name=kind)
        if isinstance(kind, ComponentDescriptor):
            return ColumnType(component=kind.component, component_type_name=kind.component_type)
        if isinstance(kind, type) and callable(getattr(kind, "component_type", None)):
            return ColumnType(component_type_name=kind.component_type())  # type: ignore[attr-defined]
        raise TypeError(
            "Column.column_type is a component class, the name of a component type, a ComponentDescriptor or a "
            f"PreviewCell, not {kind!r}"
        )

    def views(self) -> Sequence[View]:
        """The views that the column's cells show."""
        return self.column_type.views if isinstance(self.column_type, PreviewCell) else ()

    def rows(self, path: str) -> Iterator[BlueprintRow]:
        column = archetypes.TableColumn(
            name=self.name, editable=self.editable, visible=self.visible, column_type=self._type()
        )
        yield BlueprintRow(path, column)
        if self.views():
            yield BlueprintRow(path, archetypes.TableColumnPreview([view.blueprint_path() for view in self.views()]))


@dataclass(frozen=True, kw_only=True)
class TableLayout:
    """Rows and columns; all columns if none are given."""

    columns: Sequence[Column] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", _checked_columns("TableLayout.columns", self.columns))


@dataclass(frozen=True, kw_only=True)
class CardLayout:
    """A card for each row. title, link: columns that hold a card's title and address."""

    title: str | None = None
    link: str | None = None
    fields: Sequence[Column] = ()

    def __post_init__(self) -> None:
        for option in ("title", "link"):
            _check_optional(f"CardLayout.{option}", getattr(self, option), str)
            if getattr(self, option) == "":
                raise ValueError(f"CardLayout.{option} must not be empty")
        object.__setattr__(self, "fields", _checked_columns("CardLayout.fields", self.fields))


@dataclass(frozen=True, kw_only=True)
class TableBlueprint:
    """A layout for tables. filters: see table_filters.py; sort_by: a column, or SortBy."""

    table_layout: TableLayout | None = None
    card_layout: CardLayout | None = None
    default_layout: Literal["table", "cards"] | None = None
    column_display_mode: Any = None
    previews_config: PreviewsConfig | None = None
    filters: Sequence[Filter | str] = ()
    sort_by: str | SortBy | None = None

    def __post_init__(self) -> None:
        if isinstance(self.filters, (str, Filter)):
            raise TypeError("TableBlueprint.filters is a list of filters, not a single one")
        filters = tuple(entry if isinstance(entry, Filter) else Filter(entry) for entry in self.filters)
        object.__setattr__(self, "filters", filters)
        _check_optional("TableBlueprint.table_layout", self.table_layout, TableLayout)
        _check_optional("TableBlueprint.card_layout", self.card_layout, CardLayout)
        _check_optional("TableBlueprint.previews_config", self.previews_config, PreviewsConfig)
        _check_optional("TableBlueprint.default_layout", self.default_layout, str)
        if self.default_layout not in (None, "table", "cards"):
            raise ValueError(f"TableBlueprint.default_layout is {self.default_layout!r}, must be 'table' or 'cards'")
        if self.default_layout == "cards" and self.card_layout is None:
            raise ValueError("default_layout='cards' needs a card_layout")
        if isinstance(self.sort_by, str):
            if not self.sort_by:
                raise ValueError("TableBlueprint.sort_by must not be empty")
            object.__setattr__(self, "sort_by", SortBy(self.sort_by))
        _check_optional("TableBlueprint.sort_by", self.sort_by, SortBy)

    def save(self, application_id: str, path: str | PathLike[str] | None = None) -> None:
        """Write it to a .rbl file. Default: named after the application."""
        from rerund_sdk.blueprint.send import save_rows

        save_rows(self.blueprint_rows(), application_id, Path(path if path is not None else f"{application_id}.rbl"))

    def blueprint_rows(self) -> Iterator[BlueprintRow]:
        """All rows of the blueprint store, in the order in which they are logged."""
        columns = self.table_layout.columns if self.table_layout else ()
        fields = self.card_layout.fields if self.card_layout else ()
        views = {view.id: view for column in (*columns, *fields) for view in column.views()}
        for view in views.values():
            yield from view.blueprint_rows()
        table = archetypes.TableBlueprint(
            layout=self.default_layout,
            column_display_mode=self.column_display_mode,
            filters=[str(entry) for entry in self.filters] or None,
            sort_by=cast("SortBy | None", self.sort_by),
        )
        yield BlueprintRow("table", table)
        if self.previews_config is not None:
            yield BlueprintRow("table", self.previews_config)
        order = [column.source for column in columns]
        yield BlueprintRow("table/layouts/table", archetypes.TableLayout(column_order=order))
        for column in columns:
            yield from column.rows(f"table/layouts/table/columns/{escape_part(column.source)}")
        if self.card_layout is not None:
            order = [column.source for column in fields]
            cards = archetypes.CardLayout(order, title=self.card_layout.title, link=self.card_layout.link)
            yield BlueprintRow("table/layouts/cards", cards)
            for column in fields:
                yield from column.rows(f"table/layouts/cards/fields/{escape_part(column.source)}")


def _checked_columns(option: str, columns: Sequence[Column]) -> tuple[Column, ...]:
    for column in columns:
        _check_type(option, column, Column)
    sources = [column.source for column in columns]
    if len(set(sources)) < len(sources):
        raise ValueError(f"{option} has a column twice: {', '.join(sources)}")
    return tuple(columns)


def _check_optional(option: str, value: object, kind: type) -> None:
    if value is not None:
        _check_type(option, value, kind)


def _check_type(option: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{option} is {value!r:.80}, must be a {kind.__name__}")
