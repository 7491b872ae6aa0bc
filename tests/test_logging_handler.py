"""Python's logging in the recording."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

import rerund_sdk as rr
from rerund_sdk.loading import load


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    found = logging.getLogger("test_logging_handler")
    found.setLevel(logging.DEBUG)
    yield found
    for handler in list(found.handlers):
        found.removeHandler(handler)


def test_records_become_text_logs_with_their_level(logger: logging.Logger) -> None:
    logger.addHandler(rr.LoggingHandler("logs"))
    logging.addLevelName(5, "TRACE")
    logger.setLevel(1)
    with rr.RecordingStream("app", send_properties=False) as recording:
        for level in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG, 5):
            logger.log(level, "message %d", level)
    table = load(recording).table("/logs/test_logging_handler", flatten=True)
    assert table["TextLog:level"].to_pylist() == ["CRITICAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"]
    assert table["TextLog:text"].to_pylist() == [f"message {level}" for level in (50, 40, 30, 20, 10, 5)]


def test_without_a_prefix_the_module_is_the_path(logger: logging.Logger) -> None:
    logger.addHandler(rr.LoggingHandler())
    with rr.RecordingStream("app", send_properties=False) as recording:
        logger.info("hi")
    assert load(recording).entities == ("/test_logging_handler",)


def test_the_sdk_s_own_warnings_do_not_go_round_in_circles() -> None:
    root = logging.getLogger()
    handler = rr.LoggingHandler()
    root.addHandler(handler)
    try:
        with rr.RecordingStream("app", send_properties=False) as recording:
            recording.log("not escaped!", rr.Scalars(1.0))  # logs a warning
        assert load(recording).entities == ("/not\\ escaped\\!",)
    finally:
        root.removeHandler(handler)
