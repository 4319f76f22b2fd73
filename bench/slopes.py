"""Lines through what was sampled: a slope, how sure it is, and whether it is a leak."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

BLOCKS = 15  # neighboring samples are alike, means of long blocks hardly are
CONFIDENCE = 0.99  # several lines are looked at in every run
S_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Slope:
    """Change per hour, with its confidence interval."""

    per_hour: float
    low: float
    high: float
    mean: float  # of what was sampled

    def is_distinguishable(self) -> bool:
        return not self.low <= 0 <= self.high

    def grows(self, *, at_least_per_hour: float) -> bool:
        """For sure, and by enough to matter."""
        return self.low > 0 and self.per_hour >= at_least_per_hour

    def shrinks(self, *, at_least_per_hour: float) -> bool:
        return self.high < 0 and self.per_hour <= -at_least_per_hour


def fit_slope(times_s: Sequence[float], values: Sequence[float]) -> Slope:
    """Least squares through the means of blocks, as samples close in time are not independent.

    Raises ValueError for fewer than three samples per block.
    """
    if len(times_s) < 3 * BLOCKS:
        raise ValueError(f"{len(times_s)} samples are too few: a line needs {3 * BLOCKS}")
    hours_B = _block_means(times_s) / S_PER_HOUR
    values_B = _block_means(values)
    fit = stats.linregress(hours_B, values_B)
    error = np.nan_to_num(fit.stderr)  # of what never changes
    margin = stats.t.ppf((1 + CONFIDENCE) / 2, BLOCKS - 2) * error
    return Slope(
        per_hour=float(fit.slope),
        low=float(fit.slope - margin),
        high=float(fit.slope + margin),
        mean=float(np.mean(values)),
    )


def _block_means(samples: Sequence[float]) -> np.ndarray:
    return np.array([block.mean() for block in np.array_split(np.asarray(samples, float), BLOCKS)])
