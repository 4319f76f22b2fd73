"""How a model is trained: the numbers that a training run can be repeated from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainerOptions:
    """Defaults are the best found on the validation split of Amazon Beauty."""

    epochs: int = 20
    batch_size: int = 1024  # candidates
    learning_rate: float = 6e-3
    weight_averaging: float = 0.998  # share of the old in the moving average; 0 is the last weights
    auxiliary_weight: float = 0.2  # alpha of the DIEN paper's eq. 7
    id_dropout: float = 0.05
    embedding_decay: float = 3.0  # an embedding shrinks by exp(-this) in an epoch without its id
    max_gradient_norm: float = 5.0
    patience: int = 2  # epochs without a better validation AUC
    seed: int = 7
