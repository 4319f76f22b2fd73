"""When requests are sent and for whom: decided before the clock runs."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

RECENT_USERS = 100  # the hot ones: so few that each was seen within the last minute


def poisson_times(rate_per_s: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Offsets in seconds at which requests are meant to leave: a Poisson process."""
    rng = np.random.default_rng(seed)
    expected = rate_per_s * seconds
    gaps_s = rng.exponential(1 / rate_per_s, size=int(expected + 10 * expected**0.5 + 10))
    times_s: NDArray[np.float64] = np.cumsum(gaps_s)
    return times_s[times_s < seconds]


@dataclass(slots=True)
class UserStream:
    """Users one after the other: fresh ones in turn, and a share of recent ones again."""

    pool: int
    seed: int = 7
    _next_fresh: int = 0
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def take(self, count: int, hot_share: float) -> NDArray[np.int64]:
        """Indices of `count` users; a fresh one comes again after all others of the pool."""
        hot = self._rng.random(count) < hot_share
        fresh_so_far = self._next_fresh + np.cumsum(~hot)
        recent = np.minimum(fresh_so_far, RECENT_USERS)
        hot &= recent > 0
        fresh_so_far = self._next_fresh + np.cumsum(~hot)
        ages = (self._rng.random(count) * np.maximum(recent, 1)).astype(np.int64)
        chosen = np.where(hot, fresh_so_far - 1 - ages, fresh_so_far - 1)
        self._next_fresh = int(fresh_so_far[-1]) if count else self._next_fresh
        return chosen % self.pool
