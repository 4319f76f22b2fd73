"""How good predicted CTRs are: ranking (AUC, GAUC) and honesty (logloss, NE, PCOC, ECE)."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr
from sklearn.metrics import log_loss, roc_auc_score

from app.core.batch import Doubles, Floats, Rows
from app.registry.manifest import Metrics

# C candidates, U users

Scores = NDArray[np.floating]
Mask = NDArray[np.bool_]


def evaluate(ctr_C: Doubles, labels_C: Floats, users_C: Rows) -> Metrics:
    """All of them; labels of both kinds are needed."""
    logloss = float(log_loss(labels_C, ctr_C, labels=[0, 1]))
    return Metrics(
        auc=auc(ctr_C, labels_C),
        gauc=gauc(ctr_C, labels_C, users_C),
        logloss=logloss,
        pcoc=pcoc(ctr_C, labels_C),
        rows=len(labels_C),
        ece=ece(ctr_C, labels_C),
        normalized_entropy=logloss / float(entropy(labels_C.mean(dtype=np.float64))),
    )


def auc(scores_C: Scores, labels_C: Floats) -> float:
    """How often a click scores above a non-click; ties count half."""
    return float(roc_auc_score(labels_C, scores_C))


def gauc(scores_C: Scores, labels_C: Floats, users_C: Rows) -> float:
    """The AUC within each user who has clicks and non-clicks, weighted by impressions.

    0.5, which is chance, when there is no such user.
    """
    _, user_C = np.unique(users_C, return_inverse=True)
    auc_U = user_aucs(scores_C, labels_C, user_C)
    mixed = np.isfinite(auc_U)
    if not mixed.any():
        return 0.5
    return float(np.average(auc_U[mixed], weights=np.bincount(user_C)[mixed]))


def user_aucs(scores_C: Scores, labels_C: Scores | Mask, user_C: Rows) -> Doubles:
    """[U] the AUC within each user, numbered without gaps; NaN without clicks and non-clicks."""
    order = np.lexsort((scores_C, user_C))
    clicked_C, scores_C, user_C = labels_C[order] > 0, scores_C[order], user_C[order]
    ranks_C = _mean_ranks(user_C, scores_C)
    impressions_U = np.bincount(user_C)
    clicks_U = np.bincount(user_C, clicked_C)
    pairs_U = clicks_U * (impressions_U - clicks_U)
    before_U = np.cumsum(impressions_U) - impressions_U
    rank_sums_U = np.bincount(user_C, clicked_C * (ranks_C - before_U[user_C]))
    won_U = rank_sums_U - clicks_U * (clicks_U + 1) / 2
    auc_U: Doubles = np.divide(won_U, pairs_U, out=np.full(len(won_U), np.nan), where=pairs_U > 0)
    return auc_U


def entropy(rate: Doubles | float) -> Doubles:
    """-p ln p - (1 - p) ln(1 - p): the logloss of who knows nothing but the click rate.

    Logloss divided by it is the normalized entropy of He et al. 2014, eq. 1: 1 knows no more.
    """
    both: Doubles = entr(rate) + entr(np.subtract(1.0, rate))
    return both


def pcoc(ctr_C: Scores, labels_C: Floats) -> float:
    """Predicted clicks over clicks: above one, the model promises too much."""
    return float(ctr_C.sum(dtype=np.float64) / labels_C.sum(dtype=np.float64))


def ece(ctr_C: Doubles, labels_C: Floats | Doubles, *, bins: int = 15) -> float:
    """Expected calibration error: mean |predicted - observed CTR| of bins with equally many rows.

    Equal predictions share a bin. Even honest predictions have one, of about
    0.8 · sqrt(bins · p · (1 - p) / rows). Naeini et al. 2015, eq. 3; Nguyen and O'Connor 2015.
    """
    bin_C = bins_of_equal_mass(ctr_C, bins)
    gap_B = np.bincount(bin_C, ctr_C) - np.bincount(bin_C, labels_C)
    return float(np.abs(gap_B).sum() / len(ctr_C))


def bins_of_equal_mass(ctr_C: Doubles, bins: int) -> Rows:
    """[C] the bin of each prediction, in rising order; equal predictions share one."""
    edges = np.quantile(ctr_C, np.arange(1, bins) / bins)
    return np.searchsorted(edges, ctr_C, side="right")


def _mean_ranks(user_C: Rows, scores_C: Scores) -> NDArray[np.float64]:
    """1-based positions in an order by user and score; equal scores of a user share their mean."""
    is_new = np.ones(len(scores_C), bool)
    is_new[1:] = (user_C[1:] != user_C[:-1]) | (scores_C[1:] != scores_C[:-1])
    tie_C = np.cumsum(is_new) - 1
    sizes = np.bincount(tie_C)
    mean_ranks: NDArray[np.float64] = np.cumsum(sizes) - (sizes - 1) / 2
    return np.take(mean_ranks, tie_C)
