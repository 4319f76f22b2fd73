"""When to stop, and the weights to go back to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True, slots=True)
class StoppingState:
    """The best epoch so far."""

    best_score: float
    best_weights: Mapping[str, Tensor]
    epochs_since_best: int


class EarlyStopping:
    """Keeps the weights of the best epoch and counts those since."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._best = StoppingState(float("-inf"), {}, 0)

    @property
    def best_weights(self) -> Mapping[str, Tensor]:
        return self._best.best_weights

    def observe(self, score: float, weights: Mapping[str, Tensor]) -> bool:
        """Whether this epoch is the best so far."""
        best = self._best
        if score <= best.best_score:
            self._best = replace(best, epochs_since_best=best.epochs_since_best + 1)
            return False
        copies = {name: tensor.clone() for name, tensor in weights.items()}
        self._best = StoppingState(score, copies, 0)
        return True

    @property
    def should_stop(self) -> bool:
        return self._best.epochs_since_best >= self._patience

    def state(self) -> StoppingState:
        return self._best

    def restore(self, state: StoppingState) -> None:
        self._best = state
