"""What a real process writes: a JSON line per request, and nothing personal or secret."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.bodies import body
from tests.serving import ServiceProcess, service_process

PASSWORD = "hunter2"  # noqa: S105 - nobody's
SENTINEL_PASSWORD = "hunter3"  # noqa: S105 - nobody's
USER = "somebody@example.com"
STAGES = {"parse", "features", "queue", "encode", "compute", "render"}


@pytest.fixture(scope="module")
def ended(model_store: Path) -> Iterator[ServiceProcess]:
    """A service whose Redis was away, after one request of each kind."""
    settings = {
        "CTR_MODEL_STORE": str(model_store),
        "CTR_REDIS_URL": f"redis://reader:{PASSWORD}@127.0.0.1:1/0",
        "CTR_REDIS_SENTINEL_PASSWORD": SENTINEL_PASSWORD,
        "CTR_REDIS_PASSWORT": PASSWORD,  # a typing error
    }
    with service_process(settings) as running:
        service = running.service
        service.rank(body(user_id=USER), x_request_id="ranked")
        service.rank(body(user_id=USER, top_k=0), x_request_id="refused")
        service.rank(body(user_id=USER, deadline_ms=1e-6), x_request_id="late")
        for _ in range(5):
            service.rank(body(user_id=USER))
        service.client.get(f"/{USER}", headers={"x-request-id": "lost"})
        for path in ("/health/live", "/health/ready", "/metrics"):
            service.client.get(path)
        assert running.stop() == 0
        yield running


def test_a_ranking_is_one_line_with_everything_that_matters(ended: ServiceProcess) -> None:
    (line,) = lines_of(ended, "ranked")

    assert line["level"] == "INFO"
    assert line["message"] == "request"
    assert (line["method"], line["route"], line["status"]) == ("POST", "/v1/rank", 200)
    assert line["model"] == "tiny@1"
    assert line["stages_ms"].keys() == STAGES
    assert line["duration_ms"] > 0
    assert (line["candidates"], line["behaviors"], line["unknown_items"]) == (5, 0, 0)
    assert line["degraded"] == "no_history"
    assert line["batch_jobs"] == 1


@pytest.mark.parametrize(
    ("request_id", "route", "status", "error"),
    [
        ("refused", "/v1/rank", 422, "invalid-request"),
        ("late", "/v1/rank", 504, "deadline-exceeded"),
        ("lost", "unmatched", 404, None),
    ],
)
def test_a_refusal_is_one_line_too(
    ended: ServiceProcess, request_id: str, route: str, status: int, error: str | None
) -> None:
    (line,) = lines_of(ended, request_id)

    assert (line["route"], line["status"], line.get("error")) == (route, status, error)


def test_probes_and_scrapes_are_not_logged(ended: ServiceProcess) -> None:
    routes = {line["route"] for line in ended.log if line["message"] == "request"}

    assert routes == {"/v1/rank", "unmatched"}


def test_a_redis_that_is_away_is_said_once_at_the_start_and_once_when_it_is_given_up(
    ended: ServiceProcess,
) -> None:
    at_the_start, given_up = (line for line in ended.log if "Redis" in line["message"])

    assert at_the_start["level"] == given_up["level"] == "WARNING"
    assert at_the_start["reason"] == "unreachable"
    assert given_up["node"] == "127.0.0.1:1"


def test_a_start_says_how_each_model_is_run(ended: ServiceProcess) -> None:
    (line,) = (line for line in ended.log if line["message"] == "serving a model")

    assert line["model"] == "tiny@1"
    assert line["runtime"] in ("fused", "reference")
    assert line["runtime_detail"]
    assert line["device"]
    assert line["engine_threads"] >= 1


def test_a_variable_that_is_no_setting_is_said_by_name(ended: ServiceProcess) -> None:
    assert [line["variable"] for line in ended.log if "variable" in line] == ["CTR_REDIS_PASSWORT"]


@pytest.mark.parametrize("private", [PASSWORD, SENTINEL_PASSWORD, USER])
def test_nothing_private_is_logged(ended: ServiceProcess, private: str) -> None:
    everything = json.dumps(ended.log)

    assert lines_of(ended, "ranked")
    assert private not in everything


def lines_of(ended: ServiceProcess, request_id: str) -> list[dict[str, object]]:
    return [line for line in ended.log if line.get("request_id") == request_id]
