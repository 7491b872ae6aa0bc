"""Filters for the rows of a table blueprint: SQL of the viewer's engine, written for you.

filters=[col("age") >= 18, col("name").str.starts_with("A"), col("scores").list > 0.5, "raw IS NOT NULL"]
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

_DAY: Final = "date_trunc('day', now())"
_WEEK: Final = "date_trunc('week', now())"


@dataclass(frozen=True)
class Filter:
    """A condition that shown rows fulfil; several filters of a table must all hold."""

    sql: str

    def __post_init__(self) -> None:
        if not isinstance(self.sql, str):
            raise TypeError(f"a filter is made of SQL text, not of {type(self.sql).__name__}")
        if not self.sql.strip():
            raise ValueError("a filter is made of SQL text, which must not be empty")

    def __bool__(self) -> bool:
        raise TypeError("a filter is neither true nor false: give several in a list, not with `and`, `or`, `not`")

    def __str__(self) -> str:
        return self.sql


def col(name: str) -> FilterColumn:
    """The column `name`, to be compared with something."""
    return FilterColumn(name)


def _period(low: str, high: str) -> tuple[Callable[[_Values], Filter], Callable[[_Values], Filter]]:
    """Two methods: for times in a period that is relative to now, and for all others."""

    def inside(values: _Values) -> Filter:
        return values._between(low, high)

    return inside, lambda values: _not(inside(values))


class _Values:
    """The values of a column, or of the lists in it: then a filter asks for any item that fulfils it."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a column is given by its name, not by {type(name).__name__}")
        if not name:
            raise ValueError("the name of a column must not be empty")
        self._name = name
        self._column = '"' + name.replace('"', '""') + '"'

    def _where(self, condition: Callable[[str], str]) -> Filter:
        return Filter(condition(self._column))

    def _compared(self, operator: str, value: str) -> Filter:
        return self._where(lambda column: f"{column} {operator} {value}")

    def _between(self, low: str, high: str) -> Filter:
        return self._where(lambda column: f"{column} >= {low} AND {column} < {high}")

    def eq(self, value: float) -> Filter:
        return self._compared("=", _number(value))

    def ne(self, value: float) -> Filter:
        return _not(self.eq(value))

    def lt(self, value: float) -> Filter:
        return self._compared("<", _number(value))

    def le(self, value: float) -> Filter:
        return self._compared("<=", _number(value))

    def gt(self, value: float) -> Filter:
        return self._compared(">", _number(value))

    def ge(self, value: float) -> Filter:
        return self._compared(">=", _number(value))

    __eq__ = eq  # type: ignore[assignment]
    __ne__ = ne  # type: ignore[assignment]
    __lt__, __le__, __gt__, __ge__ = lt, le, gt, ge

    def is_true(self) -> Filter:
        return self._compared("=", "true")

    def is_false(self) -> Filter:
        return self._compared("=", "false")

    def is_not_true(self) -> Filter:
        return _not(self.is_true())

    def is_not_false(self) -> Filter:
        return _not(self.is_false())

    def is_null(self) -> Filter:
        return self._where(lambda column: f"{column} IS NULL")

    def is_not_null(self) -> Filter:
        return _not(self.is_null())

    def before(self, timestamp: datetime) -> Filter:
        """A datetime without zone is taken as UTC, here and below."""
        return self._compared("<", _timestamp(timestamp))

    def after(self, timestamp: datetime) -> Filter:
        return self._compared(">=", _timestamp(timestamp))

    def between(self, start: datetime, end: datetime) -> Filter:
        """From `start` on and before `end`."""
        return self._between(_timestamp(start), _timestamp(end))

    def not_between(self, start: datetime, end: datetime) -> Filter:
        return _not(self.between(start, end))

    today, not_today = _period(_DAY, f"{_DAY} + INTERVAL '1 day'")
    yesterday, not_yesterday = _period(f"{_DAY} - INTERVAL '1 day'", _DAY)
    last_24_hours, not_last_24_hours = _period("now() - INTERVAL '24 hours'", "now()")
    this_week, not_this_week = _period(_WEEK, f"{_WEEK} + INTERVAL '7 days'")
    last_week, not_last_week = _period(f"{_WEEK} - INTERVAL '7 days'", _WEEK)

    @property
    def str(self) -> StringFilters:
        """Filters for texts."""
        return StringFilters(self)


class FilterColumn(_Values):
    """A column of single values; see `list` for the other kind."""

    @property
    def list(self) -> ListFilters:
        """Filters for the items of lists."""
        return ListFilters(self._name)

    def __repr__(self) -> builtins.str:
        return f"col({self._name!r})"


class ListFilters(_Values):
    """The items of lists."""

    def _where(self, condition: Callable[[builtins.str], builtins.str]) -> Filter:
        return Filter(f"any_match({self._column}, x -> {condition('x')})")

    def is_null(self) -> Filter:
        """No list, an empty one, or one with a null in it."""
        not_empty = self._where(lambda _: "true")
        return Filter(f"{self._column} IS NULL OR NOT {not_empty} OR {super().is_null()}")

    def __repr__(self) -> builtins.str:
        return f"col({self._name!r}).list"


class StringFilters:
    """Filters for texts, upper and lower case being the same."""

    def __init__(self, column: _Values) -> None:
        self._column = column

    def contains(self, text: str) -> Filter:
        return self._like("%", text, "%")

    def does_not_contain(self, text: str) -> Filter:
        return _not(self.contains(text))

    def starts_with(self, text: str) -> Filter:
        return self._like("", text, "%")

    def ends_with(self, text: str) -> Filter:
        return self._like("%", text, "")

    def _like(self, before: str, text: str, after: str) -> Filter:
        if not isinstance(text, str):
            raise TypeError(f"a text filter takes a text, not {type(text).__name__}")
        if not text:
            raise ValueError("a text filter takes a text that is not empty")
        literal = "".join(f"\\{character}" if character in "%_\\" else character for character in text)
        escape = "" if literal == text else f" ESCAPE {_quoted(chr(92))}"
        return self._column._where(lambda column: f"{column} ILIKE {_quoted(before + literal + after)}{escape}")

    def __repr__(self) -> str:
        return f"{self._column!r}.str"


def _not(condition: Filter) -> Filter:
    return Filter(f"({condition}) IS NOT TRUE")  # also where the value is null


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"a column is compared with a number, not with {type(value).__name__}: "
            "there are is_true(), before(datetime) and str.contains(text) for other types"
        )
    if isinstance(value, float) and not math.isfinite(value):
        return f"CAST({_quoted('NaN' if math.isnan(value) else repr(value))} AS DOUBLE)"
    return repr(value)


def _timestamp(value: Any) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"a time filter takes a datetime, not {type(value).__name__}")
    utc = value.astimezone(timezone.utc).replace(tzinfo=None) if value.tzinfo else value
    return f"TIMESTAMPTZ {_quoted(utc.isoformat() + 'Z')}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
