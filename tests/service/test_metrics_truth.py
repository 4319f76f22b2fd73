"""What clients see is what is counted: every answer once, and no stage outside of its request."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.api.bodies import BEHAVIORS, body, wire_behaviors
from tests.api.raw_http import exchange, parse, post
from tests.eventually import eventually
from tests.serving import RunningService, patient, serving

TIMES = 8  # of each request
STAGES = ("parse", "features", "queue", "encode", "compute", "render")
LEFT = 499
HISTORY = wire_behaviors(BEHAVIORS)


def rank(**fields: object) -> bytes:
    content = json.dumps(body(**{"behaviors": HISTORY, **fields})).encode()
    return post(content, f"Content-Length: {len(content)}")


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n".encode()


SENT = {
    "a ranking": (rank(), 200),
    "a cold user": (rank(user_id="nobody", behaviors=None), 200),
    "no json": (post(b"{", "Content-Length: 1"), 400),
    "a wrong field": (rank(top_k=0), 422),
    "an unknown model": (rank(model="nope"), 404),
    "no time": (rank(deadline_ms=1e-6), 504),
    "too large": (post(b"", "Content-Length: 3000000"), 413),
    "another method": (get("/v1/rank"), 405),
    "another path": (get("/nowhere"), 404),
    "models": (get("/v1/models"), 200),
    "readiness": (get("/health/ready"), 200),
    "no http": (b"what is this\r\n\r\n", 400),
    "two lengths": (post(b"{}", "Content-Length: 2", "Content-Length: 3"), 400),
    "a head that does not end": (b"GET / HTTP/1.1\r\nX-Slow: ", 408),
    "a head that is too large": (get("/").removesuffix(b"\r\n") + b"X: " + b"x" * 600_000, 431),
}


@pytest.fixture
def service(model_store: Path, redis_url: str) -> Iterator[RunningService]:
    settings = patient(model_store=model_store, head_timeout_s=2)
    with serving(settings, redis_url) as running:
        yield running


def test_every_answer_is_counted_once_with_the_status_that_the_client_saw(
    service: RunningService,
) -> None:
    requests = [sent for sent, _ in SENT.values()] * TIMES
    before = counted(service)

    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda sent: parse(exchange(service, sent)), requests))

    seen = Counter(answer.status for answer in answers)
    expected = Counter(status for _, status in SENT.values())
    assert seen == {status: TIMES * count for status, count in expected.items()}
    eventually(lambda: counted(service) - before == seen)


def test_whoever_leaves_in_its_body_is_counted_as_gone_and_as_nothing_else(
    service: RunningService,
) -> None:
    before = counted(service)

    with ThreadPoolExecutor(16) as clients:
        halves = [rank()[:-20]] * TIMES
        list(clients.map(lambda sent: exchange(service, sent, half_close=True), halves))

    eventually(lambda: counted(service) - before == {LEFT: TIMES})


def test_the_stages_of_requests_lie_within_their_durations(service: RunningService) -> None:
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: parse(exchange(service, rank())), range(100)))

    assert {answer.status for answer in answers} == {200}
    eventually(lambda: requests_timed(service) == 100)
    in_stages_s = {
        stage: service.metric("ctr_stage_duration_seconds_sum", stage=stage) for stage in STAGES
    }
    total_s = service.metric("ctr_request_duration_seconds_sum", route="/v1/rank")
    assert all(seconds > 0 for seconds in in_stages_s.values())
    assert sum(in_stages_s.values()) <= total_s
    for stage in STAGES:
        assert service.metric("ctr_stage_duration_seconds_count", stage=stage) == 100


def test_the_timing_that_a_client_is_told_is_that_of_its_stages(service: RunningService) -> None:
    answer = parse(exchange(service, rank()))

    told_ms = dict(re.findall(r"(\w+);dur=([\d.]+)", answer.headers["server-timing"]))
    total_ms = float(told_ms.pop("total"))
    assert told_ms.keys() == set(STAGES)
    assert sum(map(float, told_ms.values())) <= total_ms + 0.0005 * len(STAGES)  # rounded


def counted(service: RunningService) -> "Counter[int]":
    """Answers by status, but for this scrape's."""
    text = service.client.get("/metrics").text
    lines = re.findall(r'ctr_requests_total\{route="([^"]+)",status="(\d+)"\} (\S+)', text)
    statuses: Counter[int] = Counter()
    for route, status, count in lines:
        if route != "/metrics":
            statuses[int(status)] += int(float(count))
    return statuses


def requests_timed(service: RunningService) -> float:
    return service.metric("ctr_request_duration_seconds_count", route="/v1/rank")
