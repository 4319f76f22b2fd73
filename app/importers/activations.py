"""The tensors of an activation, read under a library's names and written under ours."""

from collections.abc import Callable

import torch
from torch import Tensor

from app.importers.state_dict import StateDict

# H units

ReadActivation = Callable[[StateDict, str, int], dict[str, Tensor]]

OUR_DICE_EPS = 1e-8
FUXICTR_DICE_EPS = 1e-9


def one_slope(state: StateDict, prefix: str, units: int) -> dict[str, Tensor]:
    """DeepCTR-Torch's PReLU has one slope for all units, ours one for each."""
    return {"weight": state.take(f"{prefix}.weight", 1).expand(units)}


def slopes(state: StateDict, prefix: str, units: int) -> dict[str, Tensor]:
    """FuxiCTR's PReLU."""
    return {"weight": state.take(f"{prefix}.weight", units)}


def affine_dice(state: StateDict, prefix: str, units: int) -> dict[str, Tensor]:
    """DeepCTR-Torch's Dice over sequences: alpha is [H, 1], and what it standardizes is scaled."""
    statistics = _statistics(state, prefix, units)
    for name in ("weight", "bias"):
        statistics[f"statistics.{name}"] = state.take(f"{prefix}.bn.{name}", units)
    return {"alpha": state.take(f"{prefix}.alpha", units, 1).squeeze(1), **statistics}


def dice(state: StateDict, prefix: str, units: int) -> dict[str, Tensor]:
    """FuxiCTR's Dice: its smaller epsilon goes into the variance, v + 1e-9 = v' + 1e-8."""
    statistics = _statistics(state, prefix, units)
    statistics["statistics.running_var"] += FUXICTR_DICE_EPS - OUR_DICE_EPS
    return {"alpha": state.take(f"{prefix}.alpha", units), **statistics}


def _statistics(state: StateDict, prefix: str, units: int) -> dict[str, Tensor]:
    state.ignore(f"{prefix}.bn.num_batches_tracked")
    names = ("running_mean", "running_var")
    taken = {f"statistics.{name}": state.take(f"{prefix}.bn.{name}", units) for name in names}
    return {**taken, "statistics.num_batches_tracked": torch.tensor(0)}


def batch_norm(state: StateDict, prefix: str, units: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scale, shift, mean and variance of a BatchNorm1d."""
    state.ignore(f"{prefix}.num_batches_tracked")
    names = ("weight", "bias", "running_mean", "running_var")
    gamma_H, beta_H, mean_H, variance_H = (state.take(f"{prefix}.{name}", units) for name in names)
    return gamma_H, beta_H, mean_H, variance_H


def without_parameters(_state: StateDict, _prefix: str, _units: int) -> dict[str, Tensor]:
    """ReLU, sigmoid, tanh and none at all."""
    return {}
