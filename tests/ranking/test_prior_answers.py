"""When the model fails or is late, ads are ranked by what was clicked before, and it is said."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from app.core.deadline import Deadline, StageTimes
from app.core.keys import keys_of
from app.core.request import Candidates, Ranking, RankRequest, UserContext
from app.errors import CtrError, DeadlineExceeded, EngineFailed, NotReady, Overloaded
from app.features.encoder import EncodedRequests, Encoder, Job
from app.features.feature_reader import FeatureReader
from app.inference.admission import Admission
from app.monitoring.metrics import Metrics
from app.ranking.ranker import Ranker
from app.registry.loaded_version import LoadedVersion, load_version
from app.registry.model_store import ModelStore
from app.registry.servable import ScoredRequest, Servable
from app.registry.served_models import ServedModels
from tests.artifacts import TINY_RATES, publish_tiny_version
from tests.fakes import FailingEngine, ticket_until
from tests.features.histories import history
from tests.features.redis_stores import PATIENT_S, open_store, url_where_nothing_listens
from tests.registry.servables import ROOMY, ended, running

pytestmark = pytest.mark.anyio

ADS = Candidates(
    ad_ids=["ad-1", "ad-2", "ad-3", "ad-4"],
    bids=[0.5, 4.0, None, 0.0],
    fields={
        "item_id": ["item-1", "item-2", "never seen", "never seen"],
        "category_id": ["category-1", "category-2", "category-3", "neither"],
    },
)
REQUEST = RankRequest("user-1", ADS, behaviors=history("item-5", "item-6"))
MEAN_CTR = 0.1


class RaisingServable(Servable):
    """Its queue ends every request with the error; keeps the deadlines that it was given."""

    def __init__(self, version: LoadedVersion, error: CtrError) -> None:
        metrics = Metrics()
        super().__init__(version, ROOMY, metrics, running(metrics))
        self.asked: list[Deadline] = []
        self._error = error

    async def score(
        self, user: UserContext, candidates: Candidates, deadline: Deadline, times: StageTimes
    ) -> ScoredRequest:
        self.asked.append(deadline)
        raise self._error


class FailingEncoder(Encoder):
    """Cannot read any request."""

    def encode(self, requests: Sequence[Job]) -> EncodedRequests:
        raise ValueError(f"{len(requests)} requests cannot be read")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root, "tiny", rates=TINY_RATES)
    publish_tiny_version(root, "older")
    return root


@asynccontextmanager
async def ranker_of(
    servable: Servable, metrics: Metrics, *, prior_fallback: bool = True
) -> AsyncIterator[Ranker]:
    models = ServedModels({"tiny": servable}, default="tiny")
    async with open_store(url_where_nothing_listens(), timeout_s=PATIENT_S) as store:
        features = FeatureReader(store, metrics, timeout_s=PATIENT_S)
        try:
            yield Ranker(
                models,
                features,
                Admission(threads=1),
                metrics,
                prior_fallback=prior_fallback,
            )
        finally:
            await ended(models)
            await features.close()


def failing(root: Path, metrics: Metrics, name: str = "tiny") -> Servable:
    version = loaded(root, name)
    version.runtime = FailingEngine()
    return Servable(version, ROOMY, metrics, running(metrics))


def raising(root: Path, error: CtrError) -> RaisingServable:
    return RaisingServable(loaded(root, "tiny"), error)


def loaded(root: Path, name: str) -> LoadedVersion:
    return load_version(ModelStore(root).load(name, "1"), torch.device("cpu"))


async def rank(ranker: Ranker, request: RankRequest = REQUEST) -> Ranking:
    ranking, batch_jobs = await ranker.rank(
        request, ticket_until(Deadline.after(PATIENT_S)), StageTimes()
    )
    assert batch_jobs == 0
    return ranking


def prior_of(servable: Servable, item: str, category: str) -> float:
    """By hand, from the tables."""
    ctr = MEAN_CTR
    for field, raw_id, rates in zip(
        ("category_id", "item_id"), (category, item), reversed(TINY_RATES), strict=True
    ):
        (row,) = servable.version.encoder.vocabularies[field].rows_of(keys_of([raw_id]))
        ctr = float(rates.own_V[row]) + float(rates.parent_share_V[row]) * ctr
    return ctr


async def test_a_failing_engine_leaves_the_prior_of_every_ad(root):
    metrics = Metrics()
    servable = failing(root, metrics)
    async with ranker_of(servable, metrics) as ranker:
        ranking = await rank(ranker)

    expected = {
        ad_id: prior_of(servable, item, category)
        for ad_id, item, category in zip(
            ADS.ad_ids, ADS.fields["item_id"], ADS.fields["category_id"], strict=True
        )
    }
    assert {one.ad_id: one.ctr for one in ranking.ranked} == pytest.approx(expected)
    assert expected["ad-4"] == MEAN_CTR
    ctrs = [one.ctr for one in ranking.ranked]
    assert ctrs == sorted(ctrs, reverse=True)
    assert (ranking.degraded, ranking.degraded_reason) == ("prior", "engine-failed")
    assert (ranking.behaviors, ranking.unknown_items) == (0, 2)


async def test_a_prior_answer_is_counted_by_its_cause(root):
    metrics = Metrics()
    for error in (EngineFailed("broken"), DeadlineExceeded("late")):
        async with ranker_of(raising(root, error), metrics) as ranker:
            await rank(ranker)

    for reason in ("engine-failed", "deadline-exceeded"):
        labels = {"rung": "prior", "reason": reason}
        assert metrics.registry.get_sample_value("ctr_degraded_total", labels) == 1
    assert metrics.registry.get_sample_value("ctr_request_candidates_count") == 2
    assert metrics.registry.get_sample_value("ctr_cold_users_total") == 0


async def test_revenue_and_the_best_k_are_of_the_prior(root):
    metrics = Metrics()
    bids = replace(ADS, bids=[0.1, 1000.0, 0.2, 500.0])
    async with ranker_of(failing(root, metrics), metrics) as ranker:
        ranking = await rank(ranker, replace(REQUEST, candidates=bids, rank_by="ecpm", top_k=2))

    assert {one.ad_id for one in ranking.ranked} == {"ad-2", "ad-4"}
    bid_of = dict(zip(bids.ad_ids, bids.bids, strict=True))
    for one in ranking.ranked:
        assert one.ecpm == 1000 * bid_of[one.ad_id] * one.ctr


async def test_no_behavior_explains_a_prior(root):
    metrics = Metrics()
    async with ranker_of(failing(root, metrics), metrics) as ranker:
        ranking = await rank(ranker, replace(REQUEST, explain=3))

    assert [list(one.attention) for one in ranking.ranked] == [[]] * len(ADS)


async def test_versions_without_a_table_give_every_ad_the_mean(root):
    metrics = Metrics()
    async with ranker_of(failing(root, metrics, "older"), metrics) as ranker:
        ranking = await rank(ranker)

    assert [one.ctr for one in ranking.ranked] == [MEAN_CTR] * len(ADS)
    assert [one.ad_id for one in ranking.ranked] == ADS.ad_ids


async def test_the_model_has_until_shortly_before_the_deadline(root):
    metrics = Metrics()
    servable = raising(root, DeadlineExceeded("late"))
    deadline = Deadline.after(PATIENT_S)
    async with ranker_of(servable, metrics) as ranker:
        await ranker.rank(REQUEST, ticket_until(deadline), StageTimes())

    (asked,) = servable.asked
    assert 0.002 < deadline.at_s - asked.at_s < 0.005


async def test_a_request_whose_time_is_up_has_no_use_for_a_prior(root):
    metrics = Metrics()
    async with ranker_of(raising(root, DeadlineExceeded("late")), metrics) as ranker:
        with pytest.raises(DeadlineExceeded):
            await ranker.rank(REQUEST, ticket_until(Deadline.after(-1)), StageTimes())

    assert metrics.registry.get_sample_value("ctr_request_candidates_count") == 0


@pytest.mark.parametrize("error", [Overloaded("full"), NotReady("draining")], ids=repr)
async def test_who_is_refused_at_the_door_gets_no_prior(root, error):
    metrics = Metrics()
    async with ranker_of(raising(root, error), metrics) as ranker:
        with pytest.raises(type(error)):
            await rank(ranker)


@pytest.mark.parametrize("error", [EngineFailed("broken"), DeadlineExceeded("late")], ids=repr)
async def test_without_the_fallback_the_error_is_the_answer(root, error):
    metrics = Metrics()
    servable = raising(root, error)
    deadline = Deadline.after(PATIENT_S)
    async with ranker_of(servable, metrics, prior_fallback=False) as ranker:
        with pytest.raises(type(error)):
            await ranker.rank(REQUEST, ticket_until(deadline), StageTimes())

    assert servable.asked == [deadline]  # nothing is kept back for a prior


async def test_where_the_prior_fails_too_the_error_of_the_model_is_the_answer(root):
    version, metrics = loaded(root, "tiny"), Metrics()
    version.encoder = FailingEncoder(version.encoder.schema, version.encoder.vocabularies)
    async with ranker_of(Servable(version, ROOMY, metrics, running(metrics)), metrics) as ranker:
        with pytest.raises(EngineFailed):
            await rank(ranker)

    assert metrics.registry.get_sample_value("ctr_request_candidates_count") == 0


async def test_the_time_that_was_waited_in_vain_is_told(root):
    metrics, times = Metrics(), StageTimes()
    async with ranker_of(failing(root, metrics), metrics) as ranker:
        await ranker.rank(REQUEST, ticket_until(Deadline.after(PATIENT_S)), times)

    assert times.seconds.keys() == {"features", "queue", "render"}


def test_the_prior_of_an_ad_does_not_depend_on_the_others(root):
    version = loaded(root, "tiny")
    whole = version.prior_of(ADS).ctr_C

    for index in range(len(ADS)):
        fields = {name: [column[index]] for name, column in ADS.fields.items()}
        alone = version.prior_of(Candidates(["ad"], [None], fields)).ctr_C
        np.testing.assert_array_equal(alone, whole[[index]])
