"""The engine whose scores other runtimes have to give, made once of each model."""

from functools import cache

import torch

from app.inference.engine import Engine
from app.models.factory import Architecture, Model
from tests.models.builders import make_model


@cache
def reference(config: Architecture) -> Engine:
    return Engine(make_model(config), torch.device("cpu"))


@cache
def double_precision(config: Architecture) -> Model:
    return make_model(config).double()
