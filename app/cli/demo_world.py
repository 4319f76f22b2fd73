"""The simulated users and ads of the demo, and what the service says about them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from app.cli.progress import progress_bar
from app.features.bulk_load import LOADING_TIMEOUT_S, InteractionColumns, load_behaviors
from app.features.redis_store import RedisStore, connect
from app.simulation.demo_ads import DemoAd, demo_ads, demo_users
from app.simulation.interactions import click_log
from app.simulation.simulate import simulate
from app.simulation.world import AdWorld, WorldConfig

ATTENDED_SHOWN = 2


@dataclass(frozen=True, slots=True)
class DemoRanking:
    """One request of the demo with its answer and the truth about its ads."""

    user_id: str
    interests: dict[str, float]
    ads: Sequence[DemoAd]
    request: dict[str, Any]
    answer: dict[str, Any]

    def true_ctr(self, ad_id: str) -> float:
        return next(ad.true_ctr for ad in self.ads if ad.ad_id == ad_id)


def simulate_world() -> AdWorld:
    """The world that the shipped model was trained on."""
    with progress_bar("Simulating an ad world", 1) as advance:
        world = simulate(WorldConfig())
        advance(1)
    return world


def load_histories(world: AdWorld, redis_url: str, max_stored_behaviors: int) -> None:
    clicks = click_log(world)
    interactions = InteractionColumns(
        clicks.user_id, clicks.item_id, clicks.cate_id, np.array(clicks.timestamp, np.uint32)
    )

    async def load() -> None:
        client = connect(redis_url, timeout_s=LOADING_TIMEOUT_S)
        store = RedisStore(client, max_stored_behaviors=max_stored_behaviors)
        with progress_bar("Loading click histories", len(clicks)) as advance:
            await load_behaviors(store, interactions, progress=advance)
        await store.close()

    asyncio.run(load())


def rank_for_users(world: AdWorld, url: str, *, count: int) -> list[DemoRanking]:
    with httpx.Client(base_url=url) as client:
        return [_rank(world, client, user_id) for user_id in demo_users(world, count)]


def _rank(world: AdWorld, client: httpx.Client, user_id: str) -> DemoRanking:
    ads = demo_ads(world, user_id)
    request = {
        "user_id": user_id,
        "candidates": [
            {
                "ad_id": ad.ad_id,
                "item_id": ad.item_id,
                "category_id": ad.category_id,
                "bid": ad.bid,
            }
            for ad in ads
        ],
        "explain": ATTENDED_SHOWN,
    }
    answer = client.post("/v1/rank", json=request).raise_for_status().json()
    return DemoRanking(user_id, world.interests_of(user_id), ads, request, answer)
