"""The ads of the world: categories in a small latent space, items with popularity and quality."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# I items, C categories, K latent dimensions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# In the order of a ring: neighbors are related, and the last one is a neighbor of the first.
CATEGORY_NAMES = (
    "running shoes",
    "fitness trackers",
    "road bikes",
    "hiking boots",
    "camping tents",
    "travel backpacks",
    "cameras",
    "drones",
    "headphones",
    "gaming laptops",
    "video games",
    "board games",
    "fantasy novels",
    "picture books",
    "wooden toys",
    "craft kits",
    "house plants",
    "garden tools",
    "barbecue grills",
    "kitchen knives",
    "espresso",
    "loose-leaf tea",
    "skin care",
    "yoga mats",
)

_POSITION_JITTER = 0.03
_AFFINITY_WIDTH = 2.0  # in steps along the ring
_POPULARITY_SPREAD = 0.7  # of the log exposure: the top tenth is shown about ten times the last


@dataclass(frozen=True, slots=True)
class Catalog:
    """Items lie category after category, so those of one category are a contiguous range."""

    category_ids: tuple[str, ...]
    affinity_CC: Floats  # in [0, 1], symmetric, 1 on the diagonal
    item_ids: tuple[str, ...]
    row_of_item: Mapping[str, int]
    category_I: Ints
    popularity_I: Floats  # standard normal
    quality_I: Floats  # standard normal
    exposure_I: Floats  # cumulative share of untargeted impressions, the last one is 1

    def category_of(self, item_id: str) -> str:
        return self.category_ids[int(self.category_I[self.row_of_item[item_id]])]

    def exposure_range(self, category_N: Ints) -> tuple[Floats, Floats]:
        """Where the items of a category begin and end in `exposure_I`."""
        edges = np.searchsorted(self.category_I, np.arange(len(self.category_ids) + 1))
        bounds = np.concatenate([[0.0], self.exposure_I])[edges]
        return bounds[category_N], bounds[category_N + 1]


def make_catalog(items: int, categories: int, rng: np.random.Generator) -> Catalog:
    """A catalog of `items` spread evenly over the first `categories` names."""
    category_ids = CATEGORY_NAMES[:categories]
    category_I = np.arange(items) * categories // items
    item_ids = _item_ids(category_ids, category_I)
    popularity_I = rng.standard_normal(items)
    exposure_I = np.cumsum(np.exp(_POPULARITY_SPREAD * popularity_I))
    return Catalog(
        category_ids=category_ids,
        affinity_CC=_affinity(categories, rng),
        item_ids=item_ids,
        row_of_item={item_id: row for row, item_id in enumerate(item_ids)},
        category_I=category_I,
        popularity_I=popularity_I,
        quality_I=rng.standard_normal(items),
        exposure_I=exposure_I / exposure_I[-1],
    )


def _item_ids(category_ids: tuple[str, ...], category_I: Ints) -> tuple[str, ...]:
    first_C = np.searchsorted(category_I, np.arange(len(category_ids)))
    return tuple(
        f"{category_ids[category].replace(' ', '-')}-{row - first_C[category] + 1:03d}"
        for row, category in enumerate(category_I)
    )


def _affinity(categories: int, rng: np.random.Generator) -> Floats:
    """exp(-d²/2w²) of the distances between positions near the unit circle."""
    angle_C = 2 * np.pi * np.arange(categories) / categories
    position_CK = np.stack([np.cos(angle_C), np.sin(angle_C)], axis=1)
    position_CK += _POSITION_JITTER * rng.standard_normal(position_CK.shape)
    distance_CC = np.linalg.norm(position_CK[:, None] - position_CK[None], axis=2)
    width = _AFFINITY_WIDTH * 2 * np.sin(np.pi / categories)
    affinity_CC: Floats = np.exp(-((distance_CC / width) ** 2) / 2)
    return affinity_CC
