"""The requests of the race: the same users, candidates and bytes for every contestant."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.keys import keys_of
from app.core.request import BehaviorSequence
from app.features.redis_store import RedisStore, connect
from app.registry.model_store import Artifact
from bench.race.contestants import Contestant
from bench.race.export import raw_ids
from bench.race.schedule import UserStream

USERS = 40_000  # with a history of each length: a fresh one is not seen again within a minute
HISTORIES = 500  # distinct ones, shared by the users in turn
CANDIDATE_LISTS = 200
CHUNK = 2_000  # users written in one pipeline
SECONDS = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """A cell of the grid."""

    candidates: int
    behaviors: int
    hot_share: float  # of requests whose user was seen within the last minute

    def __str__(self) -> str:
        return f"{self.candidates} x {self.behaviors}, {self.hot_share:.0%} hot"


@dataclass(frozen=True, slots=True)
class KnownIds:
    """The ids that the model has rows for."""

    items: Sequence[str]
    categories: Sequence[str]

    @classmethod
    def of(cls, artifact: Artifact) -> "KnownIds":
        fields = ("item_id", "category_id")
        return cls(*(raw_ids(artifact.vocabularies[field]) for field in fields))


@dataclass(frozen=True, slots=True)
class Requests:
    """Bodies of one shape, in parts: N users' beginnings and a few lists of candidates."""

    heads: Sequence[bytes]
    tails: Sequence[bytes]

    def wires(
        self, contestant: Contestant, *, deadline_s: float | None = None
    ) -> list[tuple[bytes, bytes]]:
        """HTTP requests for a contestant; many share the bytes of their candidates.

        deadline_s: how long an answer may take, as each request states it; None: none does.
        """
        before, after = contestant.wrap
        tails = [tail + after for tail in self.tails]
        stated = "" if deadline_s is None else f"X-Deadline-Ms: {deadline_s * 1e3:g}\r\n"
        wires = []
        for index, head in enumerate(self.heads):
            tail = tails[index % len(tails)]
            length = len(before) + len(head) + len(tail)
            header = (
                f"POST {contestant.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Content-Type: application/json\r\n{stated}Content-Length: {length}\r\n\r\n"
            )
            wires.append((header.encode() + before + head, tail))
        return wires


def user_id(behaviors: int, index: int) -> str:
    return f"user-{behaviors:03}-{index:06}"


def make_requests(shape: Shape, ids: KnownIds, users: UserStream, count: int) -> Requests:
    """The next `count` requests of a stream of users."""
    rng = np.random.default_rng(shape.candidates)
    tails = [_candidates(rng, ids, shape.candidates) for _ in range(CANDIDATE_LISTS)]
    heads = [
        f'{{"user_id":"{user_id(shape.behaviors, index)}","candidates":'.encode()
        for index in users.take(count, shape.hot_share).tolist()
    ]
    return Requests(heads, tails)


def _candidates(rng: np.random.Generator, ids: KnownIds, count: int) -> bytes:
    items, categories = rng.choice(ids.items, count), rng.choice(ids.categories, count)
    ads = [
        {"ad_id": f"ad-{number}", "item_id": item, "category_id": category}
        for number, (item, category) in enumerate(
            zip(items.tolist(), categories.tolist(), strict=True)
        )
    ]
    return json.dumps(ads, separators=(",", ":")).encode() + b"}"


def histories(ids: KnownIds, behaviors: int) -> list[BehaviorSequence]:
    """Distinct histories of that length."""
    rng = np.random.default_rng(behaviors)
    items, categories = keys_of(ids.items), keys_of(ids.categories)
    seconds = np.arange(SECONDS, SECONDS + 3_600 * behaviors, 3_600, dtype=np.uint32)
    return [
        BehaviorSequence(
            np.stack([rng.choice(items, behaviors), rng.choice(categories, behaviors)], axis=1),
            seconds,
        )
        for _ in range(HISTORIES)
    ]


def write_histories(redis_url: str, ids: KnownIds, behaviors: int) -> None:
    """Gives every user of that length a packed history."""
    distinct = histories(ids, behaviors)
    asyncio.run(
        write(
            redis_url,
            {user_id(behaviors, index): distinct[index % HISTORIES] for index in range(USERS)},
        )
    )


async def write(redis_url: str, of_users: dict[str, BehaviorSequence]) -> None:
    store = RedisStore(connect(redis_url, timeout_s=10), max_stored_behaviors=10_000)
    users = list(of_users)
    for start in range(0, len(users), CHUNK):
        await store.replace({user: of_users[user] for user in users[start : start + CHUNK]})
    await store.close()
