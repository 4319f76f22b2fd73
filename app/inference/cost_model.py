"""How long a batch will compute: learned from how long batches did, here and under this load."""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import mul

import numpy as np

from app.core.batch import Doubles

FORGETTING = 0.98  # of what was learned, at each batch: fifty batches are remembered
# How much the start is trusted, in batches: machines change their speed, but hardly what a
# candidate costs beside a pair.
TRUST_IN_SPEED, TRUST_IN_PROPORTIONS = 0.5, 10.0
LEAST_SHARE, MOST_TIMES = 0.1, 50.0  # of the first prediction that are believed
SHORTEST_S = 1e-7

FEATURES = 3  # jobs, candidates, pairs


@dataclass(frozen=True, slots=True)
class Size:
    """What a job, or all jobs of a batch, have to be computed for."""

    candidates: int
    behaviors: int

    @property
    def pairs(self) -> int:
        """Candidate-behavior pairs, which is what attention and evolution are paid in; a candidate
        without any behavior still costs its row through the MLP."""
        return self.candidates * (1 + self.behaviors)

    def __str__(self) -> str:
        return f"{self.candidates}x{self.behaviors}"


class CostModel:
    """Seconds = a jobs + b candidates + c pairs, by least squares of errors relative to the start.

    What is learned are corrections of what was measured at the start, and what has not been seen
    for long is forgotten towards the start, not towards nothing: many batches of one shape must not
    spoil what is known of others (stabilized forgetting, Kulhavy and Zarrop 1993).
    """

    def __init__(self, measured: Iterable[tuple[Size, float]]) -> None:
        """`measured`: batches of one job and the seconds they took."""
        measured = list(measured)
        self.measured_sizes = [size for size, _ in measured]
        relative = np.array(
            [_features([size]) / max(seconds, SHORTEST_S) for size, seconds in measured]
        )
        start = np.linalg.lstsq(relative, np.ones(len(relative)), rcond=None)[0]
        self._start_s = start.clip(min=SHORTEST_S / 1e3)  # seconds of a job, a candidate, a pair
        together = np.full((FEATURES, FEATURES), 1 / FEATURES)
        self._trust = TRUST_IN_SPEED * together + TRUST_IN_PROPORTIONS * (
            np.eye(FEATURES) - together
        )
        self._information = self._trust
        self._corrections = np.ones(FEATURES)
        self._moment = self._information @ self._corrections
        self._start_seconds_each: list[float] = self._start_s.tolist()
        self._seconds_each = self._start_seconds_each

    def predict_s(self, sizes: Iterable[Size]) -> float:
        """Seconds of one batch of these jobs."""
        counts = _counts(sizes)  # three numbers, for which numpy would take ten times as long
        learned_s = _dot(self._seconds_each, counts)
        return max(learned_s, LEAST_SHARE * _dot(self._start_seconds_each, counts))

    def learn(self, sizes: Iterable[Size], seconds: float) -> None:
        """One batch took so long."""
        start_s = self._start_s * _features(sizes)
        total_s = start_s.sum()
        shares = start_s / total_s
        times = min(max(seconds / total_s, LEAST_SHARE), MOST_TIMES)
        renewed = (1 - FORGETTING) * self._trust
        self._information = FORGETTING * self._information + renewed + np.outer(shares, shares)
        self._moment = FORGETTING * self._moment + renewed.sum(axis=1) + times * shares
        self._corrections = np.linalg.solve(self._information, self._moment)
        self._seconds_each = (self._corrections * self._start_s).tolist()


def _features(sizes: Iterable[Size]) -> Doubles:
    return np.array(_counts(sizes), np.float64)


def _counts(sizes: Iterable[Size]) -> tuple[int, int, int]:
    jobs = candidates = pairs = 0
    for size in sizes:
        jobs += 1
        candidates += size.candidates
        pairs += size.pairs
    return jobs, candidates, pairs


def _dot(seconds_each: Iterable[float], counts: Iterable[int]) -> float:
    return float(sum(map(mul, seconds_each, counts)))
