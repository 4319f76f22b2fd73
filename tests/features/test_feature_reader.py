"""What a request is scored with: its own values first, then Redis, in the time that is left."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import numpy as np
import pytest

from app.core.deadline import Deadline
from app.core.request import Candidates, FieldValue, RankRequest
from app.core.schema import DenseSideField, FeatureSchema, SparseField, SparseSideField
from app.features.behavior_codec import pack, redis_key
from app.features.feature_reader import FeatureReader
from app.features.recent_histories import RecentHistories
from app.monitoring.metrics import Metrics
from tests.features.histories import as_rows, history
from tests.features.redis_stores import (
    IMPATIENT_S,
    PATIENT_S,
    open_store,
    raw_client,
    silent_server,
    url_where_nothing_listens,
)

pytestmark = pytest.mark.anyio

BEHAVIOR_FIELDS = (
    SparseField(name="item_id", embedding_dim=2, rows=9),
    SparseField(name="category_id", embedding_dim=2, rows=9),
)
BARE = FeatureSchema(behavior_fields=BEHAVIOR_FIELDS)
FULL = FeatureSchema(
    behavior_fields=BEHAVIOR_FIELDS,
    side_fields=(
        DenseSideField(name="age", source="profile"),
        SparseSideField(name="device", source="context", embedding_dim=2, rows=9),
        DenseSideField(name="price", source="candidate"),
    ),
)

ANYWHERE = FeatureSchema(
    behavior_fields=BEHAVIOR_FIELDS, side_fields=(DenseSideField(name="price", source="any"),)
)
ITEMS_ALONE = FeatureSchema(behavior_fields=BEHAVIOR_FIELDS[:1])


def candidates(**fields: list[FieldValue]) -> Candidates:
    """Ads ad-0, ad-1, ...; item and category are left out unless given."""
    count = len(next(iter(fields.values()))) if fields else 1
    missing = {"item_id": [None] * count, "category_id": [None] * count}
    ad_ids = [f"ad-{number}" for number in range(count)]
    return Candidates(ad_ids, [None] * count, {**missing, **fields})


COMPLETE = candidates(item_id=["item-1"], category_id=["books"], price=[4.5])


@asynccontextmanager
async def open_reader(
    url: str,
    metrics: Metrics | None = None,
    *,
    timeout_s: float = PATIENT_S,
    recent: RecentHistories | None = None,
) -> AsyncIterator[FeatureReader]:
    async with open_store(url, timeout_s=timeout_s) as store:
        reader = FeatureReader(store, metrics or Metrics(), timeout_s=timeout_s, recent=recent)
        try:
            yield reader
        finally:
            await reader.close()


def soon() -> Deadline:
    return Deadline.after(PATIENT_S)


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def test_history_and_profile_come_from_redis(redis_url):
    with raw_client(redis_url) as redis:
        redis.set(redis_key("user-1"), pack("user-1", history("a", "b")))
        redis.hset("profile:{user-1}", "age", "31")
    request = RankRequest("user-1", COMPLETE, context={"device": "phone"})

    async with open_reader(redis_url) as reader:
        features = await reader.read(request, FULL, soon())

    assert features.user.user_id == "user-1"
    assert as_rows(features.user.behaviors) == as_rows(history("a", "b"))
    assert features.user.profile == {"age": "31"}
    assert features.user.context == {"device": "phone"}
    assert features.candidates is COMPLETE
    assert features.problems == {}


@pytest.mark.parametrize("inline", [history("inline"), history()], ids=["some", "none"])
async def test_inline_behaviors_replace_the_stored_ones(redis_url, inline):
    with raw_client(redis_url) as redis:
        redis.set(redis_key("user-1"), pack("user-1", history("stored")))

    async with open_reader(redis_url) as reader:
        request = RankRequest("user-1", COMPLETE, behaviors=inline)
        features = await reader.read(request, BARE, soon())

    assert as_rows(features.user.behaviors) == as_rows(inline)


@pytest.mark.parametrize("inline", [{"age": 7}, {}], ids=["some", "none"])
async def test_an_inline_profile_replaces_the_stored_one(redis_url, inline):
    with raw_client(redis_url) as redis:
        redis.hset("profile:{user-1}", mapping={"age": "31", "city": "Köln"})

    async with open_reader(redis_url) as reader:
        request = RankRequest("user-1", COMPLETE, profile=inline)
        features = await reader.read(request, FULL, soon())

    assert features.user.profile == inline


async def test_nothing_is_read_that_the_model_or_the_request_has_no_use_for(redis_url):
    metrics = Metrics()
    request = RankRequest("user-1", COMPLETE, behaviors=history("inline"))

    async with open_reader(redis_url, metrics) as reader:
        await reader.read(request, BARE, soon())

    for kind in ("behaviors", "profile", "ad"):
        assert sample(metrics, "ctr_feature_round_trip_keys_count", kind=kind) == 0


async def test_a_user_without_history_is_no_problem(redis_url):
    async with open_reader(redis_url) as reader:
        features = await reader.read(RankRequest("cold", COMPLETE), FULL, soon())

    assert len(features.user.behaviors) == 0
    assert features.user.profile == {}
    assert features.problems == {}


async def test_the_catalog_fills_what_a_candidate_leaves_out(redis_url):
    catalog: Mapping[str, str] = {"item_id": "stored", "category_id": "toys", "price": "4.5"}
    with raw_client(redis_url) as redis:
        for number in range(4):
            redis.hset(f"ad:{{ad-{number}}}", mapping={**catalog, "age": "99", "maker": "acme"})
    ads = candidates(
        item_id=[None, "own", None, "own"],
        category_id=[None, None, "own", "own"],
        price=[None, 1.0, None, None],
    )

    async with open_reader(redis_url) as reader:
        features = await reader.read(RankRequest("user-1", ads), FULL, soon())

    assert features.candidates.ad_ids == ads.ad_ids
    assert features.candidates.fields == {
        "item_id": ["stored", "own", "stored", "own"],
        "category_id": ["toys", "toys", "own", "own"],
        "price": ["4.5", 1.0, "4.5", "4.5"],
    }


async def test_a_column_that_no_candidate_has_comes_from_the_catalog_whole(redis_url):
    with raw_client(redis_url) as redis:
        redis.hset("ad:{ad-1}", mapping={"item_id": "stored", "price": "4.5"})

    async with open_reader(redis_url) as reader:
        request = RankRequest("user-1", candidates(item_id=[None, None]))
        features = await reader.read(request, FULL, soon())

    assert features.candidates.fields == {
        "item_id": [None, "stored"],
        "category_id": [None, None],
        "price": [None, "4.5"],
    }


async def test_an_ad_that_cannot_be_read_leaves_the_others_their_catalog(redis_url):
    with raw_client(redis_url) as redis:
        redis.set("ad:{ad-0}", "not a hash")
        redis.hset("ad:{ad-1}", mapping={"item_id": "stored", "category_id": "toys"})

    async with open_reader(redis_url) as reader:
        request = RankRequest("user-1", candidates(item_id=[None, None]))
        features = await reader.read(request, BARE, soon())

    assert features.candidates.fields["item_id"] == [None, "stored"]


async def test_a_thousand_ads_need_two_round_trips(redis_url):
    metrics = Metrics()
    with raw_client(redis_url) as redis, redis.pipeline() as pipeline:
        for number in range(1000):
            pipeline.hset(f"ad:{{ad-{number}}}", "item_id", f"item-{number}")
        pipeline.execute()
    request = RankRequest("user-1", candidates(item_id=[None] * 1000), behaviors=history())

    async with open_reader(redis_url, metrics) as reader:
        features = await reader.read(request, BARE, soon())

    assert features.candidates.fields["item_id"] == [f"item-{number}" for number in range(1000)]
    assert sample(metrics, "ctr_feature_round_trip_keys_count", kind="ad") == 2


@pytest.mark.parametrize(
    ("own", "context", "profile", "reads"),
    [
        pytest.param([1.0, 2.0], {}, None, set(), id="the candidates say it"),
        pytest.param([1.0, None], {"price": 3.0}, None, set(), id="the context says it"),
        pytest.param([1.0, None], {}, {"price": 3.0}, set(), id="the profile says it"),
        pytest.param([1.0, None], {}, {}, {"ad"}, id="the profile does not say it"),
        pytest.param([1.0, None], {"price": None}, None, {"ad", "profile"}, id="some do not"),
        pytest.param([None, None], {}, None, {"ad", "profile"}, id="nobody says it"),
    ],
)
async def test_a_field_of_any_source_is_looked_up_where_the_request_leaves_it_open(
    redis_url, own, context, profile, reads
):
    metrics = Metrics()
    ads = candidates(item_id=["a", "b"], category_id=["c", "c"], price=own)
    request = RankRequest("user-1", ads, behaviors=history(), context=context, profile=profile)

    async with open_reader(redis_url, metrics) as reader:
        await reader.read(request, ANYWHERE, soon())

    name = "ctr_feature_round_trip_keys_count"
    assert {kind for kind in ("profile", "ad") if sample(metrics, name, kind=kind) > 0} == reads


async def test_what_the_request_says_of_any_source_wins_over_what_is_stored(redis_url):
    with raw_client(redis_url) as redis:
        redis.hset("ad:{ad-0}", mapping={"item_id": "stored", "price": "4.5"})
    ads = candidates(item_id=[None])

    async with open_reader(redis_url) as reader:
        stored = await reader.read(RankRequest("user-1", ads), ANYWHERE, soon())
        request = RankRequest("user-1", ads, context={"price": 1.0})
        stated = await reader.read(request, ANYWHERE, soon())

    assert stored.candidates.fields["price"] == ["4.5"]
    assert stated.candidates.fields.get("price") is None
    assert stated.candidates.fields["item_id"] == ["stored"]


async def test_a_model_of_items_alone_asks_the_catalog_for_no_category(redis_url):
    metrics = Metrics()
    request = RankRequest("user-1", candidates(item_id=["own"]), behaviors=history())

    async with open_reader(redis_url, metrics) as reader:
        await reader.read(request, ITEMS_ALONE, soon())

    assert sample(metrics, "ctr_feature_round_trip_keys_count", kind="ad") == 0


async def test_an_unreadable_history_is_reported_and_the_profile_is_still_read(redis_url):
    with raw_client(redis_url) as redis:
        redis.set(redis_key("user-1"), b"something else")
        redis.hset("profile:{user-1}", "age", "31")

    async with open_reader(redis_url) as reader:
        features = await reader.read(RankRequest("user-1", COMPLETE), FULL, soon())

    assert features.problems["behaviors"] == "corrupt"
    assert len(features.user.behaviors) == 0
    assert features.user.profile == {"age": "31"}


async def test_without_redis_a_request_goes_on_with_what_it_brought():
    request = RankRequest("user-1", candidates(item_id=["own", None]), context={"device": "phone"})

    async with open_reader(url_where_nothing_listens()) as reader:
        features = await reader.read(request, FULL, soon())

    assert features.problems == dict.fromkeys(("behaviors", "profile", "ad"), "unreachable")
    assert (len(features.user.behaviors), features.user.profile) == (0, {})
    assert features.candidates.fields["item_id"] == ["own", None]


@pytest.mark.parametrize(
    ("timeout_s", "deadline_s"),
    [
        pytest.param(IMPATIENT_S, PATIENT_S, id="its own timeout"),
        pytest.param(PATIENT_S, IMPATIENT_S, id="the deadline"),
        pytest.param(PATIENT_S, -1.0, id="a deadline that has passed"),
    ],
)
async def test_a_silent_redis_is_given_up_after_the_shorter_of_timeout_and_deadline(
    timeout_s, deadline_s
):
    request = RankRequest("user-1", candidates(item_id=[None]))
    async with silent_server() as url, open_store(url, timeout_s=IMPATIENT_S) as store:
        reader = FeatureReader(store, Metrics(), timeout_s=timeout_s)

        features = await reader.read(request, FULL, Deadline.after(deadline_s))
        await reader.close()

    assert features.problems == dict.fromkeys(("behaviors", "profile", "ad"), "timeout")
    assert (len(features.user.behaviors), features.user.profile) == (0, {})
    assert features.candidates is request.candidates


def copies(metrics: Metrics) -> RecentHistories:
    return RecentHistories(metrics, max_bytes=2**20, max_age_s=3600)


async def test_a_history_that_cannot_be_had_is_the_one_that_was_read_last(redis_url):
    with raw_client(redis_url) as redis:
        redis.set(redis_key("user-1"), pack("user-1", history("a", "b")))
    request, stranger = RankRequest("user-1", COMPLETE), RankRequest("user-2", COMPLETE)
    recent = copies(Metrics())
    async with open_reader(redis_url, recent=recent) as reader:
        fresh = await reader.read(request, BARE, soon())
    async with open_reader(url_where_nothing_listens(), recent=recent) as reader:
        stale = await reader.read(request, BARE, soon())
        unknown = await reader.read(stranger, BARE, soon())

    assert not fresh.stale_history
    assert stale.stale_history
    assert as_rows(stale.user.behaviors) == as_rows(history("a", "b"))
    assert stale.problems == {"behaviors": "unreachable"}
    assert not unknown.stale_history
    assert len(unknown.user.behaviors) == 0


async def test_a_late_history_is_the_one_that_was_read_last():
    recent = copies(Metrics())
    recent.remember([("user-1", history("a"))])
    async with (
        silent_server() as url,
        open_reader(url, timeout_s=IMPATIENT_S, recent=recent) as reader,
    ):
        features = await reader.read(RankRequest("user-1", COMPLETE), BARE, soon())

    assert features.stale_history
    assert features.problems == {"behaviors": "timeout"}
    assert as_rows(features.user.behaviors) == as_rows(history("a"))


async def test_while_redis_answers_no_copy_is_used(redis_url):
    metrics = Metrics()
    recent = copies(metrics)
    request = RankRequest("user-1", COMPLETE)
    recent.remember([("user-1", history("a"))])
    async with open_reader(redis_url, metrics, recent=recent) as reader:
        erased = await reader.read(request, BARE, soon())
        recent.remember([("user-1", history("a"))])
        with raw_client(redis_url) as redis:
            redis.set(redis_key("user-1"), pack("user-2", history("b")))
        foreign = await reader.read(request, BARE, soon())

    for features in (erased, foreign):
        assert not features.stale_history
        assert len(features.user.behaviors) == 0
    assert foreign.problems == {"behaviors": "foreign_user"}
    assert recent.recall("user-1") is None
    assert sample(metrics, "ctr_history_copy_lookups_total", result="hit") == 0


async def test_reads_are_counted_by_kind_and_outcome(redis_url):
    metrics = Metrics()
    with raw_client(redis_url) as redis:
        redis.set(redis_key("corrupt"), b"something else")
        redis.set("profile:{corrupt}", "not a hash")

    async with open_reader(redis_url, metrics) as reader:
        await reader.read(RankRequest("corrupt", candidates(item_id=[None])), FULL, soon())
        await reader.read(RankRequest("cold", COMPLETE), FULL, soon())

    def reads(kind: str, outcome: str) -> float:
        return sample(metrics, "ctr_feature_reads_total", kind=kind, outcome=outcome)

    assert (reads("behaviors", "corrupt"), reads("behaviors", "ok")) == (1, 1)
    assert (reads("profile", "wrong_type"), reads("profile", "ok")) == (1, 1)
    assert (reads("ad", "ok"), reads("ad", "wrong_type")) == (1, 0)


async def test_no_reply_goes_to_the_wrong_user_however_many_give_up(redis_url):
    """5,000 reads of 300 users; every answer makes a random other one give up."""
    users = [f"user-{number}" for number in range(300)]
    random = np.random.default_rng(11)
    async with open_store(redis_url) as store, open_reader(redis_url) as reader:
        await store.replace({user_id: history(f"item of {user_id}") for user_id in users})
        with raw_client(redis_url) as redis:
            for user_id in users:
                redis.hset(f"profile:{{{user_id}}}", "age", user_id)
        tasks: list[asyncio.Task[None]] = []

        async def read(user_id: str) -> None:
            features = await reader.read(RankRequest(user_id, COMPLETE), FULL, soon())
            tasks[random.integers(len(tasks))].cancel()
            assert features.problems == {}
            assert as_rows(features.user.behaviors) == as_rows(history(f"item of {user_id}"))
            assert features.user.profile == {"age": user_id}

        for number in random.integers(len(users), size=5_000):
            tasks.append(asyncio.create_task(read(users[number])))
            if number % 7 == 0:
                await asyncio.sleep(0)  # so that requests overlap in every phase of a round trip
        ends = await asyncio.gather(*tasks, return_exceptions=True)

    cancelled = sum(isinstance(end, asyncio.CancelledError) for end in ends)
    assert 0 < cancelled < len(ends)
    assert ends.count(None) == len(ends) - cancelled
