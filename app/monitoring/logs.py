"""JSON lines on standard error: one per request, one per event."""

import logging
import logging.config
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson

# What logging itself puts into a record; everything else there is what a line says besides.
OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}


_NOWHERE = {
    **dict.fromkeys(("args", "exc_info", "exc_text", "stack_info")),
    **dict.fromkeys(("thread", "threadName", "process", "processName", "taskName")),
    **dict.fromkeys(("pathname", "filename", "module", "funcName"), ""),
    **dict.fromkeys(("lineno", "msecs", "relativeCreated"), 0),
}


class EventRecord(logging.LogRecord):
    """A record of what happens with every request: not of where in the code, and in which thread,
    which takes logging longer than all the rest."""

    said: Mapping[str, object]

    def __init__(self, name: str, level: int, message: str, said: Mapping[str, object]) -> None:
        """`said`: what the line says besides."""
        vars(self).update(said)
        vars(self).update(
            _NOWHERE,
            said=said,
            name=name,
            levelno=level,
            levelname=logging.getLevelName(level),
            msg=message,
            created=time.time(),  # noqa: TID251 - a line says when on the calendar
        )


class JsonLine(logging.Formatter):
    """A record as one JSON object; what JSON has no form for is said as text."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "time": datetime.fromtimestamp(record.created, UTC),
            **_said_besides(record),
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack_info"] = record.stack_info
        try:
            return _json(line).decode()
        except TypeError:
            return _json({str(name): _sayable(said) for name, said in line.items()}).decode()


def _said_besides(record: logging.LogRecord) -> Mapping[str, object]:
    if isinstance(record, EventRecord):
        return record.said
    return {name: said for name, said in vars(record).items() if name not in OWN_ATTRIBUTES}


_json = partial(orjson.dumps, default=str)


def _sayable(said: object) -> object:
    """As Python writes it where JSON cannot say it: names that are no text, more than 64 bits."""
    try:
        return orjson.Fragment(_json(said))
    except TypeError:
        return ascii(said)


def _config(level: str, path: str | None) -> dict[str, Any]:
    """For `logging.config.dictConfig`; uvicorn's own lines become JSON too."""
    to_stderr = {"class": "logging.StreamHandler"}
    to_file = {"class": "logging.FileHandler", "filename": path}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLine}},
        "handlers": {"all": {"formatter": "json", **(to_file if path else to_stderr)}},
        "root": {"level": level, "handlers": ["all"]},
        "loggers": {"uvicorn.error": {"level": "WARNING"}},  # the service says where it listens
    }


def configure_logging(level: str, *, path: str | None = None) -> None:
    """To standard error, or to a file."""
    logging.config.dictConfig(_config(level, path))
    # Of every record, and in no line: logging's own documentation says how to leave them out.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
