"""Fits, on samples that the weights were not fitted to, what makes honest CTRs of logits."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from app.core.batch import Doubles, Floats
from app.core.calibration import MIN_SLOPE, Calibration, Isotonic, Platt, Uncalibrated
from app.training.options import CalibrationKind

# C candidates, G groups of candidates, K knots

ROWS_PER_GROUP = 200
FEWEST_GROUPS, MOST_GROUPS = 10, 100
TAIL_SLOPE = 0.01  # beyond what was observed a CTR rises, but promises little more


def fit_calibration(
    kind: CalibrationKind, logits_C: Floats, labels_C: Floats, *, negatives_kept: float
) -> Calibration:
    """Labels of both kinds are needed, in their true proportions."""
    sampled = Uncalibrated(negatives_kept=negatives_kept)
    corrected_C, clicked_C = sampled.corrected(logits_C), labels_C.astype(np.float64)
    match kind:
        case "none":
            return sampled
        case "platt":
            slope = _platt_slope(corrected_C, clicked_C)
            offset = _offset_to_mean(slope * corrected_C, clicked_C.mean())
            return Platt(negatives_kept=negatives_kept, slope=slope, offset=offset)
        case "isotonic":
            knots = _isotonic_knots(corrected_C, clicked_C)
            return Isotonic(negatives_kept=negatives_kept, knots=knots)


def _platt_slope(corrected_C: Doubles, clicked_C: Doubles) -> float:
    """By maximum likelihood of labels that are a little unsure (Platt 1999, section 2.2)."""
    clicks = clicked_C.sum()
    others = len(clicked_C) - clicks
    target_C = np.where(clicked_C > 0, (clicks + 1) / (clicks + 2), 1 / (others + 2))
    both_2C1 = np.concatenate([corrected_C, corrected_C])[:, None]
    regression = LogisticRegression(C=np.inf, tol=1e-8).fit(
        both_2C1,
        np.repeat([1, 0], len(corrected_C)),
        sample_weight=np.concatenate([target_C, 1 - target_C]),
    )
    # A model that is worse than chance must keep its order all the same.
    return float(regression.coef_[0, 0].clip(MIN_SLOPE, 1 / MIN_SLOPE))


def _isotonic_knots(corrected_C: Doubles, clicked_C: Doubles) -> tuple[tuple[float, float], ...]:
    """Pool-adjacent-violators, joined through the centers of its blocks.

    Centered isotonic regression (Oron and Flournoy 2017), of groups of neighbors rather than of
    single rows and in log-odds, with two more knots for the tails.
    """
    logits_G, rates_G, rows_G = _groups(corrected_C, clicked_C)
    pooled_G = IsotonicRegression().fit_transform(logits_G, rates_G, sample_weight=rows_G)
    rates_K, block_G = np.unique(pooled_G, return_inverse=True)
    logits_K = np.bincount(block_G, rows_G * logits_G) / np.bincount(block_G, rows_G)
    slack_K = 2 * MIN_SLOPE * logits_K
    values_K = np.maximum.accumulate(logit(rates_K) - slack_K) + slack_K
    knots_K = np.stack([logits_K, values_K], axis=1)
    tail = np.array([1, TAIL_SLOPE])
    knots = np.concatenate([knots_K[:1] - tail, knots_K, knots_K[-1:] + tail])
    return tuple((float(left), float(value)) for left, value in knots)


def _groups(corrected_C: Doubles, clicked_C: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Mean logit, click rate and rows of groups with about equally many rows, in rising order.

    One row more in each clicks as often as the mean, so that no rate is 0 or 1.
    """
    groups = min(MOST_GROUPS, max(FEWEST_GROUPS, len(corrected_C) // ROWS_PER_GROUP))
    edges = np.quantile(corrected_C, np.arange(1, groups) / groups)
    _, group_C = np.unique(np.searchsorted(edges, corrected_C, side="right"), return_inverse=True)
    rows_G = np.bincount(group_C)
    logits_G: Doubles = np.bincount(group_C, corrected_C) / rows_G
    rates_G: Doubles = (np.bincount(group_C, clicked_C) + clicked_C.mean()) / (rows_G + 1)
    return logits_G, rates_G, rows_G.astype(np.float64) + 1


def _offset_to_mean(logits_C: Doubles, mean: float) -> float:
    """What to add to logits so that their probabilities have this mean: PCOC becomes 1."""

    def excess(offset: float) -> float:
        return float(expit(logits_C + offset).mean()) - mean

    low, high = logit(mean) - logits_C.max(), logit(mean) - logits_C.min()
    return float(brentq(excess, low - 1, high + 1))
