"""The mean of recent weights: it generalizes better than the last ones and serves as fast."""

import copy

import torch
from torch import nn

from app.models.factory import Model


class AveragedModel:
    """An exponential moving average of a model's weights; the model itself is what trains."""

    def __init__(self, trained: Model, decay: float) -> None:
        self.model = copy.deepcopy(trained).requires_grad_(requires_grad=False)
        for module in self.model.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # a copy's lie apart, which is slow on a GPU
        self._trained = trained
        self._decay = decay
        self.steps = 0

    def update(self) -> None:
        """After each step of the optimizer."""
        self.steps += 1
        # A long average would remember its random start for long: it begins short.
        decay = min(self._decay, self.steps / (self.steps + 9))
        with torch.inference_mode():
            torch._foreach_lerp_(
                list(self.model.parameters()), list(self._trained.parameters()), 1 - decay
            )
