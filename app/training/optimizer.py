"""Adam whose embeddings decay."""

import math

import torch

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
