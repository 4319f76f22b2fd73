"""A world of users with drifting interests and ads whose true CTR is known, at its present."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.simulation.catalog import CATEGORY_NAMES, Catalog
from app.simulation.click_model import Appeal, ClickModel
from app.simulation.impressions import ImpressionLog
from app.simulation.interests import Drift, Interests
from app.simulation.traffic import DAY_S, Traffic

# U users, I items, N items asked for

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WORLD_START_S = 1_704_067_200  # 2024-01-01 00:00 UTC


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """Everything a world follows from: equal configs give equal worlds.

    `simulate` holds users x items floats in memory. Raises `ValueError` for impossible sizes.
    """

    seed: int = 7
    users: int = 2_000
    items: int = 1_500
    categories: int = 24
    days: int = 55  # lived before the present
    traffic: Traffic = field(default_factory=Traffic)
    drift: Drift = field(default_factory=Drift)
    clicks: ClickModel = field(default_factory=ClickModel)

    def __post_init__(self) -> None:
        if not 3 <= self.categories <= len(CATEGORY_NAMES):
            raise ValueError(f"categories must be in 3..{len(CATEGORY_NAMES)}: {self.categories}")
        if self.items < self.categories:
            raise ValueError(f"{self.items} items cannot fill {self.categories} categories")
        if min(self.users, self.days) < 1:
            raise ValueError(f"a world needs users and days: {self.users}, {self.days}")

    @property
    def now_s(self) -> int:
        """The present, in unix seconds: the midnight after the last day."""
        return WORLD_START_S + self.days * DAY_S


@dataclass(frozen=True, slots=True)
class AdWorld:
    """A world at its present, with the log of how it came there; made by `simulate`."""

    config: WorldConfig
    catalog: Catalog
    user_ids: tuple[str, ...]
    row_of_user: Mapping[str, int]
    log: ImpressionLog
    first_interests: Interests
    interests: Interests
    last_seen_UI: Floats  # unix seconds, -inf for never

    def true_ctr(self, user_id: str, item_ids: Sequence[str]) -> Floats:
        """The click probabilities [N] in (0, 1), if this user were shown these items now.

        Raises `KeyError` for a user or an item that is not of this world.
        """
        user = self.row_of_user[user_id]
        item_N = np.array([self.catalog.row_of_item[item_id] for item_id in item_ids], np.int64)
        unseen_s_N = self.config.now_s - self.last_seen_UI[user, item_N]
        interest_C = self.interests.mixture_UC[user] @ self.catalog.affinity_CC
        return self.config.clicks.ctr(
            Appeal(
                interest_N=interest_C[self.catalog.category_I[item_N]],
                quality_N=self.catalog.quality_I[item_N],
                popularity_N=self.catalog.popularity_I[item_N],
                unseen_days_N=unseen_s_N / DAY_S,
            )
        )

    def interests_of(self, user_id: str) -> dict[str, float]:
        """The user's present share of interest in every category, strongest first; sums to 1."""
        share_C = self.interests.mixture_UC[self.row_of_user[user_id]]
        strongest_first = np.argsort(-share_C, kind="stable")
        return {self.catalog.category_ids[row]: float(share_C[row]) for row in strongest_first}
