"""The service, held while it loads its models until somebody has opened a pipe and closed it."""

import os
import runpy
from pathlib import Path

import app.main
from app.monitoring.metrics import Metrics
from app.registry.served_models import ServedModels
from app.settings import Settings

load_models = app.main.load_models


def load_models_when_told(settings: Settings, metrics: Metrics) -> ServedModels:
    Path(os.environ["HELD_BY_PIPE"]).read_bytes()
    return load_models(settings, metrics)


if __name__ == "__main__":
    app.main.load_models = load_models_when_told
    runpy.run_module("app", run_name="__main__")
