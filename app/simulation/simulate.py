"""Lives through the days of a world: interests drift, ads are shown, clicks are drawn."""

import numpy as np
from numpy.typing import NDArray

from app.simulation.catalog import make_catalog
from app.simulation.click_model import Appeal
from app.simulation.impressions import ImpressionLog, gather_log
from app.simulation.interests import first_interests
from app.simulation.traffic import DAY_S, Shown
from app.simulation.world import WORLD_START_S, AdWorld, WorldConfig

# U users, I items, C categories, S sessions of a day, N impressions

Floats = NDArray[np.float64]


def simulate(config: WorldConfig) -> AdWorld:
    """The world that follows from the config, the same one every time."""
    life = _Life(config)
    first = life.interests
    log = gather_log([life.live_day(day) for day in range(config.days)])
    user_ids = tuple(f"user-{number:04d}" for number in range(1, config.users + 1))
    return AdWorld(
        config=config,
        catalog=life.catalog,
        user_ids=user_ids,
        row_of_user={user_id: row for row, user_id in enumerate(user_ids)},
        log=log,
        first_interests=first,
        interests=life.interests,
        last_seen_UI=life.last_seen_UI,
    )


class _Life:
    """The state that one day hands to the next."""

    def __init__(self, config: WorldConfig) -> None:
        self._config = config
        self._rng = np.random.default_rng(config.seed)
        self.catalog = make_catalog(config.items, config.categories, self._rng)
        self.interests = first_interests(config.users, config.categories, self._rng)
        self.last_seen_UI = np.full((config.users, config.items), -np.inf)
        self._habits_U = config.traffic.habits(config.users, self._rng)

    def live_day(self, day: int) -> ImpressionLog:
        self.interests = self._config.drift.next_day(self.interests, self._rng)
        shown = self._show_ads(WORLD_START_S + day * DAY_S)
        true_ctr_N = self._config.clicks.ctr(self._appeal(shown))
        self.last_seen_UI[shown.user_N, shown.item_N] = shown.timestamp_N
        return ImpressionLog(
            user_N=shown.user_N,
            item_N=shown.item_N,
            timestamp_N=shown.timestamp_N,
            true_ctr_N=true_ctr_N,
            clicked_N=self._rng.random(len(true_ctr_N)) < true_ctr_N,
        )

    def _show_ads(self, midnight_s: int) -> Shown:
        traffic = self._config.traffic
        user_S = traffic.sessions(self._habits_U, self._rng)
        mixture_SC = self.interests.mixture_UC[user_S]
        shown = traffic.shown(user_S, mixture_SC, self.catalog, self._rng)
        return Shown(shown.user_N, shown.item_N, midnight_s + shown.timestamp_N)

    def _appeal(self, shown: Shown) -> Appeal:
        interest_UC = self.interests.mixture_UC @ self.catalog.affinity_CC
        last_seen_N = self.last_seen_UI[shown.user_N, shown.item_N]
        return Appeal(
            interest_N=interest_UC[shown.user_N, self.catalog.category_I[shown.item_N]],
            quality_N=self.catalog.quality_I[shown.item_N],
            popularity_N=self.catalog.popularity_I[shown.item_N],
            unseen_days_N=(shown.timestamp_N - last_seen_N) / DAY_S,
        )
