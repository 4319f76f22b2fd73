"""JSON lines on standard error: one per request, one per event."""

import logging
import logging.config
from typing import Any

FORMAT = "%(levelname)s %(name)s %(message)s"


def log_config(level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`; uvicorn's own lines become JSON too."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.orjson.OrjsonFormatter",
                "fmt": FORMAT,
                "timestamp": "time",  # UTC, with its zone
                "rename_fields": {"levelname": "level", "name": "logger"},
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {"uvicorn.error": {"level": "WARNING"}},  # the service says where it listens
    }


def configure_logging(level: str) -> None:
    logging.config.dictConfig(log_config(level))
