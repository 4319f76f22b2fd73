"""What rows are scored with: what they say themselves, and what Redis has where there is one."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from app.core.deadline import Deadline
from app.core.request import RankRequest
from app.core.schema import FeatureSchema
from app.errors import StartupRefused
from app.features.feature_reader import FeatureReader, RequestFeatures

PATIENCE_S = 20.0  # nobody waits for an ad meanwhile; half of it is for Redis
# An answer may be degraded, a file may not: without these reads there is no point in going on.
LOST_REDIS = frozenset({"timeout", "unreachable", "redis_error", "circuit_open"})
NO_REDIS = (
    "CTR_REDIS_URL is not set: users of rows without behaviors count as users without history"
)


class FeatureSource(Protocol):
    """Where the features of requests come from."""

    longest_history: int  # of a request that does not bring its own

    def read(self, requests: Sequence[RankRequest]) -> list[RequestFeatures]:
        """In the order of the requests. Raises StartupRefused when there is no more to be had."""
        ...


class SentFeatures:
    """Nothing but what the rows say. `say` is told once when that leaves a history open."""

    longest_history = 0

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said = False

    def read(self, requests: Sequence[RankRequest]) -> list[RequestFeatures]:
        if not self._said and any(request.behaviors is None for request in requests):
            self._say(NO_REDIS)
            self._said = True
        return [RequestFeatures.as_sent(request) for request in requests]


class StoredFeatures:
    """What rows leave out is read from Redis, as serving does."""

    def __init__(
        self, reader: FeatureReader, schema: FeatureSchema, runner: asyncio.Runner
    ) -> None:
        self._reader = reader
        self._schema = schema
        self._runner = runner
        self.longest_history = schema.max_behaviors

    def read(self, requests: Sequence[RankRequest]) -> list[RequestFeatures]:
        features = self._runner.run(self._read(requests))
        for one in features:
            lost = LOST_REDIS.intersection(one.problems.values())
            if lost:
                raise StartupRefused(f"the Redis of CTR_REDIS_URL was lost: {min(lost)}")
        return features

    async def _read(self, requests: Sequence[RankRequest]) -> list[RequestFeatures]:
        deadline = Deadline.after(PATIENCE_S)
        reads = (self._reader.read(request, self._schema, deadline) for request in requests)
        return await asyncio.gather(*reads)
