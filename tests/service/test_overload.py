"""More work than the service accepts: it refuses at the door, says so and keeps count."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.bodies import BEHAVIORS, ads, body, wire_behaviors
from tests.api.raw_http import RawAnswer, parse, post, read_to_end
from tests.serving import RunningService, patient, serving

BURST = 120
WORK = body(candidates=ads(200), behaviors=wire_behaviors(BEHAVIORS * 4), deadline_ms=10_000)
HOPELESS = {**WORK, "deadline_ms": 1e-6}


@pytest.fixture
def service(model_store: Path, redis_server: str) -> Iterator[RunningService]:
    """While it computes one request, one more may wait."""
    settings = patient(model_store=model_store, max_queued_pairs=1)
    with serving(settings, redis_server) as running:
        yield running


def test_a_burst_is_shed_at_the_door_and_every_request_is_accounted_for(
    service: RunningService,
) -> None:
    bodies = [HOPELESS if number % 10 == 0 else WORK for number in range(BURST)]

    answers = all_at_once(service, bodies)

    counted = Counter(answer.status for answer in answers)
    assert counted.keys() == {200, 429, 504}
    assert counted == {
        status: service.metric("ctr_requests_total", route="/v1/rank", status=str(status))
        for status in (200, 429, 504)
    }
    assert service.metric("ctr_requests_total", route="/v1/rank") == BURST
    assert service.metric("ctr_shed_total", reason="overloaded") == counted[429]
    assert service.metric("ctr_shed_total", reason="deadline-exceeded") == counted[504] == 12
    assert service.metric("ctr_shed_total") == counted[429] + counted[504]
    assert service.metric("ctr_batch_jobs_sum") == counted[200]  # nothing else was computed


def test_who_is_shed_learns_when_to_come_back(service: RunningService) -> None:
    answers = all_at_once(service, [WORK] * BURST)

    shed = [answer for answer in answers if answer.status == 429]
    assert shed
    for answer in shed:
        problem = json.loads(answer.content)
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1
        assert problem["title"] == "Overloaded"
        assert problem["request_id"] == answer.headers["x-request-id"]


def test_after_a_burst_the_service_is_as_good_as_before(service: RunningService) -> None:
    all_at_once(service, [WORK] * BURST)

    answer = service.ranking(WORK)

    assert len(answer["ranked"]) == 200
    assert service.metric("ctr_queue_jobs") == 0
    assert service.metric("ctr_queue_cost_pairs") == 0
    assert service.client.get("/health/ready").status_code == 200


def all_at_once(service: RunningService, bodies: Sequence[object]) -> list[RawAnswer]:
    """Every request is on its way before the first answer is read."""
    with ExitStack() as stack:
        connections = [stack.enter_context(service.connect()) for _ in bodies]
        for connection, content in zip(connections, map(encoded, bodies), strict=True):
            connection.sendall(content)
        return [parse(read_to_end(connection)) for connection in connections]


def encoded(content: object) -> bytes:
    text = json.dumps(content).encode()
    return post(text, f"Content-Length: {len(text)}")
