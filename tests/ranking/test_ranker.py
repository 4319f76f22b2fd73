"""A whole ranking from real pieces: a published model, a real Redis and everything between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from app.core.deadline import Deadline, StageTimes
from app.core.request import Candidates, RankRequest
from app.errors import DeadlineExceeded, UnknownModel
from app.features.behavior_codec import pack, redis_key
from app.features.feature_reader import FeatureReader
from app.inference.admission import Admission
from app.monitoring.metrics import Metrics
from app.ranking.ranker import Ranker
from app.registry.served_models import ServedModels
from tests.artifacts import TINY_DIEN, publish_tiny_version
from tests.fakes import ticket_until
from tests.features.histories import history
from tests.features.redis_stores import (
    IMPATIENT_S,
    PATIENT_S,
    open_store,
    raw_client,
    silent_server,
    url_where_nothing_listens,
)
from tests.registry.servables import ended, load

pytestmark = pytest.mark.anyio

ADS = Candidates(
    ad_ids=["ad-1", "ad-2", "ad-3", "ad-4"],
    bids=[0.5, 4.0, None, 0.0],
    fields={
        "item_id": ["item-1", "item-2", "item-3", "never seen"],
        "category_id": ["category-1", "category-2", "category-3", "category-1"],
    },
)
REQUEST = RankRequest("user-1", ADS, context={"device": "phone"})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root, max_behaviors=4)
    return root


@asynccontextmanager
async def open_ranker(
    root: Path, redis_url: str, metrics: Metrics | None = None, *, timeout_s: float = PATIENT_S
) -> AsyncIterator[Ranker]:
    metrics = metrics or Metrics()
    models = ServedModels({"tiny": load(root, metrics=metrics)}, default="tiny")
    async with open_store(redis_url, timeout_s=timeout_s) as store:
        features = FeatureReader(store, metrics, timeout_s=timeout_s)
        try:
            yield Ranker(models, features, Admission(threads=1), metrics)
        finally:
            await ended(models)
            await features.close()


async def rank(
    ranker: Ranker,
    request: RankRequest = REQUEST,
    times: StageTimes | None = None,
    *,
    within_s: float = PATIENT_S,
):
    ticket = ticket_until(Deadline.after(within_s))
    ranking, _ = await ranker.rank(request, ticket, times or StageTimes())
    return ranking


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def store_history(redis_url: str, *items: str) -> None:
    with raw_client(redis_url) as redis:
        redis.set(redis_key("user-1"), pack("user-1", history(*items)))


def ctrs(ranking) -> dict[str, float]:
    return {ranked.ad_id: ranked.ctr for ranked in ranking.ranked}


async def test_a_stored_history_ranks_as_the_same_history_inline(root, redis_url):
    items = ("item-5", "item-6", "item-7")
    store_history(redis_url, *items)
    async with open_ranker(root, redis_url) as ranker:
        stored = await rank(ranker)

        inline = await rank(ranker, replace(REQUEST, behaviors=history(*items)))
        without = await rank(ranker, replace(REQUEST, behaviors=history()))

    assert stored == inline
    assert (stored.model, stored.version) == ("tiny", "1")
    assert (stored.behaviors, stored.degraded) == (3, None)
    assert ctrs(stored) != ctrs(without)


async def test_ads_are_ranked_by_their_ctr_with_ecpm_where_there_is_a_bid(root, redis_url):
    async with open_ranker(root, redis_url) as ranker:
        ranking = await rank(ranker)

    assert [ranked.rank for ranked in ranking.ranked] == [1, 2, 3, 4]
    assert sorted(ctrs(ranking)) == ADS.ad_ids
    in_order = list(ctrs(ranking).values())
    assert in_order == sorted(in_order, reverse=True)
    ecpms = {ranked.ad_id: ranked.ecpm for ranked in ranking.ranked}
    assert ecpms == {
        "ad-1": 500 * ctrs(ranking)["ad-1"],
        "ad-2": 4000 * ctrs(ranking)["ad-2"],
        "ad-3": None,
        "ad-4": 0.0,
    }


async def test_by_ecpm_the_best_bid_comes_first_and_top_k_cuts(root, redis_url):
    bids = replace(ADS, bids=[0.1, 1000.0, 0.2, 500.0])
    request = replace(REQUEST, candidates=bids, rank_by="ecpm", top_k=2)

    async with open_ranker(root, redis_url) as ranker:
        ranking = await rank(ranker, request)

    revenues = [ranked.ecpm for ranked in ranking.ranked]
    assert [ranked.rank for ranked in ranking.ranked] == [1, 2]
    assert {ranked.ad_id for ranked in ranking.ranked} == {"ad-2", "ad-4"}
    assert revenues == sorted(revenues, reverse=True)


async def test_a_cold_user_is_ranked_and_not_degraded(root, redis_url):
    metrics = Metrics()
    async with open_ranker(root, redis_url, metrics) as ranker:
        ranking = await rank(ranker)

    assert (ranking.behaviors, ranking.degraded, len(ranking.ranked)) == (0, None, 4)
    assert sample(metrics, "ctr_cold_users_total") == 1


@pytest.mark.parametrize("reason", ["corrupt", "foreign_user", "foreign_version", "wrong_type"])
async def test_a_history_that_cannot_be_read_is_a_degraded_answer(root, redis_url, reason):
    metrics = Metrics()
    with raw_client(redis_url) as redis:
        match reason:
            case "corrupt":
                redis.set(redis_key("user-1"), b"something else")
            case "foreign_user":
                redis.set(redis_key("user-1"), pack("user-2", history("item-1")))
            case "foreign_version":
                redis.set(redis_key("user-1"), b"CB\x09\x02" + bytes(8))
            case "wrong_type":
                redis.rpush(redis_key("user-1"), "item-1")

    async with open_ranker(root, redis_url, metrics) as ranker:
        degraded = await rank(ranker)
        cold = await rank(ranker, replace(REQUEST, user_id="cold"))

    assert (degraded.degraded, degraded.behaviors) == ("no_history", 0)
    assert ctrs(degraded) == pytest.approx(ctrs(cold))
    assert cold.degraded is None
    assert sample(metrics, "ctr_degraded_total", rung="no_history", reason=reason) == 1
    assert sample(metrics, "ctr_cold_users_total") == 1


async def test_without_redis_every_user_is_ranked_degraded(root):
    metrics = Metrics()
    async with open_ranker(root, url_where_nothing_listens(), metrics) as ranker:
        ranking = await rank(ranker)

    assert (ranking.degraded, len(ranking.ranked)) == ("no_history", 4)
    assert sample(metrics, "ctr_degraded_total", rung="no_history", reason="unreachable") == 1


async def test_a_silent_redis_costs_its_timeout_and_the_history(root):
    metrics = Metrics()
    async with (
        silent_server() as url,
        open_ranker(root, url, metrics, timeout_s=IMPATIENT_S) as ranker,
    ):
        ranking = await rank(ranker)

    assert (ranking.degraded, len(ranking.ranked)) == ("no_history", 4)
    assert sample(metrics, "ctr_degraded_total", rung="no_history", reason="timeout") == 1


async def test_inline_behaviors_need_no_redis(root):
    async with open_ranker(root, url_where_nothing_listens()) as ranker:
        ranking = await rank(ranker, replace(REQUEST, behaviors=history("item-1"), profile={}))

    assert (ranking.degraded, ranking.behaviors) == (None, 1)


async def test_the_newest_behaviors_are_explained_with_raw_ids(root, redis_url):
    store_history(redis_url, *(f"item-{number}" for number in range(6)))
    async with open_ranker(root, redis_url) as ranker:
        ranking = await rank(ranker, replace(REQUEST, explain=10))
        brief = await rank(ranker, replace(REQUEST, explain=1))

    assert ranking.behaviors == 4  # the model reads no more
    for ranked, shorter in zip(ranking.ranked, brief.ranked, strict=True):
        seen = {(one.item_id, one.category_id, one.timestamp) for one in ranked.attention}
        assert seen == {(f"item-{number}", None, number + 1) for number in (2, 3, 4, 5)}
        given_weights = [one.weight for one in ranked.attention]
        assert given_weights == sorted(given_weights, reverse=True)
        assert sum(given_weights) == pytest.approx(1.0, abs=1e-5)
        assert [one.timestamp for one in shorter.attention] == [ranked.attention[0].timestamp]


async def test_ids_that_only_the_request_knows_are_explained_by_the_request(root, redis_url):
    behaviors = history("only here")
    (item_key, category_key) = behaviors.keys_TF[0].tolist()
    request = replace(
        REQUEST,
        behaviors=behaviors,
        raw_ids={item_key: "only here", category_key: "its category"},
        explain=1,
    )
    async with open_ranker(root, redis_url) as ranker:
        ranking = await rank(ranker, request)
        stranger = await rank(ranker, replace(request, raw_ids={}))

    (named,), (unnamed,) = ranking.ranked[0].attention, stranger.ranked[0].attention
    assert (named.item_id, named.category_id) == ("only here", "its category")
    assert (unnamed.item_id, unnamed.category_id) == (None, None)


async def test_without_explain_there_is_no_attention(root, redis_url):
    store_history(redis_url, "item-1")
    async with open_ranker(root, redis_url) as ranker:
        ranking = await rank(ranker)

    assert [list(ranked.attention) for ranked in ranking.ranked] == [[]] * 4


async def test_a_model_of_items_alone_ranks_and_explains(tmp_path, redis_url):
    items = ("item_id",)
    of_items = TINY_DIEN.model_copy(update={"field_groups": (items,)})
    publish_tiny_version(tmp_path, behavior_fields=items, architecture=of_items)
    store_history(redis_url, "item-5", "item-6")
    categories = replace(ADS, fields={**ADS.fields, "category_id": ["another"] * len(ADS)})
    async with open_ranker(tmp_path, redis_url) as ranker:
        ranking = await rank(ranker, replace(REQUEST, explain=2))
        recategorized = await rank(ranker, replace(REQUEST, explain=2, candidates=categories))

    assert ranking == recategorized
    assert (ranking.behaviors, ranking.unknown_items) == (2, 1)
    names = {(one.item_id, one.category_id) for one in ranking.ranked[0].attention}
    assert names == {("item-5", None), ("item-6", None)}


async def test_unknown_items_are_told(root, redis_url):
    store_history(redis_url, "item-1", "?", "??")
    async with open_ranker(root, redis_url) as ranker:
        ranking = await rank(ranker)

    assert ranking.unknown_items == 3


async def test_an_ad_may_be_left_to_the_catalog(root, redis_url):
    with raw_client(redis_url) as redis:
        redis.hset("ad:{ad-1}", mapping={"item_id": "item-1", "category_id": "category-1"})
    left_out = replace(ADS, fields={name: [None, *ADS.fields[name][1:]] for name in ADS.fields})

    async with open_ranker(root, redis_url) as ranker:
        complete = await rank(ranker)
        completed = await rank(ranker, replace(REQUEST, candidates=left_out))

    assert ctrs(completed) == pytest.approx(ctrs(complete))


async def test_no_number_in_a_request_makes_a_score_that_is_no_number(root, redis_url):
    prices = [1.7e308, -1.7e308, 3e38, "1e400"]
    ads = replace(ADS, fields={**ADS.fields, "price": prices})
    request = replace(REQUEST, candidates=ads, profile={"age": -1.7e308})

    async with open_ranker(root, redis_url) as ranker:
        ranking = await rank(ranker, request)

    assert np.isfinite(list(ctrs(ranking).values())).all()


async def test_scores_do_not_depend_on_who_else_is_ranked(root, redis_url):
    store_history(redis_url, "item-1", "item-2", "item-3")
    others = [
        replace(REQUEST, user_id=f"user-{number}", behaviors=history(*["item-9"] * number))
        for number in range(10)
    ]
    async with open_ranker(root, redis_url) as ranker:
        alone = await rank(ranker)

        together, *_ = await asyncio.gather(rank(ranker), *(rank(ranker, one) for one in others))

    assert ctrs(together) == pytest.approx(ctrs(alone), abs=1e-6)


async def test_an_unknown_model_is_refused_before_anything_is_read(root, redis_url):
    metrics = Metrics()
    async with open_ranker(root, redis_url, metrics) as ranker:
        with pytest.raises(UnknownModel):
            await rank(ranker, replace(REQUEST, model="hers"))

    assert sample(metrics, "ctr_feature_round_trip_keys_count", kind="behaviors") == 0


async def test_a_request_whose_time_is_up_is_not_scored(root, redis_url):
    metrics = Metrics()
    async with open_ranker(root, redis_url, metrics) as ranker:
        with pytest.raises(DeadlineExceeded):
            await rank(ranker, within_s=-1)

    assert sample(metrics, "ctr_batch_jobs_count", model="tiny") == 0
    assert sample(metrics, "ctr_request_candidates_count") == 0


async def test_a_ranking_is_counted_and_its_stages_are_timed(root, redis_url):
    metrics, times = Metrics(), StageTimes()
    store_history(redis_url, "item-1", "item-2")
    async with open_ranker(root, redis_url, metrics) as ranker:
        await rank(ranker, times=times)

    assert times.seconds.keys() == {"features", "queue", "encode", "compute", "render"}
    assert sample(metrics, "ctr_request_candidates_sum") == 4
    assert sample(metrics, "ctr_request_behaviors_sum") == 2
    assert sample(metrics, "ctr_cold_users_total") == 0
