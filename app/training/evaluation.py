"""How good predicted CTRs are: ranking (AUC, GAUC) and honesty (logloss, PCOC, ECE)."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from app.core.batch import Doubles, Floats, Rows
from app.registry.manifest import Metrics

# C candidates

Scores = NDArray[np.floating]


def evaluate(ctr_C: Doubles, labels_C: Floats, users_C: Rows) -> Metrics:
    """All of them; labels of both kinds are needed."""
    return Metrics(
        auc=auc(ctr_C, labels_C),
        gauc=gauc(ctr_C, labels_C, users_C),
        logloss=float(log_loss(labels_C, ctr_C, labels=[0, 1])),
        pcoc=pcoc(ctr_C, labels_C),
        rows=len(labels_C),
        ece=ece(ctr_C, labels_C),
    )


def auc(scores_C: Scores, labels_C: Floats) -> float:
    """How often a click scores above a non-click; ties count half."""
    return float(roc_auc_score(labels_C, scores_C))


def gauc(scores_C: Scores, labels_C: Floats, users_C: Rows) -> float:
    """The AUC within each user who has clicks and non-clicks, weighted by impressions.

    0.5, which is chance, when there is no such user.
    """
    order = np.lexsort((scores_C, users_C))
    clicked_C, scores_C = labels_C[order] > 0, scores_C[order]
    _, user_C = np.unique(users_C[order], return_inverse=True)
    ranks_C = _mean_ranks(user_C, scores_C)
    impressions_U = np.bincount(user_C)
    clicks_U = np.bincount(user_C, clicked_C)
    pairs_U = clicks_U * (impressions_U - clicks_U)
    mixed = pairs_U > 0
    if not mixed.any():
        return 0.5
    before_U = np.cumsum(impressions_U) - impressions_U
    rank_sums_U = np.bincount(user_C, clicked_C * (ranks_C - before_U[user_C]))
    won_U = rank_sums_U - clicks_U * (clicks_U + 1) / 2
    return float(np.average(won_U[mixed] / pairs_U[mixed], weights=impressions_U[mixed]))


def pcoc(ctr_C: Scores, labels_C: Floats) -> float:
    """Predicted clicks over clicks: above one, the model promises too much."""
    return float(ctr_C.sum(dtype=np.float64) / labels_C.sum(dtype=np.float64))


def ece(ctr_C: Doubles, labels_C: Floats | Doubles, *, bins: int = 15) -> float:
    """Expected calibration error: mean |predicted - observed CTR| of bins with equally many rows.

    Equal predictions share a bin. Even honest predictions have one, of about
    0.8 · sqrt(bins · p · (1 - p) / rows). Naeini et al. 2015, eq. 3; Nguyen and O'Connor 2015.
    """
    edges = np.quantile(ctr_C, np.arange(1, bins) / bins)
    bin_C = np.searchsorted(edges, ctr_C, side="right")
    gap_B = np.bincount(bin_C, ctr_C) - np.bincount(bin_C, labels_C)
    return float(np.abs(gap_B).sum() / len(ctr_C))


def _mean_ranks(user_C: Rows, scores_C: Scores) -> NDArray[np.float64]:
    """1-based positions in an order by user and score; equal scores of a user share their mean."""
    is_new = np.ones(len(scores_C), bool)
    is_new[1:] = (user_C[1:] != user_C[:-1]) | (scores_C[1:] != scores_C[:-1])
    tie_C = np.cumsum(is_new) - 1
    sizes = np.bincount(tie_C)
    mean_ranks: NDArray[np.float64] = np.cumsum(sizes) - (sizes - 1) / 2
    return np.take(mean_ranks, tie_C)
