"""The metrics of CTRs as statistics of users: how well they rank, and how honest they are."""

from collections.abc import Mapping

import numpy as np
from scipy.special import xlog1py, xlogy

from app.core.batch import Doubles
from app.training.evaluation import bins_of_equal_mass, entropy, user_aucs
from app.training.quality.bootstrap import OfSums, Statistic, ratio
from app.training.quality.scored_rows import ScoredRows
from app.training.quality.weighted_auc import WeightedAuc

# C candidates, U users, B bins, R resamples

CLICK_METRICS = ("auc", "gauc", "logloss", "normalized_entropy", "pcoc", "ece")
SMALLEST_CTR = np.finfo(np.float64).eps  # as in sklearn.metrics.log_loss


def click_statistics(rows: ScoredRows, *, bins: int) -> Mapping[str, Statistic]:
    """One for each of CLICK_METRICS; the same formulas as in `app.training.evaluation`."""
    loss_U, rows_U = rows.per_user(log_losses(rows)), rows.per_user(np.ones(len(rows)))
    clicks_U, promised_U = rows.per_user(rows.clicked_C), rows.per_user(rows.ctr_C)
    return {
        "auc": WeightedAuc(rows),
        "gauc": _gauc(rows, rows_U),
        "logloss": ratio(loss_U, rows_U),
        "normalized_entropy": OfSums(np.stack([loss_U, rows_U, clicks_U]), _normalized_entropy),
        "pcoc": ratio(promised_U, clicks_U),
        "ece": OfSums(np.stack([*_gaps(rows, bins), rows_U]), _ece),
    }


def log_losses(rows: ScoredRows) -> Doubles:
    """[C] -ln of the probability that what happened was given."""
    ctr_C = rows.ctr_C.clip(SMALLEST_CTR, 1 - SMALLEST_CTR)
    losses: Doubles = -xlogy(rows.clicked_C, ctr_C) - xlog1py(~rows.clicked_C, -ctr_C)
    return losses


def _gauc(rows: ScoredRows, rows_U: Doubles) -> Statistic:
    auc_U = user_aucs(rows.logits_C, rows.clicked_C, rows.user_C)
    weights_U = np.where(np.isfinite(auc_U), rows_U, 0.0)
    return ratio(np.nan_to_num(auc_U) * weights_U, weights_U)


def _normalized_entropy(totals_KR: Doubles) -> Doubles:
    loss_R, rows_R, clicks_R = totals_KR
    normalized_R: Doubles = loss_R / rows_R / entropy(clicks_R / rows_R)
    return normalized_R


def _gaps(rows: ScoredRows, bins: int) -> Doubles:
    """[B, U] predicted minus observed clicks, in bins that do not move when users are resampled."""
    cell_C = bins_of_equal_mass(rows.ctr_C, bins) * rows.users + rows.user_C
    gaps_C = rows.ctr_C - rows.clicked_C
    gaps: Doubles = np.bincount(cell_C, gaps_C, minlength=rows.users * bins).astype(np.float64)
    return gaps.reshape(bins, rows.users)


def _ece(totals_KR: Doubles) -> Doubles:
    gaps_BR, rows_R = totals_KR[:-1], totals_KR[-1]
    mean_gaps_R: Doubles = np.abs(gaps_BR).sum(axis=0) / rows_R
    return mean_gaps_R
