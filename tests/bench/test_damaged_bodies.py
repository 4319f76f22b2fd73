"""Damaged bodies are damaged, the same for a seed, and show where two ways to read disagree."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.api.parsing import field_by_field, in_columns
from app.errors import MalformedRequest
from bench.damaged_bodies import DIFFERENT, FINE, ONLY_FAST, REFUSED, compare
from bench.damaged_json import DAMAGES, damaged
from bench.random_bodies import random_body


def drawn_by(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - not for secrets


seeds = st.integers(0, 2**32)
VALID = random_body(drawn_by(1))


@given(seeds)
def test_random_bodies_are_valid(seed):
    assert field_by_field(random_body(drawn_by(seed)))


@given(seeds)
def test_a_damaged_body_is_another(seed):
    rng = drawn_by(seed)
    valid = random_body(rng)

    assert damaged(valid, rng) != valid


@given(seeds)
def test_a_seed_gives_the_same_damage(seed):
    assert damaged(VALID, drawn_by(seed)) == damaged(VALID, drawn_by(seed))


@given(st.sampled_from(DAMAGES), st.binary(max_size=20), seeds)
def test_whatever_there_is_can_be_damaged(damage, content, seed):
    assert isinstance(damage(content, drawn_by(seed)), bytes)


@pytest.mark.parametrize("damage", dict.fromkeys(DAMAGES))
def test_every_kind_of_damage_makes_bodies_that_are_refused(damage):
    rng = drawn_by(1)

    verdicts = {compare(damage(random_body(rng), rng)) for _ in range(50)}

    assert REFUSED in verdicts
    assert verdicts <= set(FINE)


def test_a_way_that_accepts_too_much_is_found_out():
    request = field_by_field(VALID)

    assert compare(b"{", read_fast=lambda _: request) == ONLY_FAST


def test_ways_that_read_different_requests_are_found_out():
    other = replace(field_by_field(VALID), user_id="another")

    assert compare(VALID, read_fast=lambda _: other) == DIFFERENT


def test_no_way_may_raise_but_for_a_refusal():
    assert compare(VALID, read_fast=failing) == "the fast way raises ZeroDivisionError"
    assert compare(VALID, in_columns, failing) == "the careful way raises ZeroDivisionError"
    assert compare(b"{", lambda _: None, refusing) == REFUSED


def failing(_: bytes) -> None:
    raise ZeroDivisionError


def refusing(_: bytes) -> None:
    raise MalformedRequest("no JSON")
