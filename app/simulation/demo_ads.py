"""Users worth watching and ads to rank for them, beside their true CTR."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.simulation.traffic import DAY_S
from app.simulation.world import AdWorld

# U users, I items, C categories

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LONG_HISTORY = 25  # clicks
_RECENT_DAYS = 4
_RECENT_CLICKS = 3  # enough to tell what the user likes now
_CLEAR_INTEREST = 0.5  # share of the strongest one
_BID_RANGE = (0.1, 1.5)


@dataclass(frozen=True, slots=True)
class DemoAd:
    """A candidate with the answer that a perfect model would give."""

    ad_id: str
    item_id: str
    category_id: str
    bid: float  # currency units per click
    true_ctr: float  # (0, 1), at the present


def demo_users(world: AdWorld, count: int = 5) -> tuple[str, ...]:
    """Users with long, recent histories and a clear interest, those who moved furthest first."""
    clicks = world.log.clicks()
    user_N, time_N = world.log.user_N[clicks], world.log.timestamp_N[clicks]
    clicks_U = np.bincount(user_N, minlength=len(world.user_ids))
    recent = time_N >= world.config.now_s - _RECENT_DAYS * DAY_S
    recent_U = np.bincount(user_N[recent], minlength=len(world.user_ids))
    clear_U = world.interests.mixture_UC.max(axis=1) >= _CLEAR_INTEREST
    worth_U = (clicks_U >= _LONG_HISTORY) & (recent_U >= _RECENT_CLICKS) & clear_U
    moved_first = np.lexsort((-_moved(world), ~worth_U))
    return tuple(world.user_ids[user] for user in moved_first[:count])


def demo_ads(world: AdWorld, user_id: str, count: int = 12) -> tuple[DemoAd, ...]:
    """Distinct ads in random order: a third what the user likes now, a third what they used to.

    The rest is anything. The same ads for the same world and user; raises `KeyError` for a user
    who is not of this world.
    """
    user = world.row_of_user[user_id]
    rng = np.random.default_rng([world.config.seed, user])
    present = _draw_items(world, world.interests.mixture_UC[user], rng)[: count // 3]
    past = _draw_items(world, _past_shares(world, user), rng)
    anything = rng.permutation(len(world.catalog.item_ids))
    rest = np.concatenate([past[: count // 3], anything])
    chosen = list(dict.fromkeys([*present.tolist(), *rest.tolist()]))[:count]
    item_ids = [world.catalog.item_ids[item] for item in rng.permutation(chosen)]
    bids = rng.uniform(*_BID_RANGE, len(item_ids)).round(2)
    return tuple(
        DemoAd(f"ad-{item_id}", item_id, world.catalog.category_of(item_id), float(bid), float(ctr))
        for item_id, bid, ctr in zip(item_ids, bids, world.true_ctr(user_id, item_ids), strict=True)
    )


def _moved(world: AdWorld) -> Floats:
    """How far [U] from the first interests the present ones are: 0 the same, 1 nothing shared."""
    now_UC, then_UC = world.interests.mixture_UC, world.first_interests.mixture_UC
    shared_U: Floats = np.minimum(now_UC, then_UC).sum(axis=1)
    return 1 - shared_U


def _past_shares(world: AdWorld, user: int) -> Floats:
    """Shares [C] of the user's clicks, without the categories that still interest them."""
    clicks = world.log.clicks()
    own = clicks[world.log.user_N[clicks] == user]
    categories = world.catalog.category_I[world.log.item_N[own]]
    clicks_C = np.bincount(categories, minlength=len(world.catalog.category_ids))
    faded_C = world.interests.mixture_UC[user] < 1 / len(clicks_C)
    return np.where(faded_C, clicks_C, 0).astype(np.float64)


def _draw_items(world: AdWorld, shares_C: Floats, rng: np.random.Generator) -> Ints:
    """All items [I], as if drawn one by one in proportion to their category's share."""
    category_I = world.catalog.category_I
    # The Gumbel trick: the floor lets items of no share come last, in random order.
    log_share_I = np.log(np.maximum(shares_C, 1e-12))[category_I]
    return np.argsort(-(log_share_I + rng.gumbel(size=len(category_I))), kind="stable")
