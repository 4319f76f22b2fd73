"""How two versions spread their CTRs: fine bins of log-odds, compared by deciles of the old one.

The population stability index is sum (new - old) ln(new / old) over the bins, by their shares:
below 0.1 a distribution counts as unchanged, above 0.25 as another one.
"""

import numpy as np

from app.core.batch import Doubles, Rows

BINS_PER_LOGIT = 8
FURTHEST_LOGIT = 12.0
BINS = int(2 * FURTHEST_LOGIT * BINS_PER_LOGIT) + 1
COARSE_BINS = 10
PRIOR_REQUESTS = 0.05  # in each coarse bin, so that an empty one is not infinitely far away


def binned(ctr_C: Doubles) -> Doubles:
    """[BINS] shares of the candidates of one request: however many, it counts once."""
    with np.errstate(divide="ignore"):
        log_odds_C = np.log(ctr_C) - np.log1p(-ctr_C)
    near_C = np.clip(log_odds_C, -FURTHEST_LOGIT, FURTHEST_LOGIT)
    bin_C = np.rint((near_C + FURTHEST_LOGIT) * BINS_PER_LOGIT).astype(np.int64)
    return np.bincount(bin_C, minlength=BINS) / len(ctr_C)


def coarse_bins(old_B: Doubles) -> Rows:
    """[BINS] the decile that each fine bin belongs to, by its middle."""
    middle_B = (np.cumsum(old_B) - old_B / 2) / old_B.sum()
    decile_B: Rows = np.minimum((middle_B * COARSE_BINS).astype(np.int64), COARSE_BINS - 1)
    return decile_B


def coarsened(fine_GB: Doubles, coarse_B: Rows) -> Doubles:
    """[G, COARSE_BINS] sums of the fine bins."""
    return np.stack(
        [fine_GB[:, coarse_B == decile].sum(axis=1) for decile in range(COARSE_BINS)], axis=1
    )


def psi_of(new_and_old_K: Doubles) -> Doubles:
    """[..., 2 · COARSE_BINS] sums of the new version, then of the old one, to [...]."""
    new, old = (_shares(sums) for sums in np.split(new_and_old_K, 2, axis=-1))
    index: Doubles = ((new - old) * np.log(new / old)).sum(axis=-1)
    return index


def _shares(sums: Doubles) -> Doubles:
    # Differences of sums may be a rounding error below zero.
    smoothed = np.maximum(sums, 0) + PRIOR_REQUESTS
    shares: Doubles = smoothed / smoothed.sum(axis=-1, keepdims=True)
    return shares
