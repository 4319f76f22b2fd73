"""Every line of the log is one JSON object."""

import json
import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.monitoring.logs import EventRecord, JsonLine

log = logging.getLogger("app.anything")


def line_of(message: str, *args: object, **record: Any) -> Any:
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
    error = LookupError("nobody")
    made = log.makeRecord(
        log.name, logging.ERROR, "a.py", 1, "failed", (), (type(error), error, None), sinfo="where"
    )

    line = json.loads(JsonLine().format(made))

    assert line["exc_info"].endswith("LookupError: nobody")
    assert line["stack_info"] == "where"


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (Path("/store"), "/store"),
        (2**70, str(2**70)),
        ({1}, "{1}"),
        (float("nan"), None),
        ("two\nlines", "two\nlines"),
        ({2**70: float("nan")}, f"{{{2**70}: nan}}"),
        ({(1, 2): b"bytes"}, "{(1, 2): b'bytes'}"),
        ("\ud800", r"'\ud800'"),
    ],
)
def test_whatever_is_said_finds_its_way_into_the_line(said: object, written: object) -> None:
    assert line_of("said", extra={"what": said})["what"] == written


def test_a_record_of_an_event_is_written_like_any_other() -> None:
    said = {"request_id": "r-1", "status": 200}
    usual = log.makeRecord(log.name, logging.INFO, "a.py", 1, "request", (), None, extra=said)

    event = EventRecord(log.name, logging.INFO, "request", said)

    lines = [json.loads(JsonLine().format(record)) for record in (usual, event)]
    assert all(line.pop("time") for line in lines)
    assert lines[0] == lines[1]
    assert (
        logging.Formatter(
            "%(asctime)s %(levelname)s %(threadName)s %(filename)s:%(lineno)d %(message)s"
        )
        .format(event)
        .endswith("request")
    )
