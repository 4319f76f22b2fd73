"""Thousands of damaged requests, and then the only question: are you still alive?"""

import json
import random
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.damage import damage
from tests.api.bodies import BEHAVIORS, ad, body, wire_behaviors
from tests.api.raw_http import chunked, exchange, post
from tests.serving import RunningService

SEED = 20260101
VALID = json.dumps(
    body(
        candidates=[ad(number, bid=0.5, price=1.5) for number in range(3)],
        behaviors=wire_behaviors(BEHAVIORS),
        context={"device": "phone"},
        profile={"age": 30},
        top_k=2,
        rank_by="ecpm",
        explain=2,
        deadline_ms=5000,
        model="tiny",
    )
).encode()
ANSWERED = {200, 400, 404, 422, 504}  # 404, 504: the damage hit the model's name, the deadline
METHODS = [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300) | st.just("u")
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
names = st.sampled_from([*json.loads(VALID), "ad_id", "item_id", "category_id", "bid"])
almost_bodies = st.dictionaries(
    names,
    documents | st.lists(st.dictionaries(names, documents, max_size=5), max_size=4),
    max_size=6,
)


def mutations(valid: bytes, count: int) -> Iterator[bytes]:
    """The bytes with one to four damages each, the same in every run."""
    rng = random.Random(SEED)  # noqa: S311 - not for secrets
    for _ in range(count):
        damaged = valid
        for _ in range(rng.randint(1, 4)):
            damaged = damage(damaged, rng)
        yield damaged


def assert_alive(service: RunningService) -> None:
    assert len(service.ranking(body())["ranked"]) == 5
    assert service.metric("ctr_queue_jobs") == 0
    assert service.metric("ctr_engine_failures_total") == 0


def assert_answered(answer: httpx.Response, sent: bytes) -> None:
    assert answer.status_code in ANSWERED, (answer.text, sent)
    if answer.status_code == 200:
        assert all(0.0 <= ranked["ctr"] <= 1.0 for ranked in answer.json()["ranked"])


def test_thousands_of_damaged_bodies_are_answered(service: RunningService) -> None:
    for damaged in mutations(VALID, 3000):
        assert_answered(service.client.post("/v1/rank", content=damaged), damaged)

    assert_alive(service)


@pytest.mark.parametrize(
    "valid",
    [
        post(VALID, f"Content-Length: {len(VALID)}", "X-Deadline-Ms: 50", "X-Request-Id: r"),
        post(chunked(VALID) + b"0\r\n\r\n", "Transfer-Encoding: chunked", "Expect: 100-continue"),
    ],
    ids=["length", "chunks"],
)
def test_hundreds_of_damaged_requests_leave_the_service_alive(
    service: RunningService, valid: bytes
) -> None:
    for damaged in mutations(valid, 400):
        received = exchange(service, damaged, half_close=True)

        assert b"HTTP/1.1 500" not in received, damaged
        assert b"HTTP/1.1 503" not in received, damaged

    assert_alive(service)


def test_no_method_on_no_path_is_too_strange_for_an_answer(service: RunningService) -> None:
    paths = [*service.client.get("/openapi.json").json()["paths"], "/", "/v2", "/docs", "*"]
    rng = random.Random(SEED)  # noqa: S311 - not for secrets
    for path in [path.encode() for path in paths] * 10:
        for method in METHODS:
            target = damage(path, rng).replace(b" ", b"%20").replace(b"\r\n", b"%0d%0a")
            sent = b"%s %s HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n" % (method, target)

            received = exchange(service, sent)

            assert not received.startswith(b"HTTP/1.1 5"), sent

    assert_alive(service)


@settings(
    max_examples=400,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(document=documents | almost_bodies)
def test_any_json_is_answered(service: RunningService, document: object) -> None:
    sent = json.dumps(document).encode()

    assert_answered(service.client.post("/v1/rank", content=sent), sent)
