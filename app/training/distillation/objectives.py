"""What a light net minimizes that listens to a stronger one: its own losses and the hint loss."""

from torch import Tensor

from app.inference.device import to_device
from app.models.factory import Model
from app.training.distillation.rocket_launch import RocketLaunch
from app.training.objective import ClickObjective, ShareLosses
from app.training.options import TrainerOptions
from app.training.prediction import forward
from app.training.steps import StepBatch

# C candidates


class RocketObjective:
    """Rocket Launching (Zhou et al., AAAI 2018, arXiv 1708.04106).

    Both nets minimize their own losses, and the light one also the squared difference of its
    logits from the booster's: the paper's hint loss, with its gradient block before the booster.
    """

    def __init__(self, launch: RocketLaunch, options: TrainerOptions, hint_weight: float) -> None:
        self.trained = launch
        self.served = launch.light
        self._light = ClickObjective(launch.light, options)
        self._booster = ClickObjective(launch.booster, options)
        self._hint_weight = hint_weight

    def losses(self, share: StepBatch) -> ShareLosses:
        light, booster = self._light.losses(share), self._booster.losses(share)
        hint = hint_loss(light.logits_C, booster.logits_C, share)
        return ShareLosses(
            light.logits_C,
            light.click + booster.click + self._hint_weight * hint,
            light.auxiliary + booster.auxiliary,
        )


class TaughtObjective:
    """A light net beside a teacher that is done: its own losses, and the hint loss."""

    def __init__(
        self, light: Model, options: TrainerOptions, teacher: Model, hint_weight: float
    ) -> None:
        self.trained = self.served = light
        self._light = ClickObjective(light, options)
        self._teacher = teacher.eval().requires_grad_(requires_grad=False)
        self._hint_weight = hint_weight

    def losses(self, share: StepBatch) -> ShareLosses:
        light = self._light.losses(share)
        _, taught_C = forward(self._teacher, share.batch)
        hint = hint_loss(light.logits_C, taught_C, share)
        return ShareLosses(light.logits_C, light.click + self._hint_weight * hint, light.auxiliary)


def hint_loss(logits_C: Tensor, guiding_C: Tensor, share: StepBatch) -> Tensor:
    """The weighted sum of squared differences, of which only the light net learns."""
    (weights_C,) = to_device([share.weights_C], logits_C.device)
    return ((logits_C - guiding_C.detach()).square() * weights_C).sum()
