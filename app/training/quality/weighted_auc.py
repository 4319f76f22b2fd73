"""AUC of many resamples: what is sorted is sorted once, and users only count differently."""

import numpy as np

from app.core.batch import Doubles, Rows
from app.training.quality.scored_rows import ScoredRows

# R resamples, U users, P clicks, N impressions without click


class WeightedAuc:
    """How often a click scores above a non-click, ties half, where users count several times.

    What `sklearn.metrics.roc_auc_score` gives with the times as weights; it would sort again
    for every resample.
    """

    def __init__(self, rows: ScoredRows) -> None:
        clicked_C, logits_C, user_C = rows.clicked_C, rows.logits_C, rows.user_C
        order = np.argsort(logits_C[~clicked_C], kind="stable")
        other_logits_N, click_logits_P = logits_C[~clicked_C][order], logits_C[clicked_C]
        self._user_of_other_N: Rows = user_C[~clicked_C][order]
        self._user_of_click_P: Rows = user_C[clicked_C]
        self._others_below_P = np.searchsorted(other_logits_N, click_logits_P, side="left")
        self._others_up_to_P = np.searchsorted(other_logits_N, click_logits_P, side="right")

    def __call__(self, times_RU: Doubles) -> Doubles:
        clicks_RP = np.take(times_RU, self._user_of_click_P, axis=1)
        seen_RN = np.zeros((len(times_RU), len(self._user_of_other_N) + 1))
        np.cumsum(np.take(times_RU, self._user_of_other_N, axis=1), axis=1, out=seen_RN[:, 1:])
        twice_won_RP = np.take(seen_RN, self._others_below_P, axis=1)
        twice_won_RP += np.take(seen_RN, self._others_up_to_P, axis=1)
        won_R = np.einsum("rp,rp->r", clicks_RP, twice_won_RP) / 2
        pairs_R = clicks_RP.sum(axis=1) * seen_RN[:, -1]
        undefined_R = np.full(len(pairs_R), np.nan)
        auc_R: Doubles = np.divide(won_R, pairs_R, out=undefined_R, where=pairs_R > 0)
        return auc_R
