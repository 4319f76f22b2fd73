"""How long a batch will compute: learned from how long batches did, here and under this load."""

from collections.abc import Iterable, Sequence
from operator import mul

import numpy as np
from msgspec import Struct

FORGETTING = 0.98  # of what was learned, at each batch: fifty batches are remembered
# How much the start is trusted, in batches: machines change their speed, but hardly what a
# candidate costs beside a pair.
TRUST_IN_SPEED, TRUST_IN_PROPORTIONS = 0.5, 10.0
LEAST_SHARE, MOST_TIMES = 0.1, 50.0  # of the first prediction that are believed
SHORTEST_S = 1e-7

FEATURES = 3  # jobs, candidates, pairs


class Size(Struct, frozen=True):
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
            [np.array(_counts([size])) / max(seconds, SHORTEST_S) for size, seconds in measured]
        )
        start = np.linalg.lstsq(relative, np.ones(len(relative)), rcond=None)[0]
        start_s = start.clip(min=SHORTEST_S / 1e3)  # of a job, a candidate, a pair
        together = np.full((FEATURES, FEATURES), 1 / FEATURES)
        trust = TRUST_IN_SPEED * together + TRUST_IN_PROPORTIONS * (np.eye(FEATURES) - together)
        # A few numbers at a time, for which numpy takes several times as long as Python.
        self._start_seconds_each: list[float] = start_s.tolist()
        self._seconds_each = self._start_seconds_each
        self._equations: list[float] = [
            *trust[np.triu_indices(FEATURES)].tolist(),
            *trust.sum(axis=1).tolist(),  # solved by corrections that are all 1
        ]
        self._renewal = [(1 - FORGETTING) * trusted for trusted in self._equations]

    def predict_s(self, sizes: Iterable[Size]) -> float:
        """Seconds of one batch of these jobs."""
        counts = _counts(sizes)
        learned_s = _dot(self._seconds_each, counts)
        return max(learned_s, LEAST_SHARE * _dot(self._start_seconds_each, counts))

    def learn(self, sizes: Iterable[Size], seconds: float) -> None:
        """One batch took so long."""
        of_jobs_s, of_candidates_s, of_pairs_s = map(mul, self._start_seconds_each, _counts(sizes))
        total_s = of_jobs_s + of_candidates_s + of_pairs_s
        j, c, p = of_jobs_s / total_s, of_candidates_s / total_s, of_pairs_s / total_s
        times = min(max(seconds / total_s, LEAST_SHARE), MOST_TIMES)
        seen = (j * j, j * c, j * p, c * c, c * p, p * p, times * j, times * c, times * p)
        self._equations = [
            FORGETTING * known + renewed + new
            for known, renewed, new in zip(self._equations, self._renewal, seen, strict=True)
        ]
        corrections = _solved(*self._equations)
        self._seconds_each = list(map(mul, corrections, self._start_seconds_each))


def _solved(  # noqa: PLR0913, PLR0917 - a matrix and a vector
    a: float, b: float, c: float, d: float, e: float, f: float, x: float, y: float, z: float
) -> tuple[float, float, float]:
    """The solution of [[a, b, c], [b, d, e], [c, e, f]] times it = [x, y, z], by Cramer's rule."""
    minors = d * f - e * e, b * f - c * e, b * e - c * d
    determinant = a * minors[0] - b * minors[1] + c * minors[2]
    return (
        (x * minors[0] - b * (y * f - e * z) + c * (y * e - d * z)) / determinant,
        (a * (y * f - e * z) - x * minors[1] + c * (b * z - c * y)) / determinant,
        (a * (d * z - e * y) - b * (b * z - c * y) + x * minors[2]) / determinant,
    )


def _counts(sizes: Iterable[Size]) -> tuple[int, int, int]:
    jobs = candidates = pairs = 0
    for size in sizes:
        jobs += 1
        candidates += size.candidates
        pairs += size.pairs
    return jobs, candidates, pairs


def _dot(seconds_each: Sequence[float], counts: tuple[int, int, int]) -> float:
    of_job, of_candidate, of_pair = seconds_each
    jobs, candidates, pairs = counts
    return of_job * jobs + of_candidate * candidates + of_pair * pairs
