"""Every line of the log is one JSON object."""

import json
import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.monitoring.logs import JsonLine

log = logging.getLogger("app.anything")


def line_of(message: str, *args: object, **record: Any) -> Any:  # noqa: ANN401 - JSON
    """What is written of a record; json.loads would not accept a second line."""
    made = log.makeRecord(log.name, logging.WARNING, "a.py", 1, message, args, None, **record)
    text = JsonLine().format(made)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_says_when_who_and_what() -> None:
    line = line_of("%d ads", 3, extra={"user_key": "00ff", "stages_ms": {"parse": 0.5}})

    assert datetime.fromisoformat(line.pop("time")).utcoffset() is not None
    assert line == {
        "level": "WARNING",
        "logger": "app.anything",
        "message": "3 ads",
        "user_key": "00ff",
        "stages_ms": {"parse": 0.5},
    }


def test_an_error_brings_its_traceback_along() -> None:
    try:
        raise LookupError("nobody")
    except LookupError:
        line = line_of("failed", sinfo="who asked", extra={})
        made = log.makeRecord(log.name, logging.ERROR, "a.py", 1, "failed", (), sys.exc_info())
        with_error = json.loads(JsonLine().format(made))

    assert line["stack_info"] == "who asked"
    assert with_error["exc_info"].endswith("LookupError: nobody")


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (Path("/store"), "/store"),
        (2**70, 2**70),
        ({1, 1}, "{1}"),
        (float("nan"), None),
        ("two\nlines", "two\nlines"),
        ({2**70: "large"}, {str(2**70): "large"}),
    ],
)
def test_whatever_is_said_finds_its_way_into_the_line(said: object, written: object) -> None:
    assert line_of("said", extra={"what": said})["what"] == written
