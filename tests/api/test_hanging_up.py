"""A client that hangs up takes its request with it."""

import json
from collections.abc import Iterator

import pytest

from app.monitoring.metrics import Metrics
from app.registry.served_models import ServedModels
from app.settings import Settings
from tests.api.bodies import body
from tests.api.raw_http import parse, post, read_to_end
from tests.api.stub_apis import EndlessRanker, api_with
from tests.serving import START_TIMEOUT_S, RunningService, serving_api

VALID = json.dumps(body()).encode()
REQUEST = post(VALID, f"Content-Length: {len(VALID)}")


class AlwaysReady(ServedModels):
    """Nothing is served here, and that is fine."""

    def is_ready(self) -> bool:
        return True


@pytest.fixture
def ranker() -> EndlessRanker:
    return EndlessRanker()


@pytest.fixture
def service(ranker: EndlessRanker) -> Iterator[RunningService]:
    api = api_with(ranker, AlwaysReady({}, default=None), Metrics())
    with serving_api(api, Settings()) as running:
        yield running


def test_nothing_is_computed_for_a_client_that_left(
    service: RunningService, ranker: EndlessRanker
) -> None:
    with service.connect() as connection:
        connection.sendall(REQUEST)
        assert ranker.started.wait(START_TIMEOUT_S)
        assert not ranker.cancelled.is_set()

    assert ranker.cancelled.wait(START_TIMEOUT_S)
    assert service.metric("ctr_requests_total", route="/v1/rank", status="499") == 1


def test_whoever_leaves_with_a_second_request_sent_leaves_the_first_one_too(
    service: RunningService, ranker: EndlessRanker
) -> None:
    kept_open = REQUEST.replace(b"Connection: close\r\n", b"")
    with service.connect() as connection:
        connection.sendall(kept_open + REQUEST)
        assert ranker.started.wait(START_TIMEOUT_S)

    assert ranker.cancelled.wait(START_TIMEOUT_S)
    assert service.metric("ctr_requests_total", route="/v1/rank", status="499") == 1


def test_whoever_is_given_up_when_the_service_stops_has_not_left(ranker: EndlessRanker) -> None:
    metrics = Metrics()
    api = api_with(ranker, AlwaysReady({}, default=None), metrics)
    with serving_api(api, Settings(shutdown_grace_s=1)) as service:
        connection = service.connect()
        connection.sendall(REQUEST)
        assert ranker.started.wait(START_TIMEOUT_S)

    with connection:
        assert parse(read_to_end(connection)).status == 503
    given_up = {"route": "/v1/rank", "status": "503"}
    assert metrics.registry.get_sample_value("ctr_requests_total", given_up) == 1
