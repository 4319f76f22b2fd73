"""A straight line through costs: what one more candidate or behavior takes, and how straight."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class CostLine:
    """cost = slope · amount + fixed, by least squares."""

    slope: float
    fixed: float
    r_squared: float


def fit(amounts: Sequence[float], costs: Sequence[float]) -> CostLine:
    """Needs two different amounts."""
    x, y = np.array(amounts, np.float64), np.array(costs, np.float64)
    slope, fixed = np.polyfit(x, y, 1)
    left_over = ((y - (slope * x + fixed)) ** 2).sum()
    total = ((y - y.mean()) ** 2).sum()
    return CostLine(float(slope), float(fixed), float(1 - left_over / total) if total else 1.0)
