"""What is known of a user and of the ads, in the time that is left; what is missing is said."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from app.core.deadline import Deadline
from app.core.request import BEHAVIOR_FIELDS, Candidates, FieldValue, RankRequest, UserContext
from app.core.schema import FeatureSchema
from app.features.coalescing import CoalescedReader
from app.features.redis_store import FieldsRead, HistoryRead, RedisStore
from app.monitoring.metrics import Metrics

Read = TypeVar("Read", HistoryRead, FieldsRead)
Answer = TypeVar("Answer")

MAX_KEYS_PER_ROUND_TRIP = 512
LATE = "timeout"
SHARE_OF_BUDGET = 0.5  # the rest is for the queue and the model


@dataclass(frozen=True, slots=True)
class RequestFeatures:
    """A request with everything that could be had for it."""

    user: UserContext
    candidates: Candidates
    history_problem: str | None = None  # why an existing history could not be had


class FeatureReader:
    """Reads histories, profiles and ads, each kind coalesced over all requests under way."""

    def __init__(self, store: RedisStore, metrics: Metrics, *, timeout_s: float) -> None:
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._histories = self._coalesced("behaviors", store.read_histories)
        self._profiles = self._coalesced("profile", store.read_profiles)
        self._ads = self._coalesced("ad", store.read_ads)

    async def read(
        self, request: RankRequest, schema: FeatureSchema, deadline: Deadline
    ) -> RequestFeatures:
        """Never raises for a missing, late or unreadable value."""
        timeout_s = max(0.0, min(self._timeout_s, deadline.remaining_s() * SHARE_OF_BUDGET))
        history, profile, candidates = await asyncio.gather(
            self._read_history(request, timeout_s),
            self._read_profile(request, schema, timeout_s),
            self._complete_candidates(request.candidates, schema, timeout_s),
        )
        user = UserContext(request.user_id, history.behaviors, profile, request.context)
        return RequestFeatures(user, candidates, history.problem)

    async def close(self) -> None:
        await asyncio.gather(
            *(part.close() for part in (self._histories, self._profiles, self._ads))
        )

    async def _read_history(self, request: RankRequest, timeout_s: float) -> HistoryRead:
        if request.behaviors is not None:
            return HistoryRead(request.behaviors)
        history = await _in_time(self._histories.read(request.user_id), timeout_s)
        return HistoryRead(problem=LATE) if history is None else history

    async def _read_profile(
        self, request: RankRequest, schema: FeatureSchema, timeout_s: float
    ) -> Mapping[str, FieldValue]:
        if request.profile is not None:
            return request.profile
        if all(field.source != "profile" for field in schema.side_fields):
            return {}
        profile = await _in_time(self._profiles.read(request.user_id), timeout_s)
        return {} if profile is None else profile.fields

    async def _complete_candidates(
        self, candidates: Candidates, schema: FeatureSchema, timeout_s: float
    ) -> Candidates:
        """Fields that a request leaves out come from the ad catalog, where the ad is in it."""
        nothing = [None] * len(candidates)
        columns = [candidates.fields.get(name) or nothing for name in _catalog_fields(schema)]
        missing = [
            ad_id
            for ad_id, *values in zip(candidates.ad_ids, *columns, strict=True)
            if None in values
        ]
        if not missing:
            return candidates
        reads = await _in_time(self._ads.read_all(missing), timeout_s)
        if reads is None:
            return candidates
        catalog = {ad_id: read.fields for ad_id, read in zip(missing, reads, strict=True)}
        return _with_catalog(candidates, schema, catalog)

    def _coalesced(
        self, kind: str, read_many: Callable[[Sequence[str]], Awaitable[list[Read]]]
    ) -> CoalescedReader[Read]:
        async def read_and_count(keys: Sequence[str]) -> list[Read]:
            self._metrics.feature_round_trip_keys.labels(kind).observe(len(keys))
            values = await read_many(keys)
            for value in values:
                self._metrics.feature_reads.labels(kind, value.problem or "ok").inc()
            return values

        return CoalescedReader(read_and_count, max_keys=MAX_KEYS_PER_ROUND_TRIP)


async def _in_time(answer: Awaitable[Answer], timeout_s: float) -> Answer | None:
    """None if it is late; the round trip goes on without its caller."""
    try:
        async with asyncio.timeout(timeout_s):
            return await answer
    except TimeoutError:
        return None


def _catalog_fields(schema: FeatureSchema) -> tuple[str, ...]:
    side = (field.name for field in schema.side_fields if field.source == "candidate")
    return (*BEHAVIOR_FIELDS, *side)


def _with_catalog(
    candidates: Candidates, schema: FeatureSchema, catalog: Mapping[str, Mapping[str, FieldValue]]
) -> Candidates:
    """The request's own values win over the catalog's."""
    columns = dict(candidates.fields)
    for name in _catalog_fields(schema):
        given = candidates.fields.get(name) or [None] * len(candidates)
        columns[name] = [
            catalog.get(ad_id, {}).get(name) if value is None else value
            for ad_id, value in zip(candidates.ad_ids, given, strict=True)
        ]
    return replace(candidates, fields=columns)
