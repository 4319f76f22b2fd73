"""Adam whose embeddings decay."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from app.models.factory import Model
from app.training.options import TrainerOptions


def make_optimizer(
    model: Model, options: TrainerOptions, *, full_batches: int
) -> torch.optim.Optimizer:
    """Between two batches with an id its embedding decays, however many batches lie there.

    full_batches: of an epoch. The decay moves with the learning rate, as is AdamW's way.
    """
    learning_rate = options.optimizer.learning_rate
    decay_per_step = 1 - math.exp(-options.regularization.embedding_decay / full_batches)
    tables = [table.weight for _, table in model.tables()]
    of_table = set(map(id, tables))
    rest = [parameter for parameter in model.parameters() if id(parameter) not in of_table]
    return torch.optim.AdamW(
        [
            {"params": tables, "weight_decay": decay_per_step / learning_rate},
            {"params": rest, "weight_decay": 0.0},
        ],
        lr=learning_rate,
        fused=True,
    )


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that it remembers of past steps."""
    return {
        f"{parameter}.{name}": tensor
        for parameter, remembered in optimizer.state_dict()["state"].items()
        for name, tensor in remembered.items()
    }


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The reverse, in an optimizer that has not made a step yet."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        parameter, name = key.split(".")
        state.setdefault(int(parameter), {})[name] = tensor.clone()
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
