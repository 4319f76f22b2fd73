"""What is minimized: the click loss of a model, and its auxiliary loss beside it."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from app.inference.device import to_device
from app.models.factory import Model
from app.training.losses import click_loss
from app.training.options import TrainerOptions
from app.training.precision import autocast
from app.training.prediction import forward
from app.training.steps import StepBatch

# C candidates


@dataclass(frozen=True, slots=True)
class ShareLosses:
    """Of one share of a step."""

    logits_C: Tensor
    click: Tensor  # weighted sum over the candidates
    auxiliary: Tensor  # mean over the behaviors that it looks at


class Objective(Protocol):
    """Losses, and whose weights they move."""

    @property
    def trained(self) -> Model:
        """Everything that trains."""
        ...

    @property
    def served(self) -> Model:
        """What of it is averaged, evaluated and published."""
        ...

    def losses(self, share: StepBatch) -> ShareLosses: ...


class ClickObjective:
    """Of a model that is told nothing but clicks."""

    def __init__(self, model: Model, options: TrainerOptions) -> None:
        self.trained = self.served = model
        self._options = options

    def losses(self, share: StepBatch) -> ShareLosses:
        device = next(self.trained.parameters()).device
        with autocast(self._options.optimizer.precision, device.type):
            logits_C, auxiliary = self._forward(share, device)
        labels_C, weights_C = to_device((share.labels_C, share.weights_C), device)
        logits_C = logits_C.float()
        click = click_loss(logits_C, labels_C, weights_C, self._options.loss)
        return ShareLosses(logits_C, click, auxiliary.float())

    def _forward(self, share: StepBatch, device: torch.device) -> tuple[Tensor, Tensor]:
        """Logits [C] and the share's own mean auxiliary loss."""
        user_states, logits_C = forward(self.trained, share.batch)
        if self._options.loss.auxiliary_weight == 0:
            return logits_C, logits_C.new_zeros(())
        rows = (share.batch.behaviors_NF, share.sampled_NF)
        behaviors_NF, sampled_NF = to_device(rows, device)
        return logits_C, self.trained.auxiliary_loss(user_states, behaviors_NF, sampled_NF)
