"""What happens when the SDK is given bad data: a warning and an empty field by default, an exception in strict mode.

Strict mode is on if `set_strict_mode(True)` was called or RERUN_STRICT is 1, true, on or yes.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from rerund_sdk.errors import BadData

_P = ParamSpec("_P")
_R = TypeVar("_R")

_PACKAGE = "rerund_sdk"
_ON, _OFF = ("1", "true", "on", "yes"), ("0", "false", "off", "no")


class RerunWarning(Warning):
    """Something was used wrongly and part of the data was left out. The name is Rerun's, so that filters carry over."""


class _ThreadState(threading.local):
    strict: bool | None = None  # overrides the switch of the process
    reporting = False


_thread = _ThreadState()

# Called with the text of each warning: logs it into the current recording. Set by recording.py.
on_warning: Callable[[str], None] | None = None


def _strict_from_environment() -> bool:
    value = os.environ.get("RERUN_STRICT", "").strip().lower()
    if value and value not in _ON + _OFF:
        warnings.warn(f"RERUN_STRICT is {value!r}, which is none of 0, 1: strict mode stays off", RerunWarning, 2)
    return value in _ON


_strict = _strict_from_environment()


def strict_mode() -> bool:
    """Whether wrong use of the SDK raises exceptions instead of warning."""
    return _strict if _thread.strict is None else _thread.strict


def set_strict_mode(mode: bool) -> None:
    """Switch strict mode on or off for the whole process."""
    global _strict
    _strict = mode


def complain(message: str, *, error: type[Exception] | None = BadData, category: type[Warning] = RerunWarning) -> None:
    """Raise `error`, if any, in strict mode; otherwise warn where the user's code called into the SDK, and go on."""
    if strict_mode() and error is not None:
        raise error(message)
    warnings.warn(message, category, stacklevel=_depth_of_user_code())
    if on_warning is not None and not _thread.reporting:
        _thread.reporting = True
        try:
            on_warning(message)
        finally:
            _thread.reporting = False


def _depth_of_user_code() -> int:
    """The stacklevel, for the caller, that names the first frame outside the SDK."""
    frame = sys._getframe(1)
    depth = 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
        depth += 1
    return depth


class catch_and_log_exceptions:
    """A context manager and decorator: an exception inside becomes a warning, unless in strict mode.

    context: stands before the message; exception_return_value: what a decorated function returns instead;
    strict: overrides strict mode inside. Mirrors `rerun.error_utils.catch_and_log_exceptions`.
    """

    def __init__(
        self,
        context: str | None = None,
        *,
        depth_to_user_code: int = 1,  # noqa: ARG002  # we find the user's frame ourselves
        exception_return_value: Any = None,
        strict: bool | None = None,
    ) -> None:
        self.context = context
        self.exception_return_value = exception_return_value
        self.strict = strict
        self._outer: bool | None = None

    def __enter__(self) -> catch_and_log_exceptions:
        self._outer = _thread.strict
        if self.strict is not None:
            _thread.strict = self.strict
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            if not isinstance(error, Exception) or strict_mode():
                return False
            complain(f"{self.context}: {describe(error)}" if self.context else describe(error))
            return True
        finally:
            _thread.strict = self._outer

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        context = self.context or function.__qualname__

        @functools.wraps(function)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            strict = kwargs.get("strict", self.strict)
            with catch_and_log_exceptions(context, strict=strict if isinstance(strict, bool) else None):
                return function(*args, **kwargs)
            return self.exception_return_value  # type: ignore[no-any-return]

        return wrapper


def describe(error: BaseException) -> str:
    """`error` as part of a sentence: our own errors are sentences already."""
    return str(error) if isinstance(error, BadData) else f"{type(error).__name__}: {error}"
