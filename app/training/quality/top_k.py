"""What users see first: clicks, variety and reach of the k best candidates of each."""

from collections.abc import Mapping

import numpy as np

from app.core.batch import Doubles, Rows
from app.training.quality.bootstrap import Statistic, ratio
from app.training.quality.scored_rows import ScoredRows

# C candidates in the order of the file, L the same ones user after user and best first, U users

TOP_K_METRICS = ("precision", "recall", "ndcg", "diversity")


class UserLists:
    """All candidates of each user, best first.

    Where a click meets a non-click of the same score, the metrics are the mean over every order of
    the two, as in `sklearn.metrics.ndcg_score`; a list itself keeps the order of the file.
    """

    def __init__(self, rows: ScoredRows) -> None:
        self.rows_L: Rows = np.lexsort((-rows.logits_C, rows.user_C))
        self._user_L = rows.user_C[self.rows_L]
        self._clicked_L = rows.clicked_C[self.rows_L]
        self._lengths_U = np.bincount(self._user_L)
        self._clicks_U = np.bincount(self._user_L, self._clicked_L)
        first_U = np.cumsum(self._lengths_U) - self._lengths_U
        self._position_L = np.arange(len(rows)) - first_U[self._user_L]
        logits_L = rows.logits_C[self.rows_L]
        is_new_L = np.ones(len(rows), bool)
        is_new_L[1:] = (np.diff(self._user_L) > 0) | (np.diff(logits_L) != 0)
        tie_L = np.cumsum(is_new_L) - 1
        self._tie_sizes_L = np.bincount(tie_L)[tie_L]
        self._tie_start_L = self._position_L[is_new_L][tie_L]

    def statistics(self, k: int, category_C: Rows) -> Mapping[str, Statistic]:
        """One for each of TOP_K_METRICS, as means over users."""
        hits_U = self._click_gains(np.ones(k))
        shown_U = np.minimum(self._lengths_U, k)
        any_click_U = (self._clicks_U > 0).astype(np.float64)
        discounts = 1 / np.log2(np.arange(k) + 2)
        ideal_gain_U = np.cumsum(discounts)[self._clicks_U.clip(1, k).astype(np.int64) - 1]
        return {
            "precision": ratio(hits_U / shown_U, np.ones(len(hits_U))),
            "recall": ratio(hits_U / np.maximum(self._clicks_U, 1), any_click_U),
            "ndcg": ratio(self._click_gains(discounts) / ideal_gain_U, any_click_U),
            "diversity": self._diversity(k, category_C),
        }

    def coverage(self, k: int, item_C: Rows) -> float:
        """The share of the candidate items that are among the k best of any user."""
        return len(np.unique(item_C[self.rows_L[self._position_L < k]])) / len(np.unique(item_C))

    def longer_than(self, k: int) -> float:
        """The share of the users with more than k candidates: only there is a choice of k."""
        return float((self._lengths_U > k).mean())

    def _click_gains(self, gains: Doubles) -> Doubles:
        """[U] sums of the gains of the positions that clicks have; ties share their gains."""
        total = np.concatenate([[0.0], np.cumsum(gains)])
        start_L = np.minimum(self._tie_start_L, len(gains))
        end_L = np.minimum(self._tie_start_L + self._tie_sizes_L, len(gains))
        gain_L = (total[end_L] - total[start_L]) / self._tie_sizes_L
        return np.bincount(self._user_L, gain_L * self._clicked_L).astype(np.float64)

    def _diversity(self, k: int, category_C: Rows) -> Statistic:
        """The share of pairs in a user's k best whose categories differ; of those with a pair."""
        shown_L = self._position_L < k
        categories = int(category_C.max(initial=0)) + 1
        kind_L = self._user_L * categories + category_C[self.rows_L]
        kinds, sizes = np.unique(kind_L[shown_L], return_counts=True)
        alike_U = np.bincount(kinds // categories, _pairs(sizes))
        pairs_U = _pairs(np.minimum(self._lengths_U, k))
        has_pair_U = (pairs_U > 0).astype(np.float64)
        return ratio(has_pair_U - alike_U / np.maximum(pairs_U, 1), has_pair_U)


def _pairs(sizes: Rows) -> Rows:
    return sizes * (sizes - 1) // 2
