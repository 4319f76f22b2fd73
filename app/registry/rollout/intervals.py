"""Intervals that may be looked at after every request: they hold at all times at once.

An interval for a fixed number of requests is left by chance sooner or later when it is drawn again
after each of them. These are wider by just so much that this happens with probability alpha in all.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.core.batch import Doubles

TIGHTEST_AT = 500  # requests; elsewhere the interval is a little wider than it could be
BISECTIONS = 40
JEFFREYS = 0.5
FURTHEST_LOG = 700.0  # the exponential of more is no float


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and where the truth is, at the confidence that was asked for."""

    value: float
    low: float
    high: float

    def exp(self) -> "Interval":
        value, low, high = (min(one, FURTHEST_LOG) for one in (self.value, self.low, self.high))
        return Interval(math.exp(value), math.exp(low), math.exp(high))


def sequential_z(requests: int, alpha: float) -> float:
    """How many standard errors wide either side is, once there are so many requests.

    The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021
    ("Time-uniform central limit theory and asymptotic confidence sequences", equation 3).
    """
    spread = -2 * math.log(alpha)
    rho2 = (spread + math.log(spread) + 1) / TIGHTEST_AT
    scaled = requests * rho2
    return math.sqrt(2 * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / alpha))


def interval_of(
    sums_GK: Doubles, statistic: Callable[[Doubles], Doubles], requests: int, alpha: float
) -> Interval:
    """Of a statistic of K sums over users, who come in G groups: [..., K] to [...].

    Its error is that of the delete-a-group jackknife (Quenouille 1956, Tukey 1958): what one user
    does is not independent, but all of it is in one group.
    """
    total_K = sums_GK.sum(axis=0)
    value = float(statistic(total_K))
    filled_GK = sums_GK[sums_GK.any(axis=1)]
    groups = len(filled_GK)
    without_G = statistic(total_K - filled_GK)
    variance = (groups - 1) / groups * float(((without_G - without_G.mean()) ** 2).sum())
    half_width = sequential_z(requests, alpha) * math.sqrt(variance)
    return Interval(value, value - half_width, value + half_width)


def rate_interval(events: int, trials: int, alpha: float) -> Interval:
    """Of a probability, exact for any number of trials: no event in three says little.

    Robbins' mixture (1970): the rates under which the mean likelihood of all rates, weighted by
    Jeffreys' prior, is not 1/alpha times what it is under them.
    """
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0)
    observed = events / trials

    def is_ruled_out(rate: float) -> bool:
        return _log_evidence_against(rate, events, trials) >= -math.log(alpha)

    return Interval(
        observed,
        0.0 if events == 0 else _border(0.0, observed, is_ruled_out),
        1.0 if events == trials else _border(1.0, observed, is_ruled_out),
    )


def _border(outside: float, inside: float, is_ruled_out: Callable[[float], bool]) -> float:
    """The last rate on the way from inside that is ruled out."""
    for _ in range(BISECTIONS):
        middle = (outside + inside) / 2
        if is_ruled_out(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _log_evidence_against(rate: float, events: int, trials: int) -> float:
    misses = trials - events
    likelihood = events * math.log(rate) if events else 0.0
    likelihood += misses * math.log1p(-rate) if misses else 0.0
    mean = _log_beta(events + JEFFREYS, misses + JEFFREYS) - _log_beta(JEFFREYS, JEFFREYS)
    return mean - likelihood


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def log_ratio(sums_K: Doubles) -> Doubles:
    """Of the first of two sums to the second."""
    smallest = np.finfo(np.float64).tiny
    ratio: Doubles = np.log(np.maximum(sums_K[..., 0], smallest)) - np.log(
        np.maximum(sums_K[..., 1], smallest)
    )
    return ratio
