"""Which id a request has, and how long it may take."""

import re

import httpx
import pytest

from app.core.deadline import STAGES
from tests.api.bodies import body
from tests.serving import RunningService

GENERATED = re.compile(r"[0-9a-f]{32}")
TINY_MS = 1e-6


@pytest.mark.parametrize("given", ["r", "req-1", 'any:printable/"thing"', "x" * 128], ids=ascii)
def test_a_printable_request_id_is_echoed(service: RunningService, given: str) -> None:
    answer = service.rank(body(), x_request_id=given)

    assert answer.headers["x-request-id"] == given
    assert answer.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "two words", "caf\xe9", "x" * 129, "tab\there"], ids=ascii)
def test_any_other_request_id_is_replaced(service: RunningService, given: str) -> None:
    raw = {"x-request-id": given.encode("latin-1")}

    answer = service.client.post("/v1/rank", json=body(), headers=raw)

    assert GENERATED.fullmatch(answer.json()["request_id"])
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


def test_requests_without_an_id_get_one_each(service: RunningService) -> None:
    first, second = service.ranking(body()), service.ranking(body())

    assert GENERATED.fullmatch(first["request_id"])
    assert first["request_id"] != second["request_id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("GET", "/v1/rank"), ("POST", "/v1/rank"), ("GET", "/v1/models/nope")],
)
def test_every_error_carries_the_request_id(
    service: RunningService, method: str, path: str
) -> None:
    answer = service.client.request(method, path, headers={"x-request-id": "mine"})

    assert answer.status_code in {400, 404, 405}
    assert answer.headers["x-request-id"] == "mine"
    assert answer.json()["request_id"] == "mine"


@pytest.mark.parametrize(
    ("field", "header"), [(TINY_MS, None), (None, "1e-6"), (TINY_MS, "9000")], ids=str
)
def test_a_request_past_its_deadline_gets_a_504(
    service: RunningService, field: float | None, header: str | None
) -> None:
    headers = {} if header is None else {"x-deadline-ms": header}

    answer = service.rank(body(deadline_ms=field), **headers)

    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Deadline exceeded"


@pytest.mark.parametrize(
    ("field", "header"), [(5000, None), (None, "5000"), (1e308, None), (5000, "1e-6")], ids=str
)
def test_a_request_within_its_deadline_is_answered(
    service: RunningService, field: float | None, header: str | None
) -> None:
    headers = {} if header is None else {"x-deadline-ms": header}

    answer = service.rank(body(deadline_ms=field), **headers)

    assert answer.status_code == 200


@pytest.mark.parametrize("header", ["", "soon", "0", "-5", "nan", "inf", "-inf", "1,5", "0x10"])
def test_a_deadline_header_that_is_no_positive_number_is_named(
    service: RunningService, header: str
) -> None:
    answer = service.rank(body(), x_deadline_ms=header)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["x-deadline-ms"]


def test_server_timing_tells_where_the_time_went(service: RunningService) -> None:
    answer = service.rank(body())

    assert stages_of(answer) == [*STAGES, "total"]


def stages_of(answer: httpx.Response) -> list[str]:
    entries = answer.headers["server-timing"].split(", ")
    assert all(re.fullmatch(r"[a-z]+;dur=\d+\.\d{3}", entry) for entry in entries)
    return [entry.partition(";")[0] for entry in entries]
