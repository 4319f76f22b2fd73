"""The true click probability, a logistic function of interest, item and fatigue."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# N pairs of a user's state and an item

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Appeal:
    """What decides a click on N impressions."""

    interest_N: Floats  # affinity of the user's present interests to the item's category, [0, 1]
    quality_N: Floats  # standard normal
    popularity_N: Floats  # standard normal
    unseen_days_N: Floats  # since this user last saw the item, infinite if never


@dataclass(frozen=True, slots=True)
class ClickModel:
    """Weights on the log-odds scale."""

    base: float = -4.0
    interest: float = 4.7
    quality: float = 0.35
    popularity: float = 0.25
    fatigue: float = 1.0  # subtracted from an ad seen just now
    fatigue_days: float = 3.0  # until a factor e of it is gone

    def ctr(self, appeal: Appeal) -> Floats:
        """sigmoid(base + interest + quality + popularity - fatigue · exp(-days / fatigue_days))."""
        logit_N = (
            self.base
            + self.interest * appeal.interest_N
            + self.quality * appeal.quality_N
            + self.popularity * appeal.popularity_N
            - self.fatigue * np.exp(-appeal.unseen_days_N / self.fatigue_days)
        )
        return 1 / (1 + np.exp(-logit_N))
