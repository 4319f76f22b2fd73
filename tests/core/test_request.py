"""Histories keep their newest behaviors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.core.request import NO_BEHAVIORS, UserContext
from tests.features.histories import as_rows, histories


@given(histories(), st.integers(0, 25))
def test_the_newest_behaviors_are_the_last_ones_in_order(sequence, count):
    rows = as_rows(sequence)

    assert as_rows(sequence.newest(count)) == rows[max(0, len(rows) - count) :]


@given(histories(), st.integers(0, 25))
def test_a_user_with_fewer_behaviors_is_the_same_otherwise(sequence, count):
    user = UserContext("user-1", sequence, {"age": 31}, {"device": "phone"})

    cut = user.with_newest(count)

    assert as_rows(cut.behaviors) == as_rows(sequence.newest(count))
    assert replace(cut, behaviors=sequence) == user


def test_nobody_has_no_behaviors_of_two_fields():
    assert len(NO_BEHAVIORS) == 0
    assert NO_BEHAVIORS.keys_TF.shape == (0, 2)


@pytest.mark.parametrize("count", [0, 1])
def test_the_newest_of_nothing_is_nothing(count):
    assert len(NO_BEHAVIORS.newest(count)) == 0
