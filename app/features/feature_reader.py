"""What is known of a user and of the ads, in the time that is left; what is missing is said."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from app.core.deadline import Deadline
from app.core.request import NO_BEHAVIORS, Candidates, FeatureKind, RankRequest, UserContext
from app.core.schema import FeatureSchema
from app.features.coalescing import CoalescedReader
from app.features.recent_histories import RecentHistories
from app.features.redis_errors import NOT_ANSWERED
from app.features.redis_store import FieldsRead, HistoryRead, RedisStore
from app.monitoring.metrics import Metrics

Read = TypeVar("Read", HistoryRead, FieldsRead)
HistoriesReader = Callable[[Sequence[str]], Awaitable[list[HistoryRead]]]

MAX_KEYS_PER_ROUND_TRIP = 512
LATE = "timeout"
SHARE_OF_BUDGET = 0.5  # the rest is for the queue and the model


class RequestFeatures(Struct, frozen=True):
    """A request with everything that could be had for it."""

    user: UserContext
    candidates: Candidates
    problems: Mapping[FeatureKind, str] = {}  # what could not be had, and why
    stale_history: bool = False  # the behaviors are a copy from an earlier read

    @classmethod
    def as_sent(cls, request: RankRequest) -> "RequestFeatures":
        """What a request says of itself, where nothing is stored of its user and its ads."""
        behaviors = NO_BEHAVIORS if request.behaviors is None else request.behaviors
        profile = {} if request.profile is None else request.profile
        user = UserContext(request.user_id, behaviors, profile, request.context)
        return cls(user, request.candidates)


class FeatureReader:
    """Reads histories, profiles and ads, each kind coalesced over all requests under way."""

    def __init__(
        self,
        store: RedisStore,
        metrics: Metrics,
        *,
        timeout_s: float,
        recent: RecentHistories | None = None,
    ) -> None:
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._recent = recent
        self._histories = self._coalesced("behaviors", self._remembering(store.read_histories))
        self._profiles = self._coalesced("profile", store.read_profiles)
        self._ads = self._coalesced("ad", store.read_ads)

    async def read(
        self, request: RankRequest, schema: FeatureSchema, deadline: Deadline
    ) -> RequestFeatures:
        """Never raises for a missing, late or unreadable value."""
        timeout_s = max(0.0, min(self._timeout_s, deadline.remaining_s() * SHARE_OF_BUDGET))
        reads_profile = request.profile is None and _has_use_for_profile(request, schema)
        missing = _not_described(request, schema)
        profile, ads = FieldsRead(), dict[str, FieldsRead]()
        if reads_profile or missing:
            history, profile, ads = await asyncio.gather(
                self._read_history(request, timeout_s),
                self._read_profile(request, timeout_s, wanted=reads_profile),
                self._read_ads(missing, timeout_s),
            )
        else:  # three tasks cost more than the read
            history = await self._read_history(request, timeout_s)
        stated = profile.fields if request.profile is None else request.profile
        return RequestFeatures(
            UserContext(request.user_id, history.behaviors, stated, request.context),
            _with_catalog(request, schema, ads),
            _problems(history, profile, ads.values()),
            history.is_stale,
        )

    async def close(self) -> None:
        await asyncio.gather(
            *(part.close() for part in (self._histories, self._profiles, self._ads))
        )

    async def _read_history(self, request: RankRequest, timeout_s: float) -> HistoryRead:
        if request.behaviors is not None:
            return HistoryRead(request.behaviors)
        try:
            history = await self._histories.read(request.user_id, timeout_s)
        except TimeoutError:
            history = HistoryRead(problem=LATE)
        return self._as_last_read(request.user_id, history)

    def _as_last_read(self, user_id: str, history: HistoryRead) -> HistoryRead:
        """A read that Redis did not answer, with what it answered the last time."""
        if self._recent is None or history.problem not in NOT_ANSWERED:
            return history
        behaviors = self._recent.recall(user_id)
        if behaviors is None:
            return history
        return HistoryRead(behaviors, history.problem, is_stale=True)

    def _remembering(self, read_many: HistoriesReader) -> HistoriesReader:
        recent = self._recent
        if recent is None:
            return read_many

        async def read_and_remember(user_ids: Sequence[str]) -> list[HistoryRead]:
            reads = await read_many(user_ids)
            recent.remember(
                (user_id, read.behaviors if read.problem is None else None)
                for user_id, read in zip(user_ids, reads, strict=True)
                if read.problem not in NOT_ANSWERED
            )
            return reads

        return read_and_remember

    async def _read_profile(
        self, request: RankRequest, timeout_s: float, *, wanted: bool
    ) -> FieldsRead:
        if not wanted:
            return FieldsRead()
        try:
            return await self._profiles.read(request.user_id, timeout_s)
        except TimeoutError:
            return FieldsRead(problem=LATE)

    async def _read_ads(self, missing: Sequence[str], timeout_s: float) -> dict[str, FieldsRead]:
        """What the catalog has on ads."""
        if not missing:
            return {}
        try:
            reads = await self._ads.read_all(missing, timeout_s)
        except TimeoutError:
            return dict.fromkeys(missing, FieldsRead(problem=LATE))
        return dict(zip(missing, reads, strict=True))

    def _coalesced(
        self, kind: str, read_many: Callable[[Sequence[str]], Awaitable[list[Read]]]
    ) -> CoalescedReader[Read]:
        keys_together = self._metrics.feature_round_trip_keys.labels(kind)
        reads_with = cache(partial(self._metrics.feature_reads.labels, kind))  # outcomes are few

        async def read_and_count(keys: Sequence[str]) -> list[Read]:
            keys_together.observe(len(keys))
            values = await read_many(keys)
            for value in values:
                reads_with(value.problem or "ok").inc()
            return values

        return CoalescedReader(read_and_count, max_keys=MAX_KEYS_PER_ROUND_TRIP)


def _has_use_for_profile(request: RankRequest, schema: FeatureSchema) -> bool:
    return any(
        one.source == "profile" or (one.source == "any" and not _is_said(request, one.name))
        for one in schema.side_fields
    )


def _is_said(request: RankRequest, name: str) -> bool:
    """Whether every candidate has a value, be it from the context."""
    own = request.candidates.fields.get(name) or (None,)
    return request.context.get(name) is not None or None not in own


def _not_described(request: RankRequest, schema: FeatureSchema) -> Sequence[str]:
    """The ads that the request does not describe in full."""
    candidates = request.candidates
    nothing = [None] * len(candidates)
    names = _catalog_fields(request, schema)
    columns = [candidates.fields.get(name) or nothing for name in names]
    if all(map(all, columns)):  # in a third of the time of a look for None
        return ()
    rows = zip(candidates.ad_ids, *columns, strict=True)
    return [ad_id for ad_id, *values in rows if None in values]


def _catalog_fields(request: RankRequest, schema: FeatureSchema) -> tuple[str, ...]:
    """What the catalog may add; what the request says, of whomever, wins over what is stored."""
    side = (
        one.name
        for one in schema.side_fields
        if one.source == "candidate"
        or (one.source == "any" and not _is_said_of_all_candidates(request, one.name))
    )
    return (*(one.name for one in schema.behavior_fields), *side)


def _is_said_of_all_candidates(request: RankRequest, name: str) -> bool:
    said = (request.context, request.profile or {})
    return any(fields.get(name) is not None for fields in said)


def _problems(
    history: HistoryRead, profile: FieldsRead, ads: Iterable[FieldsRead]
) -> dict[FeatureKind, str]:
    of_ads = (ad.problem for ad in ads if ad.problem is not None)
    problems: dict[FeatureKind, str | None] = {
        "behaviors": history.problem,
        "profile": profile.problem,
        "ad": next(of_ads, None),
    }
    return {kind: problem for kind, problem in problems.items() if problem is not None}


def _with_catalog(
    request: RankRequest, schema: FeatureSchema, ads: Mapping[str, FieldsRead]
) -> Candidates:
    """The request's own values win over the catalog's."""
    candidates = request.candidates
    catalog = {ad_id: ad.fields for ad_id, ad in ads.items() if ad.fields}
    if not catalog:
        return candidates
    columns = dict(candidates.fields)
    for name in _catalog_fields(request, schema):
        given = candidates.fields.get(name) or [None] * len(candidates)
        columns[name] = [
            catalog.get(ad_id, {}).get(name) if value is None else value
            for ad_id, value in zip(candidates.ad_ids, given, strict=True)
        ]
    return replace(candidates, fields=columns)
