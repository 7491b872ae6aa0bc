"""Tables and the dataframe view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rerund_sdk.archetype import Archetype, field, forgiving
from rerund_sdk.blueprint.components import (
    ApplyLatestAt,
    AutoScroll,
    ColumnDisplayMode,
    ColumnDisplayModeLike,
    ColumnName,
    ColumnOrder,
    ColumnType,
    Editable,
    FilterByRange,
    FilterIsNotNull,
    IncludedContent,
    SelectedColumns,
    SortBy,
    SqlFilterExpression,
    TableLayoutKind,
    TableLayoutKindLike,
    TimelineName,
)
from rerund_sdk.blueprint.encodings import (
    ColumnTypeLike,
    ComponentColumnSelectorLike,
    FilterByRangeLike,
    SortByLike,
)
from rerund_sdk.components import Name, Visible
from rerund_sdk.encodings import BoolLike, EntityPathArrayLike, TimeIntLike, Utf8ArrayLike, Utf8Like


class DataframeQuery(Archetype):
    """What a dataframe view shows.

    timeline: what its rows are ordered by. filter_by_range: (start, end), both included. filter_is_not_null: only rows
    in which this component, `/path:component`, has a value. apply_latest_at: fill empty cells with the last value.
    select: timelines and components to show. entity_order: of the columns. auto_scroll: follow the last row.
    """

    timeline: Utf8Like | None = field(TimelineName, default=None)
    filter_by_range: FilterByRangeLike | None = field(FilterByRange, default=None)
    filter_is_not_null: Any = field(FilterIsNotNull, default=None)
    apply_latest_at: bool | None = field(ApplyLatestAt, default=None)
    select: Any = field(SelectedColumns, default=None)
    entity_order: Any = field(ColumnOrder, default=None)
    auto_scroll: bool | None = field(AutoScroll, default=None)

    def __init__(
        self,
        *,
        timeline: Utf8Like | None = None,
        filter_by_range: tuple[TimeIntLike, TimeIntLike] | FilterByRangeLike | None = None,
        filter_is_not_null: ComponentColumnSelectorLike | None = None,
        apply_latest_at: bool = False,
        select: Sequence[ComponentColumnSelectorLike | Utf8Like] | None = None,
        entity_order: Sequence[str] | None = None,
        auto_scroll: bool = False,
    ) -> None:
        with forgiving(self):
            if isinstance(filter_by_range, tuple):
                filter_by_range = FilterByRange(*filter_by_range)
            self._set(
                timeline=timeline,
                filter_by_range=filter_by_range,
                filter_is_not_null=filter_is_not_null,
                apply_latest_at=apply_latest_at,
                select=select,
                entity_order=entity_order,
                auto_scroll=auto_scroll,
            )


class CardLayout(Archetype):
    """A table shown as cards. field_order: names of columns. title, link: the columns that have them."""

    field_order: Utf8ArrayLike = field(ColumnName, kw_only=False)
    title: Utf8Like | None = field(ColumnName, default=None)
    link: Utf8Like | None = field(ColumnName, default=None)


class TableBlueprint(Archetype):
    """How a table is shown. filters: conditions in SQL."""

    layout: TableLayoutKindLike | None = field(TableLayoutKind, default=None)
    column_display_mode: ColumnDisplayModeLike | None = field(ColumnDisplayMode, default=None)
    filters: Utf8ArrayLike | None = field(SqlFilterExpression, default=None)
    sort_by: SortByLike | None = field(SortBy, default=None)


class TableColumn(Archetype):
    """A column of a table."""

    name: Utf8Like | None = field(Name, default=None)
    editable: BoolLike | None = field(Editable, default=None)
    visible: BoolLike | None = field(Visible, default=None)
    column_type: ColumnTypeLike | None = field(ColumnType, default=None)


class TableColumnPreview(Archetype):
    """The views that a table's column shows previews in: paths in the blueprint."""

    views: EntityPathArrayLike = field(IncludedContent, kw_only=False)


class TableLayout(Archetype):
    """The order of a table's columns, by name."""

    column_order: Utf8ArrayLike | None = field(ColumnName, default=None)
