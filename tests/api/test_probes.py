"""What orchestrators and Prometheus ask of a running service."""

import logging

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.api.bodies import body
from tests.api.raw_http import exchange, parse
from tests.eventually import eventually
from tests.serving import RunningService

OPENMETRICS = "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"
STAGES = {"parse", "features", "queue", "encode", "compute", "render"}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_a_running_service_is_alive_and_ready(service: RunningService, path: str) -> None:
    answer = service.client.get(path)

    assert answer.status_code == 200
    assert answer.json() == {"status": path.removeprefix("/health/")}


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/metrics", "/v1/models", "/v1/models/tiny"]
)
def test_head_is_answered_as_get_without_the_body(service: RunningService, path: str) -> None:
    sent = f"HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"
    last = "GET /health/live HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"

    received = exchange(service, (sent + last).encode())

    head, _, rest = received.partition(b"\r\n\r\n")
    answer = parse(head + b"\r\n\r\n")
    assert answer.status == 200
    assert int(answer.headers["content-length"]) > 0
    assert answer.headers["content-type"] == service.client.get(path).headers["content-type"]
    assert rest.startswith(b"HTTP/1.1 200 ")  # the connection is still in step
    assert rest.endswith(b'{"status":"live"}')


def test_the_log_says_that_it_was_head(
    service: RunningService, caplog: pytest.LogCaptureFixture
) -> None:
    def methods() -> list[str]:
        lines = [line for line in caplog.records if getattr(line, "route", "") == "/v1/models"]
        return [vars(line)["method"] for line in lines]

    with caplog.at_level(logging.INFO, "app.request"):
        service.client.head("/v1/models")
        service.client.get("/v1/models")
        eventually(lambda: len(methods()) == 2)  # a line is written once its answer has left

    assert methods() == ["HEAD", "GET"]


def test_head_where_there_is_nothing_to_get_is_refused_as_get_is(service: RunningService) -> None:
    statuses = {
        path: service.client.head(path).status_code
        for path in ("/v1/rank", "/v1/models/nope", "/x")
    }

    assert statuses == {"/v1/rank": 405, "/v1/models/nope": 404, "/x": 404}


def test_metrics_parse_as_prometheus_text(service: RunningService) -> None:
    service.ranking(body())

    answer = service.client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in parse_text(answer.text)}
    assert families["ctr_requests"].type == "counter"
    assert families["ctr_request_duration_seconds"].type == "histogram"


def test_metrics_parse_as_openmetrics_when_asked(service: RunningService) -> None:
    service.ranking(body())

    answer = service.client.get("/metrics", headers={"accept": OPENMETRICS})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert "ctr_requests" in {family.name for family in parse_openmetrics(answer.text)}


def test_one_request_shows_in_every_stage(service: RunningService) -> None:
    before = {stage: observations(service, stage) for stage in STAGES}

    service.ranking(body())

    assert {stage: observations(service, stage) - 1 for stage in STAGES} == before


def test_openmetrics_lead_from_a_latency_to_a_request(service: RunningService) -> None:
    service.rank(body(), x_request_id="find-me")

    text = service.client.get("/metrics", headers={"accept": OPENMETRICS}).text

    exemplars = [
        sample.exemplar.labels
        for family in parse_openmetrics(text)
        for sample in family.samples
        if sample.labels.get("route") == "/v1/rank" and sample.exemplar is not None
    ]
    assert {"request_id": "find-me"} in exemplars


@pytest.mark.parametrize("request_id", ["x" * 128, 'a"b', 'a"}', "a\\", "a,b=c", "{a}", "#a"])
def test_a_request_id_that_is_no_exemplar_harms_nothing(
    service: RunningService, request_id: str
) -> None:
    answer = service.rank(body(), x_request_id=request_id)

    scraped = service.client.get("/metrics", headers={"accept": OPENMETRICS})
    assert answer.status_code == scraped.status_code == 200
    assert list(parse_openmetrics(scraped.text))


@pytest.mark.parametrize(
    "name",
    [
        *("process_resident_memory_bytes", "process_open_fds", "python_info"),
        *("ctr_model_info", "ctr_batch_jobs_count", "ctr_request_candidates_sum"),
    ],
)
def test_the_process_and_its_models_are_measured(service: RunningService, name: str) -> None:
    service.ranking(body())

    assert service.metric(name) > 0


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/v1/models/tiny", "/v1/models/{name}", "200"),
        ("GET", "/v1/models/nope", "/v1/models/{name}", "404"),
        ("POST", "/v1/rank", "/v1/rank", "400"),
        ("GET", "/v1/rank", "/v1/rank", "405"),
        ("GET", "/whatever/4711", "unmatched", "404"),
        ("GET", "/health/live", "/health/live", "200"),
    ],
)
def test_requests_are_counted_by_route_template_and_status(
    service: RunningService, method: str, path: str, route: str, status: str
) -> None:
    before = service.metric("ctr_requests_total", route=route, status=status)

    service.client.request(method, path)

    assert service.metric("ctr_requests_total", route=route, status=status) == before + 1


def observations(service: RunningService, stage: str) -> float:
    return service.metric("ctr_stage_duration_seconds_count", stage=stage)
