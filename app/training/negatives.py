"""Behaviors that did not happen, for the auxiliary loss."""

import numpy as np

from app.core.batch import Rows
from app.training.options import NegativeOptions
from app.training.row_draws import drawable, row_draw

# N behaviors of a batch, M of the training split, F behavior fields (the item first)

AS_HISTORIES = NegativeOptions()


class NegativeSampler:
    """Draws items, each with its own category; by default as often as histories contain them."""

    def __init__(self, behaviors_MF: Rows, options: NegativeOptions = AS_HISTORIES) -> None:
        drawable_M = drawable(behaviors_MF[:, 0], options)
        self._pool_MF = behaviors_MF if drawable_M.all() else behaviors_MF[drawable_M]
        self._draw = row_draw(self._pool_MF, options)
        self._has_a_choice = bool((self._pool_MF[:, 0] != self._pool_MF[:1, 0]).any())

    def draw(self, positives_NF: Rows, rng: np.random.Generator) -> Rows:
        """A negative for each positive, of another item wherever there is one."""
        negatives_NF = self._pool_MF[self._draw(positives_NF, rng)]
        while self._has_a_choice:
            same = np.flatnonzero(negatives_NF[:, 0] == positives_NF[:, 0])
            if len(same) == 0:
                break
            negatives_NF[same] = self._pool_MF[self._draw(positives_NF[same], rng)]
        return negatives_NF
