"""A servable gives its model's own scores, to each request its own, alone and in company."""

import asyncio

import numpy as np
import pytest

from app.core.deadline import Deadline, StageTimes
from app.core.request import Candidates
from app.errors import DeadlineExceeded, NotReady, Overloaded
from app.inference.batch_policy import BatchPolicy
from app.monitoring.metrics import Metrics
from app.registry.model_store import ModelStore
from app.registry.servable import ScoredRequest, Servable
from tests.artifacts import publish_tiny_version
from tests.registry.servables import Request, direct_scores, draw_requests, load

pytestmark = pytest.mark.anyio

PATIENT_S = 30.0
MAX_BEHAVIORS = 10


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root, max_behaviors=MAX_BEHAVIORS)
    return root


async def ask(servable: Servable, request: Request, times: StageTimes | None = None):
    deadline = Deadline.after(PATIENT_S)
    return await servable.score(*request, deadline, times or StageTimes())


@pytest.mark.parametrize("threads", [1, 3])
async def test_scores_in_company_are_those_of_the_model_alone(root, threads):
    artifact = ModelStore(root).load("tiny", "1")
    servable = load(root, threads=threads)
    requests = draw_requests(60)

    answers: list[ScoredRequest] = await asyncio.gather(*(ask(servable, one) for one in requests))
    await servable.drain()

    assert max(answer.batch_jobs for answer in answers) > 1
    for alone, answer in zip(direct_scores(artifact, requests), answers, strict=True):
        np.testing.assert_allclose(answer.scores.logits_C, alone.logits_C, atol=1e-6)
        np.testing.assert_allclose(answer.scores.attention_CT, alone.attention_CT, atol=1e-6)


async def test_attention_has_a_column_per_behavior_that_was_used(root):
    servable = load(root)
    requests = draw_requests(30)

    answers = await asyncio.gather(*(ask(servable, one) for one in requests))
    await servable.drain()

    for (user, candidates), answer in zip(requests, answers, strict=True):
        used = min(len(user.behaviors), MAX_BEHAVIORS)
        assert answer.scores.attention_CT.shape == (len(candidates), used)
        assert answer.scores.logits_C.shape == (len(candidates),)
        sums = answer.scores.attention_CT.sum(axis=1)
        np.testing.assert_allclose(sums, 1.0 if used else 0.0, atol=1e-5)


async def test_every_request_gets_its_own_unknown_items(root):
    servable = load(root)
    requests = draw_requests(30)

    answers = await asyncio.gather(*(ask(servable, one) for one in requests))
    await servable.drain()

    encoded = [servable.version.encoder.encode([request]) for request in requests]
    expected = [int(one.unknown.behaviors_U[0] + one.unknown.candidates_U[0]) for one in encoded]
    assert [answer.scores.unknown_items for answer in answers] == expected
    assert any(expected)


async def test_unknown_ids_are_counted_by_field(root):
    metrics = Metrics()
    servable = load(root, metrics=metrics)
    requests = draw_requests(10)

    await asyncio.gather(*(ask(servable, one) for one in requests))
    await servable.drain()

    counted = {
        field.name: metrics.registry.get_sample_value(
            "ctr_unknown_ids_total", {"field": field.name}
        )
        for field in servable.version.encoder.schema.sparse_fields
    }
    assert counted == servable.version.encoder.encode(requests).unknown.by_field
    assert all(counted.values())


async def test_the_time_of_a_request_is_told_by_stage(root):
    servable, times = load(root), StageTimes()

    await ask(servable, draw_requests(1)[0], times)
    await servable.drain()

    assert times.seconds.keys() == {"queue", "encode", "compute"}
    assert all(seconds >= 0 for seconds in times.seconds.values())


async def test_only_the_behaviors_that_are_used_count_against_the_queue(root):
    """Room for ten requests of one candidate and full histories."""
    policy = BatchPolicy(max_batch_pairs=1, max_queued_pairs=10 * (1 + MAX_BEHAVIORS))
    servable = load(root, policy=policy)
    user = next(user for user, _ in draw_requests(50) if len(user.behaviors) > MAX_BEHAVIORS)
    ad = Candidates(["ad"], [None], {"item_id": ["item-1"], "category_id": ["category-1"]})

    ends = await asyncio.gather(
        *(ask(servable, (user, ad)) for _ in range(12)), return_exceptions=True
    )
    await servable.drain()

    assert [isinstance(end, Overloaded) for end in ends] == [False] * 10 + [True] * 2


async def test_a_request_without_time_is_not_scored(root):
    servable = load(root)
    (request,) = draw_requests(1)

    with pytest.raises(DeadlineExceeded):
        await servable.score(*request, Deadline.after(-1), StageTimes())
    await servable.drain()


async def test_a_drained_servable_refuses(root):
    servable = load(root)
    answering = asyncio.create_task(ask(servable, draw_requests(1)[0]))
    await asyncio.sleep(0)

    await servable.drain()

    assert (await answering).batch_jobs == 1
    with pytest.raises(NotReady):
        await ask(servable, draw_requests(1)[0])


async def test_a_loaded_version_is_shown_as_served_and_its_warm_up_is_not_counted(root):
    metrics = Metrics()
    servable = load(root, metrics=metrics)

    def sample(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    labels = {"model": "tiny", "version": "1", "architecture": "dien", "device": "cpu"}
    assert sample("ctr_model_info", **labels) == 1
    assert sample("ctr_batch_jobs_count", model="tiny") == 0
    assert sample("ctr_unknown_ids_total", field="item_id") == 0  # there before the first one
    await servable.drain()


@pytest.mark.parametrize("max_behaviors", [1, 200])
def test_a_version_of_any_history_length_warms_up(tmp_path, max_behaviors):
    publish_tiny_version(tmp_path, max_behaviors=max_behaviors)

    assert load(tmp_path).version.encoder.schema.max_behaviors == max_behaviors


def test_a_version_without_side_fields_loads(tmp_path):
    publish_tiny_version(tmp_path, name="bare", side_fields=())

    assert load(tmp_path, "bare").version.manifest.name == "bare"
