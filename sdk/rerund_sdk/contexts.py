"""Functions, and generators, that log into a recording of their own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

from rerund_sdk import current

_Function = TypeVar("_Function", bound=Callable[..., Any])


def logging_into(recording: Callable[[], AbstractContextManager[Any]], function: _Function) -> _Function:
    """`function`, running inside the recording that is made for each call.

    A generator is inside only while it runs: whoever takes its values is not.
    """
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return _stepwise(recording(), function(*args, **kwargs))

        return cast(_Function, generator)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with recording():
            return function(*args, **kwargs)

    return cast(_Function, wrapper)


def thread_local_stream(application_id: str) -> Callable[[_Function], _Function]:
    """Decorator: each call of the function logs into a new recording, which is current in it."""
    from rerund_sdk.recording import RecordingStream

    return lambda function: logging_into(lambda: RecordingStream(application_id), function)


def recording_stream_generator_ctx(function: _Function) -> _Function:
    """Decorator for generators that yield inside `with recording:`: whoever takes their values is not inside."""
    if not inspect.isgeneratorfunction(function):
        raise ValueError(f"recording_stream_generator_ctx is for generators, which {function.__qualname__} is not")

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return _stepwise(current.KeptApart(), function(*args, **kwargs))

    return cast(_Function, wrapper)


def _stepwise(context: AbstractContextManager[Any], steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """`steps`, each of them inside `context`."""
    with context:
        try:
            value = next(steps)
        except StopIteration as end:
            return end.value
    while True:
        try:
            sent = yield value
            with context:
                value = steps.send(sent)
        except GeneratorExit:
            with context:
                steps.close()
            raise
        except StopIteration as end:
            return end.value
        except BaseException as error:
            with context:
                value = steps.throw(error)
