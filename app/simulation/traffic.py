"""Who comes on a day and which ads they are shown, before anybody clicks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.simulation.catalog import Catalog

# U users, C categories, S sessions of a day, A ad slots of a session, N impressions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAY_S = 86_400
_SECONDS_BETWEEN_ADS = (15, 90)  # exclusive of the last
_MAX_SLOTS = 500  # a session must end on the day it began


@dataclass(frozen=True, slots=True)
class Shown:
    """Impressions, session after session, in time order within a session."""

    user_N: Ints
    item_N: Ints
    timestamp_N: Ints  # unix seconds


@dataclass(frozen=True, slots=True)
class Traffic:
    """How often users come and what fills their ad slots."""

    sessions_per_day: float = 0.15  # mean over users, who differ
    slots: int = 16  # per session; an ad drawn twice is shown once
    targeted: float = 0.35  # share of slots filled from the user's present interests

    def __post_init__(self) -> None:
        if not 1 <= self.slots <= _MAX_SLOTS:
            raise ValueError(f"slots must be in 1..{_MAX_SLOTS}: {self.slots}")

    def habits(self, users: int, rng: np.random.Generator) -> Floats:
        """Probability [U] of a session on any one day."""
        return np.minimum(1.0, self.sessions_per_day * rng.gamma(4.0, 0.25, users))

    def sessions(self, habits_U: Floats, rng: np.random.Generator) -> Ints:
        """The users who come today, at most once each."""
        return np.flatnonzero(rng.random(len(habits_U)) < habits_U)

    def shown(
        self, user_S: Ints, mixture_SC: Floats, catalog: Catalog, rng: np.random.Generator
    ) -> Shown:
        """Distinct ads for every session of one day; timestamps count from its midnight."""
        item_SA = self._draw_items(mixture_SC, catalog, rng)
        timestamp_SA = _timestamps(item_SA.shape, rng)
        distinct_SA = _first_of_each(item_SA)
        user_SA = np.broadcast_to(user_S[:, None], item_SA.shape)
        return Shown(user_SA[distinct_SA], item_SA[distinct_SA], timestamp_SA[distinct_SA])

    def _draw_items(self, mixture_SC: Floats, catalog: Catalog, rng: np.random.Generator) -> Ints:
        """Targeted slots draw a category first; every draw is in proportion to exposure."""
        shape = (len(mixture_SC), self.slots)
        cumulative_SC = np.cumsum(mixture_SC, axis=1)
        cumulative_SC /= cumulative_SC[:, -1:]
        category_SA = (rng.random(shape)[:, :, None] > cumulative_SC[:, None, :]).sum(axis=2)
        low_SA, high_SA = catalog.exposure_range(category_SA)
        targeted_SA = rng.random(shape) < self.targeted
        low_SA, high_SA = np.where(targeted_SA, low_SA, 0.0), np.where(targeted_SA, high_SA, 1.0)
        share_SA = low_SA + rng.random(shape) * (high_SA - low_SA)
        return np.searchsorted(catalog.exposure_I, share_SA, side="right").clip(
            max=len(catalog.item_ids) - 1
        )


def _timestamps(shape: tuple[int, int], rng: np.random.Generator) -> Ints:
    sessions, slots = shape
    longest_s = slots * _SECONDS_BETWEEN_ADS[1]
    start_S1 = rng.integers(DAY_S - longest_s, size=(sessions, 1))
    return start_S1 + np.cumsum(rng.integers(*_SECONDS_BETWEEN_ADS, size=shape), axis=1)


def _first_of_each(item_SA: Ints) -> Bools:
    """True where a session's ad has not appeared in an earlier slot of it."""
    order_SA = np.argsort(item_SA, axis=1, kind="stable")
    sorted_SA = np.take_along_axis(item_SA, order_SA, axis=1)
    first_SA = np.ones(item_SA.shape, dtype=np.bool_)
    first_SA[:, 1:] = sorted_SA[:, 1:] != sorted_SA[:, :-1]
    distinct_SA = np.empty_like(first_SA)
    np.put_along_axis(distinct_SA, order_SA, first_SA, axis=1)
    return distinct_SA
