"""Behaviors that did not happen, for the auxiliary loss."""

import numpy as np

from app.core.batch import Rows

# N behaviors of a batch, M of the training split, F behavior fields (the item first)


class NegativeSampler:
    """Draws items as often as histories contain them, each with its own category."""

    def __init__(self, behaviors_MF: Rows) -> None:
        self._behaviors_MF = behaviors_MF
        self._has_a_choice = bool((behaviors_MF[:, 0] != behaviors_MF[:1, 0]).any())

    def draw(self, positives_NF: Rows, rng: np.random.Generator) -> Rows:
        """A negative for each positive, of another item wherever there is one."""
        negatives_NF = self._draw(len(positives_NF), rng)
        while self._has_a_choice:
            same = np.flatnonzero(negatives_NF[:, 0] == positives_NF[:, 0])
            if len(same) == 0:
                break
            negatives_NF[same] = self._draw(len(same), rng)
        return negatives_NF

    def _draw(self, count: int, rng: np.random.Generator) -> Rows:
        if count == 0:
            return self._behaviors_MF[:0].copy()
        return self._behaviors_MF[rng.integers(len(self._behaviors_MF), size=count)]
