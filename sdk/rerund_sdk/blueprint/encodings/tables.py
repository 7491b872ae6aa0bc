"""What the dataframe view and tables show: columns, filters, order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from typing_extensions import Self

from rerund_sdk.encoding import Choice, batch_of
from rerund_sdk.encodings import Bool, BoolLike, EntityPath, EntityPathLike, TimeInt, TimeIntLike, Utf8, Utf8Like
from rerund_sdk.encodings.time_ranges import time_int
from rerund_sdk.errors import BadData
from rerund_sdk.storage import shown
from rerund_sdk.struct_encoding import Member, Struct


class ColumnType(
    Struct, members=(Member("component", Utf8, optional=True), Member("component_type_name", Utf8, optional=True))
):
    """Which component the values of a table's column are, and of which type."""

    def __init__(self, *, component: str | None = None, component_type_name: str | None = None) -> None:
        self.component = component
        self.component_type_name = component_type_name


class ComponentColumnSelector(Struct, members=(Member("entity_path", EntityPath), Member("component", Utf8))):
    """A component of an entity: as `/path:component`, or both."""

    def __init__(
        self,
        spec: str | None = None,
        *,
        entity_path: EntityPathLike | None = None,
        component: Utf8Like | None = None,
    ) -> None:
        if (spec is None) == (entity_path is None or component is None):
            raise BadData("a component column needs either spec, or both entity_path and component")
        if spec is not None:
            if not isinstance(spec, str) or spec.count(":") != 1:
                raise BadData(f"expected '/path:component', got {shown(spec)}: give entity_path and component")
            entity_path, component = spec.split(":")
        self.entity_path = entity_path if isinstance(entity_path, EntityPath) else EntityPath(str(entity_path))
        self.component = component if isinstance(component, Utf8) else Utf8(str(component))

    @classmethod
    def _taken(cls, data: Any) -> Self:
        return data if isinstance(data, cls) else cls(data)


class FilterByRange(Struct, members=(Member("start", TimeInt), Member("end", TimeInt))):
    """Only rows from start to end, both included."""

    def __init__(self, start: TimeIntLike, end: TimeIntLike) -> None:
        self.start = time_int(start)
        self.end = time_int(end)


class FilterIsNotNull(Struct, members=(Member("active", Bool), Member("column", ComponentColumnSelector))):
    """Only rows in which a component column has a value. Also given as that column."""

    def __init__(self, active: BoolLike, column: ComponentColumnSelectorLike) -> None:
        self.active = active if isinstance(active, Bool) else Bool(active)
        self.column = ComponentColumnSelector._taken(column)

    @classmethod
    def _taken(cls, data: Any) -> Self:
        return data if isinstance(data, cls) else cls(True, data)


class SelectedColumns(
    Struct,
    members=(Member("time_columns", Utf8, many=True), Member("component_columns", ComponentColumnSelector, many=True)),
):
    """Which columns are shown: names of timelines, and component columns as `/path:component`."""

    def __init__(self, columns: Sequence[ComponentColumnSelectorLike | Utf8Like]) -> None:
        self.time_columns: list[Utf8] = []
        self.component_columns: list[ComponentColumnSelector] = []
        for column in columns:
            if isinstance(column, ComponentColumnSelector):
                self.component_columns.append(column)
            elif isinstance(column, Utf8):
                self.time_columns.append(column)
            elif not isinstance(column, str):
                raise BadData(f"expected names of columns, got {shown(column)}")
            elif column.count(":") == 1:
                self.component_columns.append(ComponentColumnSelector(column))
            else:
                self.time_columns.append(Utf8(column))

    @classmethod
    def _taken(cls, data: Any) -> Self:
        return data if isinstance(data, cls) else cls(data)

    @classmethod
    def _struct_cell(cls, data: Any) -> Any:
        """A list of columns is one selection."""
        if isinstance(data, Sequence) and not any(isinstance(item, cls | list | tuple) for item in data):
            data = cls(data)
        return super()._struct_cell(data)


class SortDirection(Choice):
    """Which values come first."""

    Ascending = 1
    Descending = 2


class SortBy(Struct, members=(Member("column", Utf8), Member("direction", SortDirection, optional=True))):
    """The column by which a table is sorted."""

    def __init__(self, column: Utf8Like, *, direction: SortDirectionLike | None = None) -> None:
        self.column = column if isinstance(column, Utf8) else Utf8(column)
        self.direction = None if direction is None else SortDirection.auto(direction)


ColumnTypeBatch = batch_of(ColumnType)
ComponentColumnSelectorBatch = batch_of(ComponentColumnSelector)
FilterByRangeBatch = batch_of(FilterByRange)
FilterIsNotNullBatch = batch_of(FilterIsNotNull)
SelectedColumnsBatch = batch_of(SelectedColumns)
SortByBatch = batch_of(SortBy)
SortDirectionBatch = batch_of(SortDirection)

ColumnTypeLike: TypeAlias = ColumnType
ColumnTypeArrayLike: TypeAlias = ColumnType | Sequence[ColumnType]
ComponentColumnSelectorLike: TypeAlias = ComponentColumnSelector | str
ComponentColumnSelectorArrayLike: TypeAlias = ComponentColumnSelector | Sequence[ComponentColumnSelectorLike]
FilterByRangeLike: TypeAlias = FilterByRange
FilterByRangeArrayLike: TypeAlias = FilterByRange | Sequence[FilterByRange]
FilterIsNotNullLike: TypeAlias = FilterIsNotNull | ComponentColumnSelectorLike
FilterIsNotNullArrayLike: TypeAlias = FilterIsNotNull | Sequence[FilterIsNotNullLike]
SelectedColumnsLike: TypeAlias = SelectedColumns | Sequence[ComponentColumnSelectorLike | Utf8Like]
SelectedColumnsArrayLike: TypeAlias = SelectedColumnsLike | Sequence[SelectedColumnsLike]
SortByLike: TypeAlias = SortBy
SortByArrayLike: TypeAlias = SortBy | Sequence[SortBy]
SortDirectionLike: TypeAlias = SortDirection | str | int
SortDirectionArrayLike: TypeAlias = SortDirectionLike | Sequence[SortDirectionLike]
