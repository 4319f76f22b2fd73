"""Bodies that do not arrive as announced: too long, too slow, cut off or framed wrongly."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.bodies import body
from tests.api.raw_http import LAST_CHUNK, RawAnswer, chunked, exchange, parse, post, read_to_end
from tests.serving import RunningService, patient, serving

VALID = json.dumps(body()).encode()
MAX_BODY_BYTES = 4096
TOO_LONG = MAX_BODY_BYTES + 1
CHUNKED = "Transfer-Encoding: chunked"
# What Java's HttpClient sends with every first request, unless it is told not to.
H2C = ("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAEAAEAA", "Upgrade: h2c")


def length(count: int) -> str:
    return f"Content-Length: {count}"


@pytest.fixture(scope="module")
def strict(model_store: Path, redis_server: str) -> Iterator[RunningService]:
    """Reads short bodies only, and not for long."""
    settings = patient(model_store=model_store, max_body_bytes=MAX_BODY_BYTES, body_timeout_s=0.05)
    with serving(settings, redis_server) as running:
        yield running


@pytest.mark.parametrize(
    "sent",
    [
        post(VALID, length(len(VALID))),
        post(VALID, length(len(VALID)), version="1.0"),
        post(VALID, length(len(VALID)), "Expect: 100-continue"),
        post(VALID, length(len(VALID)), "Upgrade: h2c"),
        post(VALID, length(len(VALID)), *H2C),
        post(chunked(VALID) + LAST_CHUNK, CHUNKED, *H2C),
        post(VALID, length(len(VALID)), "Content-Type: text/plain"),
        post(chunked(VALID) + LAST_CHUNK, CHUNKED),
        post(chunked(*(VALID[i : i + 1] for i in range(len(VALID)))) + LAST_CHUNK, CHUNKED),
        post(VALID + b" " * (MAX_BODY_BYTES - len(VALID)), length(MAX_BODY_BYTES)),
    ],
    ids=[
        *("length", "http 1.0", "expect", "upgrade", "h2c", "h2c chunk", "text", "chunk"),
        *("tiny chunks", "longest"),
    ],
)
def test_a_body_may_arrive_in_any_correct_way(strict: RunningService, sent: bytes) -> None:
    received = exchange(strict, sent)

    answer = parse(received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"))
    assert answer.status == 200
    assert len(json.loads(answer.content)["ranked"]) == 5


def test_requests_that_ask_for_another_protocol_are_answered_in_turn(
    strict: RunningService,
) -> None:
    last = post(VALID, length(len(VALID)), *H2C)
    request = last.replace(b"Connection: close\r\n", b"")

    received = exchange(strict, request * 19 + last)

    assert received.count(b"HTTP/1.1 200 OK") == 20


def test_a_request_that_asks_for_another_protocol_may_come_byte_by_byte(
    strict: RunningService,
) -> None:
    sent = post(VALID, length(len(VALID)), *H2C)

    with strict.connect() as connection:
        for byte in sent:
            connection.sendall(bytes([byte]))
        answer = parse(read_to_end(connection))

    assert answer.status == 200


@pytest.mark.parametrize("target", ["/v1/rank", "http://us/v1/rank", "us:443", "*"])
def test_a_tunnel_is_refused_and_what_is_sent_into_it_is_not_read(
    strict: RunningService, target: str
) -> None:
    tunnel = f"CONNECT {target} HTTP/1.1\r\nHost: us\r\n\r\n".encode()

    received = exchange(strict, tunnel + post(VALID, length(len(VALID))))

    assert parse(received).status in {400, 404, 405}
    assert parse(received).headers["connection"] == "close"
    assert received.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"what is this\r\n\r\n", 400),
        (post(b"{}", "Content-Length: 2", "Content-Length: 3"), 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 600_000, 431),
    ],
    ids=["no http", "two lengths", "too large"],
)
def test_what_never_becomes_a_request_is_answered_with_a_problem_too(
    strict: RunningService, sent: bytes, status: int
) -> None:
    answer = parse(exchange(strict, sent))

    problem = json.loads(answer.content)
    assert (answer.status, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem.keys() == {"type", "title", "status", "detail", "request_id"}
    assert answer.headers["x-request-id"] == problem["request_id"]


def test_a_head_that_never_ends_is_hung_up_on(strict: RunningService) -> None:
    line = b"X-Filler: " + b"x" * 1000 + b"\r\n"
    received = exchange(strict, b"POST /v1/rank HTTP/1.1\r\nHost: us\r\n" + line * 2000)

    assert received.startswith(b"HTTP/1.1 431 ")
    assert strict.client.get("/health/live").status_code == 200


def test_a_head_of_ordinary_size_is_read_on_one_connection_as_often_as_it_comes(
    strict: RunningService,
) -> None:
    filler = "X-Filler: " + "x" * 8000
    last = post(VALID, length(len(VALID)), filler)
    request = last.replace(b"Connection: close\r\n", b"")

    received = exchange(strict, request * 19 + last)

    assert received.count(b"HTTP/1.1 200 OK") == 20


def test_a_length_shorter_than_the_body_cuts_it(strict: RunningService) -> None:
    answer = parse(exchange(strict, post(VALID, length(len(VALID) - 1))))

    assert_problem(answer, 400, "Invalid JSON")


@pytest.mark.parametrize(
    "sent",
    [
        post(VALID, length(len(VALID) + 1)),
        post(b"", length(10)),
        post(chunked(VALID), CHUNKED),
        post(b"", CHUNKED),
    ],
    ids=["length too long", "nothing", "no last chunk", "no chunk"],
)
def test_a_body_that_does_not_end_is_refused_in_time(strict: RunningService, sent: bytes) -> None:
    answer = parse(exchange(strict, sent))

    assert_problem(answer, 400, "arrived within 0.05 s")


@pytest.mark.parametrize(
    "sent",
    [
        post(b"", length(TOO_LONG)),
        post(b"", length(2**63)),
        post(b"", length(TOO_LONG), "Expect: 100-continue"),
    ],
    ids=["a little", "astronomic", "expect"],
)
def test_a_body_announced_too_large_is_refused_unread(strict: RunningService, sent: bytes) -> None:
    received = exchange(strict, sent)

    assert received.startswith(b"HTTP/1.1 413")  # and not 100 Continue
    assert_problem(parse(received), 413, "larger than 4096 bytes")


@pytest.mark.parametrize(
    "sent",
    [
        post(b" " * TOO_LONG, length(TOO_LONG)),
        post(chunked(b" " * TOO_LONG), CHUNKED),
        post(chunked(*[b" " * 64] * 65), CHUNKED),
    ],
    ids=["length", "one chunk", "many chunks"],
)
def test_a_body_that_grows_too_large_is_refused(strict: RunningService, sent: bytes) -> None:
    answer = parse(exchange(strict, sent))

    assert_problem(answer, 413, "larger than 4096 bytes")


@pytest.mark.parametrize(
    "sent",
    [
        post(VALID, "Content-Length: many"),
        post(VALID, "Content-Length: -5"),
        post(VALID, "Content-Length: 1.5"),
        post(VALID, "Content-Length: 99999999999999999999999"),
        post(VALID, length(len(VALID)), length(3)),
        post(chunked(VALID) + LAST_CHUNK, CHUNKED, length(3)),
        post(b"zz\r\n" + VALID, CHUNKED),
        post(VALID, "Transfer-Encoding: gzip"),
        post(VALID, "Content Length: 5"),
        post(VALID, length(len(VALID)), version="9.9"),
        VALID,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=[
        *("text", "negative", "fraction", "overflow", "two lengths", "length and chunks"),
        *("chunk size", "encoding", "header name", "http 9.9", "no http", "tls"),
    ],
)
def test_what_is_not_http_is_refused_and_the_connection_closed(
    strict: RunningService, sent: bytes
) -> None:
    answer = parse(exchange(strict, sent))

    assert answer.status == 400
    assert answer.headers["connection"] == "close"


def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing_behind(
    service: RunningService,
) -> None:
    gone = service.metric("ctr_requests_total", route="/v1/rank", status="499")

    received = exchange(service, post(VALID[:20], length(len(VALID))), half_close=True)

    assert received == b""
    assert service.metric("ctr_requests_total", route="/v1/rank", status="499") == gone + 1
    assert service.metric("ctr_queue_jobs") == 0
    assert len(service.ranking(body())["ranked"]) == 5


def test_requests_may_be_sent_before_the_last_one_is_answered(strict: RunningService) -> None:
    kept_open = post(VALID, length(len(VALID)), "X-Request-Id: first").replace(b"close", b"open")
    last = post(VALID, length(len(VALID)), "X-Request-Id: second")

    received = exchange(strict, kept_open + last)

    assert received.count(b"HTTP/1.1 200") == 2
    assert received.index(b'"request_id":"first"') < received.index(b'"request_id":"second"')


def test_a_refused_body_does_not_become_the_next_request(strict: RunningService) -> None:
    smuggled = b"GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n"
    padded = smuggled + b" " * (TOO_LONG - len(smuggled))
    first = post(padded, length(TOO_LONG)).replace(b"Connection: close\r\n", b"")

    received = exchange(strict, first + post(VALID, length(len(VALID))))

    assert received.count(b"HTTP/1.1 413") == 1
    assert received.count(b"HTTP/1.1 200") == 1  # the ranking
    assert b'"live"' not in received


def assert_problem(answer: RawAnswer, status: int, detail: str) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.content)
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert detail in problem["detail"]
