"""The OpenAPI document is true: what it says is accepted, what it does not say never comes."""

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.serving import RunningService

ROUTES = {
    "POST /v1/rank",
    "GET /v1/models",
    "GET /v1/models/{name}",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
}
CONFIG = {
    "seed": 1,
    "continue-on-failure": True,
    "generation": {"max-examples": 100, "deterministic": True, "no-shrink": True},
    "checks": {
        # A generated deadline may well be a nanosecond.
        "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "504"]},
        # JSON Schema cannot say that ads are distinct and that ecpm needs bids.
        "positive_data_acceptance": {"enabled": False},
    },
}


def test_every_documented_route_keeps_to_the_document(service: RunningService) -> None:
    schema = schemathesis.openapi.from_url(
        f"{service.url}/openapi.json", config=SchemathesisConfig.from_dict(CONFIG)
    )

    seen = list(from_schema(schema).execute())

    tested = {event.recorder.label for event in seen if isinstance(event, events.ScenarioFinished)}
    problems = [event for event in seen if isinstance(event, events.NonFatalError)]
    (finished,) = (event for event in seen if isinstance(event, events.EngineFinished))
    assert [f"{failure.operation}: {failure.message}" for failure in finished.failures] == []
    assert problems == []
    assert tested >= ROUTES


def test_every_route_is_documented(service: RunningService) -> None:
    document = service.client.get("/openapi.json").json()

    documented = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert documented >= ROUTES


@pytest.mark.parametrize("status", ["400", "404", "413", "422", "429", "503", "504"])
def test_every_refusal_of_a_ranking_is_documented_as_a_problem(
    service: RunningService, status: str
) -> None:
    document = service.client.get("/openapi.json").json()

    responses = document["paths"]["/v1/rank"]["post"]["responses"]
    schema = responses[status]["content"]["application/problem+json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "Problem" in document["components"]["schemas"]


def test_a_ranking_is_documented_with_its_headers_and_bodies(service: RunningService) -> None:
    document = service.client.get("/openapi.json").json()

    operation = document["paths"]["/v1/rank"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    names = [parameter["name"] for parameter in operation["parameters"]]
    assert names == ["X-Deadline-Ms", "X-Priority"]
    assert body == {"$ref": "#/components/schemas/RankBody"}
    assert answer == {"$ref": "#/components/schemas/RankAnswer"}
