"""How sure a metric is: what it becomes when the users are drawn again, with replacement."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.core.batch import Doubles

# R resamples, U users, K sums

FEWEST_USERS = 10  # fewer resample into an interval that only looks sure
DEFINED_SHARE = 0.95  # of the resamples, or there is no interval
CELLS_AT_ONCE = 2**17  # what fits a cache


class Statistic(Protocol):
    """A metric, as a function of how many times each user counts."""

    def __call__(self, times_RU: Doubles) -> Doubles:
        """[R] values, NaN where it is undefined."""
        ...


@dataclass(frozen=True, slots=True)
class OfSums:
    """A metric that needs to know no more of the users than sums over them."""

    parts_KU: Doubles
    of_totals: Callable[[Doubles], Doubles]  # [K, R] to [R]

    def __call__(self, times_RU: Doubles) -> Doubles:
        # Not a product of matrices: BLAS would start threads for it, which cost more than they do.
        totals_KR = np.einsum("ku,ru->kr", self.parts_KU, times_RU)
        with np.errstate(divide="ignore", invalid="ignore"):
            values_R = self.of_totals(totals_KR)
        return np.where(np.isfinite(values_R), values_R, np.nan)


def ratio(of_U: Doubles, per_U: Doubles) -> OfSums:
    """A sum over users divided by another one."""
    return OfSums(np.stack([of_U, per_U]), lambda totals_KR: totals_KR[0] / totals_KR[1])


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric and the interval it lies in; None where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Percentile intervals over resampled users (Efron 1979); equal seeds give equal intervals.

    Users are drawn rather than rows, because what one user does is not independent.
    """

    resamples: int = 1000
    seed: int = 7
    confidence: float = 0.95

    def measures(self, statistics: Mapping[str, Statistic], users: int) -> dict[str, Measure]:
        """Each metric as it is, and its interval."""
        once_1U = np.ones((1, users))
        resampled: dict[str, list[Doubles]] = {name: [] for name in statistics}
        for times_RU in self._draws(users):
            for name, statistic in statistics.items():
                resampled[name].append(statistic(times_RU))
        return {
            name: self._measure(float(statistic(once_1U)[0]), resampled[name])
            for name, statistic in statistics.items()
        }

    def _draws(self, users: int) -> Iterator[Doubles]:
        """[R, U] how often each user was drawn, some resamples at a time."""
        if users < FEWEST_USERS:
            return
        rng = np.random.default_rng(self.seed)
        at_once = max(1, CELLS_AT_ONCE // users)
        for start in range(0, self.resamples, at_once):
            count = min(at_once, self.resamples - start)
            cells = rng.integers(users, size=(count, users)) + users * np.arange(count)[:, None]
            times = np.bincount(cells.ravel(), minlength=count * users)
            yield times.reshape(count, users).astype(np.float64)

    def _measure(self, value: float, resampled: list[Doubles]) -> Measure:
        if np.isnan(value):
            return Measure(None)
        values_R = np.concatenate([np.empty(0), *resampled])
        defined = values_R[np.isfinite(values_R)]
        if len(defined) == 0 or len(defined) < DEFINED_SHARE * len(values_R):
            return Measure(value)
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(defined, [tail, 1 - tail])
        return Measure(value, float(low), float(high))
