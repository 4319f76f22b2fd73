"""Rank requests of every shape, drawn from a model's own vocabulary, and histories for them."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from app.core.keys import keys_of
from app.core.request import BehaviorSequence
from app.features.redis_store import RedisStore, connect
from app.registry.model_store import Artifact, ModelStore

USERS = 2000
STORED_BEHAVIORS = 50
COLD, INLINE = 0.1, 0.1  # shares of users without a history, and of those who bring their own
MAX_CANDIDATES = 200


class Traffic:
    """Draws requests to one model; the same seed draws the same."""

    def __init__(self, store: Path, model: str, *, seed: int) -> None:
        versions = ModelStore(store)
        self._artifact = versions.load(model, versions.active_versions()[model])
        self._items = known_ids(self._artifact, "item_id")
        self._categories = known_ids(self._artifact, "category_id")
        self._rng = random.Random(seed)  # noqa: S311 - not for secrets

    async def write_histories(self, redis_url: str) -> None:
        rng = np.random.default_rng(7)
        items, categories = keys_of(self._items), keys_of(self._categories)
        store = RedisStore(connect(redis_url, timeout_s=10), max_stored_behaviors=STORED_BEHAVIORS)
        lengths = rng.integers(1, STORED_BEHAVIORS + 1, size=USERS)
        await store.replace(
            {
                f"user-{user}": BehaviorSequence(
                    np.stack([rng.choice(items, length), rng.choice(categories, length)], axis=1),
                    np.arange(length, dtype=np.uint32),
                )
                for user, length in enumerate(lengths)
            }
        )
        await store.close()

    def requests(self, *, deadlines: bool = False) -> Iterator[bytes]:
        """Whole HTTP requests; with deadlines, some are too short to be kept."""
        while True:
            yield http_request(self._body(deadlines=deadlines))

    def _body(self, *, deadlines: bool) -> dict[str, object]:
        rng = self._rng
        candidates = round(MAX_CANDIDATES ** rng.random())
        body: dict[str, object] = {
            "user_id": f"{'cold' if rng.random() < COLD else 'user'}-{rng.randrange(USERS)}",
            "candidates": [{"ad_id": f"ad-{ad}", **self._item()} for ad in range(candidates)],
            "explain": rng.choice((0, 0, 3)),
        }
        if rng.random() < INLINE:
            times = range(rng.randrange(STORED_BEHAVIORS))
            body["behaviors"] = [{**self._item(), "timestamp": time} for time in times]
        if deadlines and rng.random() < 0.5:
            body["deadline_ms"] = round(200 ** rng.random(), 1)  # 1 to 200
        return body

    def _item(self) -> dict[str, str]:
        rng = self._rng
        return {"item_id": rng.choice(self._items), "category_id": rng.choice(self._categories)}


def known_ids(artifact: Artifact, field: str) -> list[str]:
    vocabulary = artifact.vocabularies[field]
    return [raw_id for key in vocabulary.keys_V if (raw_id := vocabulary.raw_id(int(key)))]


def http_request(body: dict[str, object]) -> bytes:
    content = orjson.dumps(body)
    head = f"POST /v1/rank HTTP/1.1\r\nHost: replica\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content
