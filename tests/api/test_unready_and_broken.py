"""What a service answers that is draining, or that has a bug."""

import asyncio
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.registry import Collector

from app.main import load_models, version_loader
from app.monitoring.metrics import Metrics
from app.registry.served_models import ServedModels
from app.settings import Settings
from tests.api.bodies import body
from tests.api.stub_apis import BuggyRanker, api_with

DETAIL = "nobody's business but ours"


def test_a_draining_service_is_alive_but_not_ready(model_store: Path) -> None:
    settings, metrics = Settings(model_store=model_store), Metrics()
    models = load_models(settings, version_loader(settings, metrics))
    api = api_with(BuggyRanker(DETAIL), models, metrics)
    before = ask(api, "GET", "/health/ready")

    models.stop()

    live, ready = ask(api, "GET", "/health/live"), ask(api, "GET", "/health/ready")
    assert before.status_code == live.status_code == 200
    assert ready.status_code == 503
    assert ready.headers["content-type"] == "application/problem+json"
    assert ready.json()["title"] == "Not ready"


def test_a_service_without_models_is_not_ready() -> None:
    api = api_with(BuggyRanker(DETAIL), ServedModels({}, default=None), Metrics())

    assert ask(api, "GET", "/health/ready").status_code == 503


def test_a_bug_is_a_500_that_reveals_nothing(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    api = api_with(BuggyRanker(DETAIL), ServedModels({}, default=None), metrics)

    answer = ask(api, "POST", "/v1/rank", json=body())

    labels = {"route": "/v1/rank", "status": "500"}
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert DETAIL not in answer.text
    assert DETAIL in caplog.text
    assert metrics.registry.get_sample_value("ctr_requests_total", labels) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_bug_behind_any_route_is_a_500_with_a_request_id(method: str) -> None:
    metrics = Metrics()
    api = api_with(BuggyRanker(DETAIL), ServedModels({}, default=None), metrics)
    metrics.registry.register(BuggyCollector())

    answer = ask(api, method, "/metrics")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.headers["x-request-id"]) == 32


class BuggyCollector(Collector):
    """A metric that cannot be read."""

    def collect(self) -> NoReturn:
        raise RuntimeError(DETAIL)


def ask(api: FastAPI, method: str, path: str, *, json: object = None) -> httpx.Response:
    async def exchange() -> httpx.Response:
        transport = httpx.ASGITransport(api, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, json=json)

    return asyncio.run(exchange())
