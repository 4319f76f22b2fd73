"""What two versions are compared by, each as an interval that holds at all times."""

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np

from app.core.batch import Doubles
from app.registry.rollout.comparison import Comparison, Pairs
from app.registry.rollout.intervals import Interval, interval_of, log_ratio, rate_interval
from app.registry.rollout.score_bins import coarse_bins, coarsened, psi_of

MeasureName = Literal[
    "ctr_ratio", "rank_correlation", "psi", "nan_rate", "error_rate", "latency_ratio"
]
MEASURES: tuple[MeasureName, ...] = get_args(MeasureName)
FEWEST_REQUESTS = 50  # fewer do not make a mean normal
FEWEST_GROUPS = 20  # of users; fewer do not tell an error


def measured(comparison: Comparison, alpha: float) -> dict[MeasureName, Interval]:
    """All of which there is enough; each is wrong, at any time, with probability alpha."""
    return dict(_measured(comparison, alpha))


def _measured(comparison: Comparison, alpha: float) -> Iterator[tuple[MeasureName, Interval]]:
    pairs, challenger = comparison.pairs, comparison.challenger
    if _is_enough(pairs.requests_G):
        ctr_G2 = np.stack([pairs.new_ctr_G, pairs.old_ctr_G], axis=1)
        yield "ctr_ratio", interval_of(ctr_G2, log_ratio, pairs.requests, alpha).exp()
        yield "psi", _psi(pairs, alpha)
    if _is_enough(pairs.ranked_G):
        tau_G2 = np.stack([pairs.tau_G, pairs.ranked_G], axis=1)
        yield "rank_correlation", interval_of(tau_G2, _mean, pairs.ranked, alpha)
    if challenger.requests:
        requests = challenger.requests
        yield "nan_rate", rate_interval(challenger.count("nan"), requests, alpha)
        yield "error_rate", rate_interval(challenger.count("error"), requests, alpha)
    if _is_enough(challenger.timed_G) and _is_enough(comparison.active.timed_G):
        yield "latency_ratio", _latency_ratio(comparison, alpha)


def _is_enough(requests_G: Doubles) -> bool:
    groups = np.count_nonzero(requests_G)
    return bool(requests_G.sum() >= FEWEST_REQUESTS and groups >= FEWEST_GROUPS)


def _psi(pairs: Pairs, alpha: float) -> Interval:
    coarse_B = coarse_bins(pairs.old_bins_GB.sum(axis=0))
    both = (pairs.new_bins_GB, pairs.old_bins_GB)
    sums_GK = np.concatenate([coarsened(fine_GB, coarse_B) for fine_GB in both], axis=1)
    return interval_of(sums_GK, psi_of, pairs.requests, alpha)


def _latency_ratio(comparison: Comparison, alpha: float) -> Interval:
    """Of geometric means: one slow request says little about the next one."""
    sides = (comparison.challenger, comparison.active)
    sums_G4 = np.stack(
        [sums_G for side in sides for sums_G in (side.log_seconds_G, side.timed_G)], axis=1
    )
    fewest = min(side.requests for side in sides)
    return interval_of(sums_G4, _difference_of_means, fewest, alpha).exp()


def _mean(sums_K: Doubles) -> Doubles:
    mean: Doubles = sums_K[..., 0] / sums_K[..., 1]
    return mean


def _difference_of_means(sums_K: Doubles) -> Doubles:
    return _mean(sums_K[..., :2]) - _mean(sums_K[..., 2:])
