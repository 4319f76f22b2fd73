"""The fast way to accept a body and the one that names its errors agree."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from app.api.parsing import field_by_field, in_columns
from app.core.request import RankRequest
from app.errors import CtrError
from bench.damaged_bodies import comparable
from tests.api.bodies import BEHAVIORS, Json, ad, ads, body, wire_behaviors

Drawn = SearchStrategy[Any]

ids = st.sampled_from(["a", "é", "7", "", "x" * 256, "x" * 257, "\U0001f600" * 256])
valid_ids = st.sampled_from(["item-1", "item-2", "7"])
short_numbers = st.sampled_from([0, 1, -1, 7.0, 0.1, -0.0, 1e9, 1e10, 2**53 + 1, 2**63 - 1])
long_numbers = st.sampled_from([2**63, 2**64 + 1, -(2**70), 10**30, 1e300, 10**400])
odd = st.sampled_from([None, True, [], {}, [[1]], [None], [True], "x" * 257, float("nan")])


def mostly(usual: Drawn, unusual: Drawn) -> Drawn:
    """One in eight is unusual, so that whole bodies are valid now and then."""
    return st.integers(0, 7).flatmap(lambda draw: unusual if draw == 0 else usual)


def bodies_with(numbers: Drawn) -> Drawn:
    names = st.sampled_from(["a", "a_0", "a_1", "price", "", "b"])
    values = st.text(max_size=2) | numbers | st.lists(numbers, min_size=1, max_size=3) | odd
    further = st.dictionaries(names, values, max_size=2)
    bids = mostly(st.none() | st.floats(0, 1e9) | st.integers(0, 9), numbers | odd)
    own = st.fixed_dictionaries(
        {"ad_id": st.text(min_size=1, max_size=3)},
        optional={
            "item_id": mostly(valid_ids, ids | odd),
            "category_id": mostly(valid_ids, ids | odd),
            "bid": bids,
        },
    )
    candidates = st.builds(lambda own, more: more | own, own, mostly(st.just({}), further))
    return st.fixed_dictionaries(
        {
            "user_id": mostly(valid_ids, ids | odd),
            "candidates": st.lists(mostly(candidates, odd), min_size=1, max_size=4),
        },
        optional={
            "context": mostly(st.just({}), further),
            "profile": mostly(st.none(), further),
            "behaviors": mostly(st.none(), st.just(wire_behaviors(BEHAVIORS)) | odd),
            "top_k": mostly(st.integers(1, 5), numbers | odd),
            "rank_by": mostly(st.sampled_from(["ctr", "ecpm"]), odd),
            "explain": mostly(st.integers(0, 9), numbers | odd),
            "deadline_ms": mostly(st.floats(1, 1e6), numbers | odd),
            "model": mostly(st.none() | st.just("dien"), ids | odd),
        },
    )


@given(bodies_with(short_numbers))
def test_both_ways_accept_the_same_bodies_as_equal_requests(sent: Json) -> None:
    content = json.dumps(sent).encode()

    fast, checked = in_columns(content), accepted_field_by_field(content)

    assert (fast is None) == (checked is None)
    if fast is not None and checked is not None:
        assert comparable(fast) == comparable(checked)


@given(bodies_with(short_numbers | long_numbers))
def test_long_numbers_are_accepted_in_columns_only_where_they_are_the_same(sent: Json) -> None:
    content = json.dumps(sent).encode()

    fast, checked = in_columns(content), accepted_field_by_field(content)

    if fast is not None:
        assert checked is not None
        assert comparable(fast) == comparable(checked)


ACCEPTED = {
    "as the benchmarks send it": body(candidates=[ad(n, bid=0.5) for n in range(100)]),
    "no ids, no bids": body(candidates=[{"ad_id": f"ad-{n}"} for n in range(3)]),
    "some of each": body(candidates=[ad(1), {"ad_id": "a"}, {"ad_id": "b", "bid": 1}]),
    "nulls": body(candidates=[ad(1, item_id=None, category_id=None, bid=None, price=None)]),
    "further fields": body(candidates=[ad(1, price=7, brand="x"), ad(2, price=None), ad(3)]),
    "lists": body(candidates=[ad(1, score=[1, 2.5]), ad(2, score=[3]), ad(3, other="x")]),
    "ecpm": body(candidates=[ad(n, bid=n) for n in range(3)], rank_by="ecpm", top_k=2),
    "everything else": body(
        context={"device": "phone", "hours": [1, 2]},
        profile={"age": 2**60 + 1},
        behaviors=wire_behaviors(BEHAVIORS),
        explain=3,
        deadline_ms=50,
        model="dien",
    ),
}


@pytest.mark.parametrize("sent", ACCEPTED.values(), ids=ACCEPTED)
def test_what_clients_send_is_accepted_in_columns(sent: Json) -> None:
    content = json.dumps(sent).encode()

    fast = in_columns(content)

    assert fast is not None
    assert comparable(fast) == comparable(field_by_field(content))


REFUSED = {
    "ads of the same id": body(candidates=[ad(1), ad(1)]),
    "no bid to rank by": body(candidates=[ad(1, bid=1), ad(2)], rank_by="ecpm"),
    "too many explanations": body(candidates=ads(11), explain=1000),
    "too many fields": body(candidates=[ad(n, **{f"field-{n}": n}) for n in range(65)]),
    "too many numbers": body(candidates=[ad(n, **{f"list-{n}": [1] * 52}) for n in range(10)]),
    "a number's name": body(candidates=[ad(1, score=[1, 2]), ad(2, score_1=3)]),
    "a number's name in the context": body(context={"score": [1, 2], "score_0": 1}),
    "a bid over the bound": body(candidates=[ad(1, bid=1e9 + 1)]),
    "a bid below zero": body(candidates=[ad(1, bid=-0.01)]),
    "an id too long": body(candidates=[ad(1, item_id="x" * 257)]),
    "an empty id": body(candidates=[ad(1, category_id="")]),
    "no ad id": body(candidates=[ad(1), {"item_id": "item-1"}]),
    "no object": body(candidates=[ad(1), "ad-2"]),
    "true for a number": body(candidates=[ad(1, bid=True)]),
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_refused_both_ways(sent: Json) -> None:
    content = json.dumps(sent).encode()

    assert in_columns(content) is None
    with pytest.raises(CtrError):
        field_by_field(content)


@pytest.mark.parametrize("number", [2**64 + 1, -(10**30), 10**300])
@pytest.mark.parametrize("listed", [False, True])
def test_an_integer_that_one_parser_rounds_is_left_to_the_other(number: int, listed: bool) -> None:
    content = json.dumps(body(candidates=[ad(1, price=[number] if listed else number)])).encode()

    assert in_columns(content) is None
    assert field_by_field(content).candidates.fields["price"] == [number]


@given(st.data())
def test_no_byte_makes_a_body_that_only_the_fast_way_accepts(data: st.DataObject) -> None:
    content = bytearray(json.dumps(body(candidates=[ad(1, bid=0.5), ad(2)])).encode())
    first = data.draw(st.integers(0, len(content)))
    content[first : first + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))

    fast, checked = in_columns(bytes(content)), accepted_field_by_field(bytes(content))

    if fast is not None:
        assert checked is not None
        assert comparable(fast) == comparable(checked)


@pytest.mark.parametrize(
    "odd_text",
    [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\\ud800", b"\\udc00\\ud800", b"\n", b"\x00", b"\x1f"],
)
def test_text_that_is_no_unicode_and_raw_control_characters_are_refused_both_ways(
    odd_text: bytes,
) -> None:
    content = b'{"user_id": "u", "candidates": [{"ad_id": "a%b"}]}' % odd_text

    assert in_columns(content) is None
    with pytest.raises(CtrError):
        field_by_field(content)


def test_the_last_of_two_equal_keys_counts_both_ways() -> None:
    content = b'{"user_id": 1, "user_id": "u", "candidates": [{"ad_id": 1, "ad_id": "a"}]}'

    fast = in_columns(content)

    assert fast is not None
    assert comparable(fast) == comparable(field_by_field(content))


def accepted_field_by_field(content: bytes) -> RankRequest | None:
    try:
        return field_by_field(content)
    except CtrError:
        return None


@pytest.mark.parametrize("further", ["", ', "price": 1'], ids=["plain", "further fields"])
def test_of_a_key_given_twice_the_last_counts_however_the_body_is_read(further: str) -> None:
    sent = (
        '{"user_id": "u", "context": {"a": [], "a": 2}, '
        f'"candidates": [{{"ad_id": "1", "bid": -1, "bid": 3{further}}}]}}'
    ).encode()

    for request in (in_columns(sent), field_by_field(sent)):
        assert request is not None
        assert request.context == {"a": 2}
        assert request.candidates.bids == [3]
