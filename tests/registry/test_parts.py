"""A long list of candidates is scored in parts, and nobody can tell from its scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.deadline import Deadline, StageTimes
from app.core.request import Candidates
from app.inference.batch_policy import BatchPolicy
from app.monitoring.metrics import Metrics
from app.registry.model_store import ModelStore
from app.registry.parts import in_parts
from tests.artifacts import ITEMS, publish_tiny_version
from tests.registry.servables import Request, direct_scores, draw_requests, load

pytestmark = pytest.mark.anyio

PATIENT_S = 30.0
MANY = 333


def many_candidates(count: int) -> Candidates:
    items = [*ITEMS, "never seen"]
    return Candidates(
        [f"ad-{number}" for number in range(count)],
        [None] * count,
        {
            "item_id": [items[number % len(items)] for number in range(count)],
            "category_id": ["category-1"] * count,
            "price": [float(number) for number in range(count)],
        },
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root, max_behaviors=10)
    return root


@pytest.fixture
def request_of_many() -> Request:
    user = next(user for user, _ in draw_requests(50) if len(user.behaviors) > 5)
    return user, many_candidates(MANY)


@given(st.integers(1, 1_000), st.integers(1, 1_000))
def test_parts_are_few_even_and_in_order(count, most):
    candidates = many_candidates(count)

    parts = in_parts(candidates, most)

    assert len(parts) == -(-count // most)
    assert [ad_id for part in parts for ad_id in part.ad_ids] == list(candidates.ad_ids)
    assert [price for part in parts for price in part.fields["price"]] == candidates.fields["price"]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


async def test_the_scores_of_parts_are_those_of_the_whole(root, request_of_many):
    artifact = ModelStore(root).load("tiny", "1")
    metrics = Metrics()
    policy = BatchPolicy(max_batch_pairs=500, max_queued_pairs=500)
    servable = load(root, policy=policy, metrics=metrics, threads=2)

    answer = await servable.score(*request_of_many, Deadline.after(PATIENT_S), StageTimes())
    await servable.drain()

    (whole,) = direct_scores(artifact, [request_of_many])
    np.testing.assert_allclose(answer.scores.logits_C, whole.logits_C, atol=1e-6)
    np.testing.assert_allclose(answer.scores.attention_CT, whole.attention_CT, atol=1e-6)
    encoded = servable.version.encoder.encode([request_of_many])
    unknown = encoded.unknown.behaviors_U[0] + encoded.unknown.candidates_U[0]
    assert answer.scores.unknown_items == unknown
    batches = metrics.registry.get_sample_value("ctr_batch_jobs_count", {"model": "tiny"})
    assert batches >= 6
