"""Tables, dataframes and text logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from rerund_sdk import arrow, encodings
from rerund_sdk.batch import Cell
from rerund_sdk.blueprint import encodings as blueprint_encodings
from rerund_sdk.encoding import Choice, Component, batch_of
from rerund_sdk.errors import BadData
from rerund_sdk.storage import Arrow, arrow_given, shown


class ApplyLatestAt(encodings.Bool, Component):
    """Whether empty cells are filled with the last value before them."""


class AutoScroll(encodings.Bool, Component):
    """Whether a table follows its last row."""


class ColumnDisplayMode(Choice):
    """How much of its values a table shows."""

    Compact = 1
    Component = 2
    Full = 3


class ColumnName(encodings.Utf8, Component):
    """The name of a column."""


def _orders(data: Any) -> Cell:
    """A list of paths is one order."""
    if (array := arrow_given(data, ColumnOrder._storage.arrow_type)) is not None:
        return array
    if isinstance(data, ColumnOrder):
        data = [data]
    elif isinstance(data, str) or not isinstance(data, Sequence):
        raise BadData(f"expected a list of entity paths, got {shown(data)}")
    elif not any(isinstance(item, ColumnOrder | list | tuple) for item in data):
        data = [ColumnOrder(data)]
    orders = [item if isinstance(item, ColumnOrder) else ColumnOrder(item) for item in data]
    paths = arrow.strings([str(path) for order in orders for path in order.entity_paths])
    return arrow.lists(ColumnOrder._storage.arrow_type, (len(order.entity_paths) for order in orders), paths)


class ColumnOrder(Component, storage=Arrow(pa.list_(pa.field("item", pa.utf8(), nullable=False))), cell=_orders):
    """The order of the entities whose columns a dataframe view shows: their paths."""

    def __init__(self, entity_paths: Sequence[encodings.EntityPathLike]) -> None:
        self.entity_paths = [encodings.EntityPath(str(path)) for path in entity_paths]


class ColumnType(blueprint_encodings.ColumnType, Component):
    """Which component the values of a table's column are."""


class ComponentColumnSelector(blueprint_encodings.ComponentColumnSelector, Component):
    """A component of an entity."""


class Editable(encodings.Bool, Component):
    """Whether it can be edited."""


class FilterByRange(blueprint_encodings.FilterByRange, Component):
    """Only rows in a range of time."""


class FilterIsNotNull(blueprint_encodings.FilterIsNotNull, Component):
    """Only rows in which a component column has a value."""


class SelectedColumns(blueprint_encodings.SelectedColumns, Component):
    """Which columns are shown."""


class SortBy(blueprint_encodings.SortBy, Component):
    """The column by which a table is sorted."""


class SqlFilterExpression(encodings.Utf8, Component):
    """A condition on rows, in SQL."""


class TableLayoutKind(Choice):
    """Whether rows are lines or cards."""

    Table = 1
    Cards = 2


class TextLogColumn(blueprint_encodings.TextLogColumn, Component):
    """A column of a text log."""


class TimelineColumn(blueprint_encodings.TimelineColumn, Component):
    """A column with the times of a timeline."""


ApplyLatestAtBatch = batch_of(ApplyLatestAt)
AutoScrollBatch = batch_of(AutoScroll)
ColumnDisplayModeBatch = batch_of(ColumnDisplayMode)
ColumnNameBatch = batch_of(ColumnName)
ColumnOrderBatch = batch_of(ColumnOrder)
ColumnTypeBatch = batch_of(ColumnType)
ComponentColumnSelectorBatch = batch_of(ComponentColumnSelector)
EditableBatch = batch_of(Editable)
FilterByRangeBatch = batch_of(FilterByRange)
FilterIsNotNullBatch = batch_of(FilterIsNotNull)
SelectedColumnsBatch = batch_of(SelectedColumns)
SortByBatch = batch_of(SortBy)
SqlFilterExpressionBatch = batch_of(SqlFilterExpression)
TableLayoutKindBatch = batch_of(TableLayoutKind)
TextLogColumnBatch = batch_of(TextLogColumn)
TimelineColumnBatch = batch_of(TimelineColumn)

ColumnDisplayModeLike: TypeAlias = ColumnDisplayMode | str | int
ColumnDisplayModeArrayLike: TypeAlias = ColumnDisplayModeLike | Sequence[ColumnDisplayModeLike]
TableLayoutKindLike: TypeAlias = TableLayoutKind | str | int
TableLayoutKindArrayLike: TypeAlias = TableLayoutKindLike | Sequence[TableLayoutKindLike]
ColumnOrderLike: TypeAlias = ColumnOrder | Sequence[encodings.EntityPathLike]
ColumnOrderArrayLike: TypeAlias = ColumnOrderLike | Sequence[ColumnOrderLike]
