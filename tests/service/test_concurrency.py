"""Many clients at the same time: each gets its own answer, and the scores it would get alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.api.bodies import Json, ad, body, ctr_by_ad, wire_behaviors
from tests.serving import RunningService, patient, serving

REQUESTS = 200
ROUNDS = 20  # until two requests meet, which is up to the clients


@pytest.fixture(scope="module", params=[1, 3], ids="{} engine threads".format)
def service(
    model_store: Path, redis_server: str, request: pytest.FixtureRequest
) -> Iterator[RunningService]:
    settings = patient(model_store=model_store, engine_threads=request.param)
    with serving(settings, redis_server) as running:
        yield running


def test_concurrent_requests_get_their_own_ads_and_the_scores_they_get_alone(
    service: RunningService,
) -> None:
    requests = [one_of_its_kind(number) for number in range(REQUESTS)]
    alone = [service.ranking(request) for request in requests]

    with ThreadPoolExecutor(32) as clients:
        for _ in range(ROUNDS):
            before = service.metric("ctr_batch_jobs_count")
            together = list(clients.map(service.ranking, requests))
            batches = service.metric("ctr_batch_jobs_count") - before
            for expected, answer in zip(alone, together, strict=True):
                assert answer["user"] == expected["user"]
                assert ctr_by_ad(answer) == pytest.approx(ctr_by_ad(expected), abs=1e-6)
            if batches < REQUESTS:
                break  # some were computed together

    assert batches < REQUESTS  # or this test proves nothing


def one_of_its_kind(number: int) -> Json:
    """Users, lengths of histories, numbers of candidates and side fields all differ."""
    behaviors = [(f"item-{(number + n) % 50}", f"category-{n % 5}", n) for n in range(number % 14)]
    return body(
        user_id=f"user-{number}",
        candidates=[ad(number * 100 + n, price=n) for n in range(1 + number % 23)],
        behaviors=wire_behaviors(behaviors),
        profile={"age": 20 + number % 50},
        context={"device": ["phone", "desktop"][number % 2]},
    )
