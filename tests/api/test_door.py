"""Who is refused at the door is told so before anything is read, and the connection stays good."""

import json
import socket
import time
from collections.abc import Iterator
from typing import NoReturn

import pytest

from app.core.deadline import Deadline
from app.errors import EngineFailed
from app.inference.admission import Admission, Ticket
from app.monitoring.metrics import Metrics
from app.ranking.ranker import Ranker
from app.settings import Settings
from tests.api.bodies import body
from tests.api.raw_http import RawAnswer, parse
from tests.api.stub_apis import api_with
from tests.api.test_hanging_up import AlwaysReady
from tests.serving import START_TIMEOUT_S, RunningService, serving_api

VALID = json.dumps(body()).encode()
BUSY_S = 60.0


class FailingRanker(Ranker):
    """Whoever gets as far as this gets a 503, which no door gives."""

    def __init__(self) -> None:
        pass

    async def rank(self, *_: object) -> NoReturn:
        raise EngineFailed("as this test wants it")


@pytest.fixture
def admission() -> Admission:
    return Admission(threads=1)


@pytest.fixture
def service(admission: Admission) -> Iterator[RunningService]:
    api = api_with(FailingRanker(), AlwaysReady({}, default=None), Metrics(), admission)
    with serving_api(api, Settings()) as running:
        yield running


def fill(admission: Admission) -> Ticket:
    """More work is due before any request than can be done in time."""
    return admission.enter("low", Deadline.after(0.0), BUSY_S)


def head(*headers: str, length: int = len(VALID)) -> bytes:
    lines = ["POST /v1/rank HTTP/1.1", "Host: test", f"Content-Length: {length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def answer_on(connection: socket.socket) -> RawAnswer:
    """The next answer, on a connection that stays open."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(2**16)
    answer = parse(received)
    while len(answer.content) < int(answer.headers["content-length"]):
        received += connection.recv(2**16)
        answer = parse(received)
    return answer


def test_a_refusal_says_why_and_when_to_come_back(service, admission):
    fill(admission)

    answer = service.client.post("/v1/rank", json=body(), headers={"x-request-id": "mine"})

    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) == BUSY_S
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["server-timing"].startswith("total;dur=")
    problem = answer.json()
    assert (problem["type"], problem["status"]) == ("urn:ctr-serve:overloaded", 429)
    assert problem["request_id"] == "mine"
    assert "60.000 s of work are ahead" in problem["detail"]


def test_the_body_of_a_refused_request_is_passed_over(service, admission):
    ticket = fill(admission)
    with service.connect() as connection:
        connection.sendall(head())
        refused = answer_on(connection)
        connection.sendall(VALID)
        admission.leave(ticket, computed=False)

        connection.sendall(head() + VALID)
        after = answer_on(connection)

    assert (refused.status, after.status) == (429, 503)


def test_a_client_that_wants_to_leave_is_let_go(service, admission):
    fill(admission)
    with service.connect() as connection:
        connection.sendall(head("Connection: close") + VALID)

        answer = answer_on(connection)

        assert answer.headers["connection"] == "close"
        assert connection.recv(1) == b""


def test_a_request_pipelined_behind_another_is_refused_as_well(service, admission):
    with service.connect() as connection:
        fill(admission)
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n" + head() + VALID)

        first, second = answer_on(connection), None
        rest = first.content[int(first.headers["content-length"]) :]
        second = parse(rest) if rest else answer_on(connection)

    assert (first.status, second.status) == (200, 429)


def test_refusals_are_counted_like_every_answer(service, admission):
    fill(admission)
    for _ in range(3):
        service.rank(body())

    assert service.metric("ctr_requests_total", route="/v1/rank", status="429") == 3
    assert service.metric("ctr_request_duration_seconds_count", route="/v1/rank") == 3
    assert service.metric("ctr_shed_total", reason="overloaded") == 3
    assert service.metric("ctr_admissions_total", priority="normal", outcome="refused") == 3


def test_the_important_come_in_where_others_are_refused(service, admission):
    admission.enter("low", Deadline.after(0.0), 0.55)

    statuses = [
        service.rank(body(), x_priority=priority, x_deadline_ms="1000").status_code
        for priority in ("low", "high")
    ]

    assert statuses == [429, 503]


@pytest.mark.parametrize("priority", ["", "urgent", "HIGH", "\xe9"])
def test_a_priority_that_there_is_not_is_an_error(service, priority):
    raw = {"x-priority": priority.encode("latin-1")}

    answer = service.client.post("/v1/rank", json=body(), headers=raw)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "x-priority", "message": "must be one of high, normal, low"}
    ]


def test_however_a_request_ends_it_is_not_in_any_more(service, admission):
    endings = [
        service.rank(body()).status_code,
        service.client.post("/v1/rank", content=b"{").status_code,
        service.client.post("/v1/rank", content=b"[" * 2**21).status_code,
    ]
    with service.connect() as connection:
        connection.sendall(head(length=100) + b"{")

    assert endings == [503, 400, 413]
    give_up_s = time.monotonic() + START_TIMEOUT_S  # until it has noticed that the last one left
    while not service.metric("ctr_requests_total", status="499") and time.monotonic() < give_up_s:
        pass
    assert admission.in_flight == 0


@pytest.mark.parametrize("path", ["/v1/rank?trace=1", "/v1/%72ank", "/v1/rank#top"])
def test_there_is_one_door_however_its_path_is_written(service, admission, path):
    fill(admission)
    request = head().replace(b"/v1/rank", path.encode(), 1) + VALID

    with service.connect() as connection:
        connection.sendall(request)
        answer = answer_on(connection)

    assert answer.status == 429
    assert service.metric("ctr_admissions_total", outcome="refused") == 1


@pytest.mark.parametrize(("priorities", "status"), [("low high", 429), ("high low", 503)])
def test_of_two_headers_of_a_name_the_first_counts_at_the_door_too(
    service, admission, priorities, status
):
    admission.enter("low", Deadline.after(0.0), 0.55)
    named = [f"X-Priority: {priority}" for priority in priorities.split()]

    with service.connect() as connection:
        connection.sendall(head(*named, "X-Deadline-Ms: 1000", "X-Deadline-Ms: nonsense") + VALID)
        answer = answer_on(connection)

    assert answer.status == status
