"""Activations by name, among them Dice, the data-adaptive PReLU of the DIN paper."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

ActivationName = Literal["dice", "affine_dice", "prelu", "relu", "sigmoid", "tanh", "linear"]


class BatchStatistics(nn.BatchNorm1d):
    """Batch normalization, but for a single row: it has no variance to learn from.

    It is standardized like a row in serving.
    """

    def forward(self, x_RH: Tensor) -> Tensor:
        if self.training and len(x_RH) < 2:
            return self.standardize_by_running(x_RH)
        return super().forward(x_RH)

    def standardize_by_running(self, x_RH: Tensor) -> Tensor:
        """As in serving."""
        return nn.functional.batch_norm(
            x_RH, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


class Dice(nn.Module):
    """DIN paper (arXiv 1706.06978) eq. 3: p x + (1 - p) alpha x, p = sigmoid(standardized x).

    The mean and variance are the batch's in training and running statistics afterwards, so that a
    score never depends on the other rows of its batch.
    """

    def __init__(self, width: int, *, affine: bool = False) -> None:
        """`affine` also scales and shifts what is standardized, as DeepCTR-Torch does."""
        super().__init__()
        self.statistics = BatchStatistics(width, eps=1e-8, momentum=0.01, affine=affine)
        self.alpha = nn.Parameter(torch.zeros(width))

    def forward(self, x_RH: Tensor) -> Tensor:
        p_RH = torch.sigmoid(self.statistics(x_RH))
        return x_RH * (self.alpha + p_RH * (1 - self.alpha))


def make_activation(name: ActivationName, width: int) -> nn.Module:
    """The activation for rows of `width` channels."""
    return _MAKERS[name](width)


_MAKERS: Mapping[ActivationName, Callable[[int], nn.Module]] = {
    "dice": Dice,
    "affine_dice": lambda width: Dice(width, affine=True),
    "prelu": lambda width: nn.PReLU(width, init=0.1),
    "relu": lambda _: nn.ReLU(),
    "sigmoid": lambda _: nn.Sigmoid(),
    "tanh": lambda _: nn.Tanh(),
    "linear": lambda _: nn.Identity(),
}
