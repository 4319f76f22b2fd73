"""Rank requests as clients write them, with ids that the tiny model knows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from redis import Redis

from app.core.keys import keys_of
from app.core.request import BehaviorSequence
from app.features.behavior_codec import pack, redis_key

Json = dict[str, Any]
Behavior = tuple[str, str, int]  # item, category, unix second

BEHAVIORS: tuple[Behavior, ...] = (
    ("item-1", "category-1", 100),
    ("item-2", "category-2", 200),
    ("item-3", "category-3", 300),
)


def ad(number: int, **fields: Any) -> Json:
    ids = {"item_id": f"item-{number % 50}", "category_id": f"category-{number % 5}"}
    return {"ad_id": f"ad-{number}", **ids, **fields}


def ads(count: int) -> list[Json]:
    return [ad(number) for number in range(count)]


def body(**fields: Any) -> Json:
    return {"user_id": "user-1", "candidates": ads(5), **fields}


def wire_behaviors(behaviors: Sequence[Behavior]) -> list[Json]:
    return [
        {"item_id": item, "category_id": category, "timestamp": timestamp}
        for item, category, timestamp in behaviors
    ]


def store_history(redis: Redis, user_id: str, behaviors: Sequence[Behavior]) -> None:
    raw_ids = [raw_id for item, category, _ in behaviors for raw_id in (item, category)]
    timestamps_T = np.array([timestamp for _, _, timestamp in behaviors], np.uint32)
    sequence = BehaviorSequence(keys_of(raw_ids).reshape(-1, 2), timestamps_T)
    redis.set(redis_key(user_id), pack(user_id, sequence))


def ctr_by_ad(answer: Json) -> dict[str, float]:
    return {ranked["ad_id"]: ranked["ctr"] for ranked in answer["ranked"]}
