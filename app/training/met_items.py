"""The items that each user of a batch has met: in the history, or clicked as a candidate."""

import numpy as np
from numpy.typing import NDArray

from app.core.batch import Floats, RaggedBatch, Rows

# U users, N behaviors, C candidates, K questions


class MetItems:
    """Answers for many users and items at once."""

    def __init__(self, labels_C: Floats, batch: RaggedBatch) -> None:
        clicked = labels_C > 0
        user_N = np.repeat(np.arange(len(batch.lengths_U)), batch.lengths_U)
        users = np.concatenate([user_N, batch.user_of_C[clicked]])
        items = np.concatenate([batch.behaviors_NF[:, 0], batch.candidates_CF[clicked, 0]])
        self._items = int(items.max(initial=0)) + 1
        self._pairs = np.unique(users * self._items + items)

    def of(self, user: int) -> Rows:
        first, end = np.searchsorted(self._pairs, (user * self._items, (user + 1) * self._items))
        return self._pairs[first:end] - user * self._items

    def contain(self, user_K: Rows, item_K: Rows) -> NDArray[np.bool_]:
        """Whether each user has met the item beside it."""
        if len(self._pairs) == 0:
            return np.zeros(len(item_K), bool)
        pair_K = user_K * self._items + item_K
        found_K = np.searchsorted(self._pairs, pair_K).clip(max=len(self._pairs) - 1)
        met_K: NDArray[np.bool_] = (self._pairs[found_K] == pair_K) & (item_K < self._items)
        return met_K
