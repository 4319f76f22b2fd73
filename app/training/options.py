"""How a model is trained: the numbers that a training run can be repeated from."""

from dataclasses import asdict, dataclass, field
from typing import Literal

Schedule = Literal["constant", "exponential", "linear", "cosine"]
Negatives = Literal["random", "popularity", "hard"]
Precision = Literal["float32", "bfloat16"]
CalibrationKind = Literal["none", "platt", "isotonic"]


@dataclass(frozen=True, slots=True)
class OptimizerOptions:
    """How a gradient becomes a step."""

    learning_rate: float = 6e-3
    schedule: Schedule = "constant"  # after the warm-up
    warm_up_steps: int = 0  # of the optimizer
    learning_rate_decay: float = 0.8  # exponential: what is left of the rate after an epoch
    final_learning_rate: float = 0.0  # linear, cosine: at the end of the last epoch
    accumulate: int = 1  # batches whose gradients make one step
    max_gradient_norm: float = 5.0  # 0 is without a limit
    precision: Precision = "float32"  # of matrix products
    weight_averaging: float = 0.998  # share of the old in the moving average; 0 is the last weights


@dataclass(frozen=True, slots=True)
class LossOptions:
    """What is minimized."""

    positive_weight: float = 1.0  # of a click; a row without one counts 1
    focal_gamma: float = 0.0
    auxiliary_weight: float = 0.2  # alpha of the DIEN paper's eq. 7
    auxiliary_decay: float = 1.0  # what an epoch leaves of that weight
    auxiliary_share: float = 1.0  # of the behaviors that it looks at, drawn anew for each step

    def auxiliary_weight_of(self, epoch: int) -> float:
        """In the first epoch, which is number 1, all of it."""
        return self.auxiliary_weight * self.auxiliary_decay ** (epoch - 1)


@dataclass(frozen=True, slots=True)
class RegularizationOptions:
    """What keeps a model from learning its samples by heart."""

    embedding_decay: float = 3.0  # an embedding shrinks by exp(-this) in an epoch without its id
    id_dropout: float = 0.05
    embedding_dropout: float = 0.0  # of the elements of looked-up embeddings
    l2: tuple[tuple[str, float], ...] = ()  # by field: of each look-up's squared norm
    mini_batch_aware_l2: float = 0.0  # lambda of the DIN paper's eq. 6


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """What makes probabilities of the logits, once the weights are found."""

    calibration: CalibrationKind = "platt"
    negatives_kept: float = 1.0  # share of the negatives that the training samples still have


@dataclass(frozen=True, slots=True)
class NegativeOptions:
    """Which items stand for what did not happen, in the auxiliary loss and beside clicks."""

    negatives: Negatives = "popularity"
    popularity_exponent: float = 1.0  # p ~ count to this power; 0 is any item alike
    extra_negatives: int = 0  # beside each click, drawn anew in every epoch


@dataclass(frozen=True, slots=True)
class TrainerOptions:
    """Defaults are the best found on the validation split of Amazon Beauty."""

    epochs: int = 20
    batch_size: int = 1024  # candidates
    patience: int = 2  # epochs without a better validation AUC
    seed: int = 7
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    regularization: RegularizationOptions = field(default_factory=RegularizationOptions)
    calibration: CalibrationOptions = field(default_factory=CalibrationOptions)
    negatives: NegativeOptions = field(default_factory=NegativeOptions)

    @property
    def step_size(self) -> int:
        """Candidates of one step of the optimizer."""
        return self.batch_size * self.optimizer.accumulate

    def record(self) -> dict[str, str | int | float | bool]:
        """Every number by its own name, as the manifest keeps them."""
        flat: dict[str, str | int | float | bool] = {}
        for name, value in asdict(self).items():
            flat |= value if isinstance(value, dict) else {name: value}
        flat["l2"] = " ".join(f"{name}={weight:g}" for name, weight in self.regularization.l2)
        return flat
