"""When to stop, and the weights to go back to."""

from collections.abc import Mapping

from torch import Tensor


class EarlyStopping:
    """Keeps the weights of the best epoch and counts those since."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._epochs_since_best = 0
        self.best_score = float("-inf")
        self.best_weights: dict[str, Tensor] = {}

    def observe(self, score: float, weights: Mapping[str, Tensor]) -> bool:
        """Whether this epoch is the best so far."""
        if score <= self.best_score:
            self._epochs_since_best += 1
            return False
        self._epochs_since_best = 0
        self.best_score = score
        self.best_weights = {name: tensor.clone() for name, tensor in weights.items()}
        return True

    @property
    def should_stop(self) -> bool:
        return self._epochs_since_best >= self._patience
