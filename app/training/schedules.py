"""How the learning rate moves from step to step."""

from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
)

from app.training.options import OptimizerOptions


@dataclass(frozen=True, slots=True)
class TrainingLength:
    """How many steps of the optimizer there are at most."""

    steps_per_epoch: int
    epochs: int

    @property
    def steps(self) -> int:
        return self.steps_per_epoch * self.epochs


def make_schedule(
    optimizer: Optimizer, options: OptimizerOptions, length: TrainingLength
) -> LRScheduler:
    """To be stepped after each step of the optimizer, whose learning rate is the highest one.

    Warming up is linear: step t of the w has the share (t + 1) / (w + 1).
    """
    after = _after_warm_up(optimizer, options, length)
    if options.warm_up_steps == 0:
        return after
    first = 1 / (options.warm_up_steps + 1)
    warm_up = LinearLR(optimizer, start_factor=first, total_iters=options.warm_up_steps)
    return SequentialLR(optimizer, [warm_up, after], milestones=[options.warm_up_steps])


def _after_warm_up(
    optimizer: Optimizer, options: OptimizerOptions, length: TrainingLength
) -> LRScheduler:
    steps = max(1, length.steps - options.warm_up_steps)
    final = options.final_learning_rate
    match options.schedule:
        case "constant":
            return ConstantLR(optimizer, factor=1.0)
        case "exponential":
            return ExponentialLR(
                optimizer, options.learning_rate_decay ** (1 / length.steps_per_epoch)
            )
        case "linear":
            share = final / options.learning_rate
            return LinearLR(optimizer, start_factor=1.0, end_factor=share, total_iters=steps)
        case "cosine":
            return CosineAnnealingLR(optimizer, steps, eta_min=final)
