"""Every body that cannot be accepted: which status, and which field the problem names."""

import gzip
import json
from typing import Any

import httpx
import pytest

from tests.api.bodies import BEHAVIORS, ad, ads, body, wire_behaviors
from tests.serving import RunningService

BEHAVIOR = wire_behaviors(BEHAVIORS)[0]
MALFORMED, INVALID = 400, 422
WRONG_TYPES: dict[str, list[Any]] = {
    "user_id": [None, 1, 1.5, True, [], {}, ["user-1"]],
    "candidates": [None, 1, "ads", True, {}, ad(1)],
    "context": [None, 1, "phone", True, [], [["device", "phone"]]],
    "profile": [1, "30", True, []],
    "behaviors": [1, "item-1", True, {}],
    "top_k": ["3", 1.5, True, [], {}],
    "rank_by": [None, 1, True, [], "CTR", "price", ""],
    "explain": [None, "1", 1.5, True, [], {}],
    "deadline_ms": ["50", True, [], {}],
    "model": [1, True, [], {}],
}
OUT_OF_RANGE: dict[str, list[Any]] = {
    "user_id": ["", "x" * 257, "x" * 1_000_000],
    "candidates": [[], ads(1001)],
    "behaviors": [[BEHAVIOR] * 1001],
    "context": [{f"field-{number}": 1 for number in range(65)}],
    "profile": [{f"field-{number}": 1 for number in range(65)}],
    "top_k": [0, -1, -(10**30)],
    "explain": [-1, 1001, 10**30],
    "deadline_ms": [0, -1, -1e-9],
    "model": ["", "x" * 130],
}
BAD_LISTS: list[Any] = [
    *([None], ["1"], [True], [[1]], [{}], [1, None], [10**400], [0.5, -(10**400)]),
    *([1] * 65, [1] * 100_000),
]
BAD_CANDIDATE: dict[str, list[Any]] = {
    "ad_id": [None, "", 1, True, [], {}, "x" * 257],
    "item_id": ["", 1, True, [], "x" * 257],
    "category_id": ["", 1, True, [], "x" * 257],
    "bid": [-0.01, -1, 1e10, 1e300, 10**400, "0.5", True, [], {}],
    "price": [True, [], {}, "x" * 257, 10**400, *BAD_LISTS],
    "x" * 300: [[]],
}
BAD_BEHAVIOR: dict[str, list[Any]] = {
    "item_id": [None, "", 1, [], "x" * 257],
    "category_id": [None, "", 1, [], "x" * 257],
    "timestamp": [None, -1, 2**32, 10**400, 1.5, "100", True, []],
    "color": ["red"],
}
NOT_NUMBERS = ["NaN", "Infinity", "-Infinity"]
NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "blank": b"  \n",
    "text": b"hello",
    "form": b"user_id=user-1",
    "single quotes": b"{'user_id': 'user-1'}",
    "trailing comma": b'{"user_id": "user-1",}',
    "two documents": json.dumps(body()).encode() * 2,
    "truncated": json.dumps(body()).encode()[:-1],
    "cut in a string": b'{"user_id": "user',
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(body()).encode(),
    "utf-16": json.dumps(body()).encode("utf-16"),
    "utf-8 cut short": b'{"user_id": "\xc3", "candidates": []}',
    "not utf-8": b'{"user_id": "\xff\xfe", "candidates": []}',
    "surrogates as utf-8": b'{"user_id": "\xed\xa0\x80", "candidates": []}',
    "lone high surrogate": b'{"user_id": "\\ud800", "candidates": []}',
    "lone low surrogate": b'{"user_id": "\\udc00", "candidates": []}',
    "raw control character": b'{"user_id": "a\x00b", "candidates": []}',
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "nested arrays": b"[" * 100_000,
    "nested objects": b'{"a":' * 100_000,
    "nested inside a field": b'{"user_id": "u", "context": {"a": ' + b"[" * 100_000,
    "nested and closed": b'{"user_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "endless number": b'{"top_k": 1' + b"0" * 10_000 + b"}",
}
NOT_OBJECTS = [None, True, 1, "body", [], [body()]]


def short(value: object) -> str:
    """A test id, even for a megabyte."""
    text = ascii(value)
    return text if len(text) < 30 else f"{text[:12]}...{len(text)}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for table in (WRONG_TYPES, OUT_OF_RANGE)
        for field, values in table.items()
        for value in values
    ],
    ids=short,
)
def test_a_wrong_field_is_named(service: RunningService, field: str, value: object) -> None:
    answer = service.rank(body(**{field: value}))

    assert_names(answer, field)


def test_more_lists_than_any_request_needs_are_refused_before_they_are_made(
    service: RunningService,
) -> None:
    ads = b'"candidates": [{"ad_id": "1"}]'
    sent = b'{"user_id": "u", "context": {"a": [' + b"[]," * 2**17 + b"[]]}, " + ads + b"}"

    assert_names(service.client.post("/v1/rank", content=sent), "body")


@pytest.mark.parametrize("field", ["user_id", "candidates"])
def test_a_missing_field_is_named(service: RunningService, field: str) -> None:
    without = {name: value for name, value in body().items() if name != field}

    answer = service.rank(without)

    assert_names(answer, field)


@pytest.mark.parametrize("field", ["user", "topk", "", "__class__", "x" * 300, "a.b"], ids=short)
def test_an_unknown_field_is_named(service: RunningService, field: str) -> None:
    answer = service.rank(body(**{field: 1}))

    assert_names(answer, field[:200] or "body")


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in BAD_CANDIDATE.items() for value in values],
    ids=short,
)
def test_a_wrong_field_of_a_candidate_is_named_with_its_index(
    service: RunningService, field: str, value: object
) -> None:
    answer = service.rank(body(candidates=[*ads(2), {**ad(2), field: value}]))

    assert_names(answer, f"candidates.2.{field}"[:200])


@pytest.mark.parametrize("candidate", [None, 1, "ad-1", [], True])
def test_a_candidate_that_is_no_object_is_named_with_its_index(
    service: RunningService, candidate: object
) -> None:
    answer = service.rank(body(candidates=[ad(0), candidate]))

    assert_names(answer, "candidates.1")


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in BAD_BEHAVIOR.items() for value in values],
    ids=short,
)
def test_a_wrong_field_of_a_behavior_is_named_with_its_index(
    service: RunningService, field: str, value: object
) -> None:
    answer = service.rank(body(behaviors=[BEHAVIOR, {**BEHAVIOR, field: value}]))

    assert_names(answer, f"behaviors.1.{field}")


@pytest.mark.parametrize("fields", ["context", "profile"])
@pytest.mark.parametrize("value", [True, [], {}, "x" * 257, 10**400, *BAD_LISTS], ids=short)
def test_a_side_field_that_is_neither_a_scalar_nor_numbers_is_named(
    service: RunningService, fields: str, value: object
) -> None:
    answer = service.rank(body(**{fields: {"device": value}}))

    assert_names(answer, f"{fields}.device")


@pytest.mark.parametrize("number", NOT_NUMBERS)
@pytest.mark.parametrize(
    ("template", "field"),
    [
        ('{"user_id": %s, "candidates": [{"ad_id": "a"}]}', "user_id"),
        ('{"user_id": "u", "candidates": [{"ad_id": "a", "bid": %s}]}', "candidates.0.bid"),
        ('{"user_id": "u", "candidates": [{"ad_id": "a", "price": %s}]}', "candidates.0.price"),
        ('{"user_id": "u", "candidates": [{"ad_id": "a"}], "deadline_ms": %s}', "deadline_ms"),
        ('{"user_id": "u", "candidates": [{"ad_id": "a"}], "top_k": %s}', "top_k"),
        ('{"user_id": "u", "candidates": [{"ad_id": "a"}], "profile": {"a": %s}}', "profile.a"),
        ('{"user_id": "u", "candidates": [{"ad_id": "a", "b": [1, %s]}]}', "candidates.0.b"),
        ('{"user_id": "u", "candidates": [{"ad_id": "a"}], "context": {"b": [%s]}}', "context.b"),
    ],
)
def test_what_is_not_a_number_is_named(
    service: RunningService, template: str, field: str, number: str
) -> None:
    answer = post(service, (template % number).encode())

    assert_names(answer, field)


def test_ads_of_the_same_id_are_named(service: RunningService) -> None:
    answer = service.rank(body(candidates=[ad(1), ad(2), ad(1), ad(2)]))

    assert_names(answer, "candidates.2.ad_id", "candidates.3.ad_id")


def test_ads_without_a_bid_cannot_be_ranked_by_ecpm(service: RunningService) -> None:
    answer = service.rank(body(candidates=[ad(1, bid=1.0), ad(2), ad(3)], rank_by="ecpm"))

    assert_names(answer, "candidates.1.bid", "candidates.2.bid")


def test_more_than_64_further_fields_are_refused(service: RunningService) -> None:
    accepted = [ad(0, **{f"further-{number}": number for number in range(64)})]
    refused = [*accepted, ad(1, one_more=1)]

    assert service.rank(body(candidates=accepted)).status_code == 200
    assert_names(service.rank(body(candidates=refused)), "candidates")


def test_more_than_512_numbers_in_lists_are_refused(service: RunningService) -> None:
    accepted = [ad(0, **{f"list-{number}": [number] * 64 for number in range(8)})]
    refused = [*accepted, ad(1, two_more=[1, 2])]

    assert service.rank(body(candidates=accepted)).status_code == 200
    assert_names(service.rank(body(candidates=refused)), "candidates")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"candidates": [ad(0, score=[1, 2]), ad(1, score_1=3)]}, "candidates.1.score_1"),
        ({"candidates": [ad(0, score=[1, 2], score_0=None)]}, "candidates.0.score_0"),
        ({"context": {"score": [1, 2], "score_0": "x"}}, "context.score_0"),
        ({"profile": {"score_0": 1, "score": [1, 2]}}, "profile.score_0"),
    ],
    ids=["across candidates", "in a candidate", "context", "profile"],
)
def test_a_name_that_a_number_of_a_list_has_too_is_named(
    service: RunningService, fields: dict[str, Any], named: str
) -> None:
    assert_names(service.rank(body(**fields)), named)


def test_a_problem_names_a_few_fields_however_many_are_wrong(service: RunningService) -> None:
    answer = service.rank(body(candidates=[{}] * 1000))

    assert_names(answer, *(f"candidates.{index}.ad_id" for index in range(20)))


def test_a_body_full_of_wrong_fields_is_refused_without_naming_them(
    service: RunningService,
) -> None:
    answer = service.rank(body(**{f"field-{number}": 1 for number in range(10_001)}))

    assert_names(answer, "body")


@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_malformed(service: RunningService, content: bytes) -> None:
    answer = post(service, content)

    assert_problem(answer, MALFORMED)
    assert answer.json()["detail"].startswith("Invalid JSON")


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "nonsense"])
def test_a_compressed_body_is_not_unpacked_however_large_it_would_be(
    service: RunningService, coding: str
) -> None:
    bomb = gzip.compress(json.dumps(body()).encode() + b" " * 2**26)

    answer = service.client.post("/v1/rank", content=bomb, headers={"content-encoding": coding})

    assert_problem(answer, MALFORMED)
    assert answer.json()["detail"].startswith("Invalid JSON")


@pytest.mark.parametrize("document", NOT_OBJECTS, ids=short)
def test_json_that_is_no_object_is_invalid(service: RunningService, document: object) -> None:
    answer = post(service, json.dumps(document).encode())

    assert_names(answer, "body")


def test_the_last_of_two_equal_keys_counts(service: RunningService) -> None:
    answer = post(service, b'{"user_id": 1, "user_id": "u", "candidates": [{"ad_id": "a"}]}')

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/rank", 405),
        ("PUT", "/v1/rank", 405),
        ("DELETE", "/v1/rank", 405),
        ("OPTIONS", "/v1/rank", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/health/live", 405),
        ("GET", "/v1", 404),
        ("GET", "/v1/ranks", 404),
        ("POST", "/v1/rank/", 404),  # no redirect: it would lose the deadline
        ("POST", "/v1//rank", 404),
        ("POST", "/v1/rank%00", 404),
        ("GET", "/" + "x" * 5000, 404),
    ],
    ids=short,
)
def test_other_methods_and_paths_are_problems_too(
    service: RunningService, method: str, path: str, status: int
) -> None:
    answer = service.client.request(method, path)

    assert_problem(answer, status)
    assert ("allow" in answer.headers) == (status == 405)


def test_a_405_allows_head_wherever_get_is_answered(service: RunningService) -> None:
    allowed = {
        path: service.client.request("PUT", path).headers["allow"]
        for path in ("/v1/models", "/health/live", "/v1/rank")
    }

    assert allowed == {"/v1/models": "GET, HEAD", "/health/live": "GET, HEAD", "/v1/rank": "POST"}


def post(service: RunningService, content: bytes) -> httpx.Response:
    return service.client.post("/v1/rank", content=content)


def assert_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() - {"errors"} == {"type", "title", "status", "detail", "request_id"}
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert all(isinstance(problem[name], str) for name in ("type", "title", "detail"))
    assert len(answer.content) < 20_000  # whatever was sent, little of it comes back


def assert_names(answer: httpx.Response, *fields: str) -> None:
    assert_problem(answer, INVALID)
    errors = answer.json()["errors"]
    assert [error["field"] for error in errors] == list(fields)
    assert all(error.keys() == {"field", "message"} for error in errors)
    assert all(error["message"] for error in errors)
