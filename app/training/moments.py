"""Mean and standard deviation of numbers that come chunk by chunk."""

import math

import numpy as np

from app.training.columns import Numbers


class Moments:
    """Chan, Golub and LeVeque 1979: what two parts have together, without a difference of squares.

    Missing numbers (NaN) do not count.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0  # sum of squared deviations from the mean

    def add(self, numbers: Numbers) -> None:
        known = numbers[~np.isnan(numbers)]
        if len(known) == 0:
            return
        mean = float(known.mean())
        squares = float(np.square(known - mean).sum())
        apart, total = mean - self.mean, self.count + len(known)
        self._squares += squares + apart**2 * self.count * len(known) / total
        self.mean += apart * len(known) / total
        self.count = total

    @property
    def std(self) -> float:
        return math.sqrt(self._squares / self.count) if self.count else 0.0
