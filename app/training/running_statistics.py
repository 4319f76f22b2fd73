"""Running means and variances that belong to the weights as they are, not as they were."""

from collections.abc import Iterable

import torch
from torch import nn

from app.core.batch import RaggedBatch
from app.models.factory import Model
from app.training.prediction import forward


def settle_statistics(model: Model, batches: Iterable[RaggedBatch]) -> None:
    """Averages the statistics of Dice anew over these batches.

    While the weights move they lag behind by a hundred batches, which on few samples is epochs:
    the scores of serving would then come from another function than the one that was trained.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch's word for a plain average
    model.train()
    with torch.inference_mode():
        for batch in batches:
            forward(model, batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
