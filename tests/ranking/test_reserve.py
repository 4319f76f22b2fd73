"""The model is given up early enough for the prior, and never long before it must be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ranking.reserve import LARGEST_SHARE, time_for_prior_s


@given(st.integers(1, 1000), st.floats(-1, 10))
def test_the_model_keeps_most_of_the_time_that_is_left(candidates, remaining_s):
    reserve_s = time_for_prior_s(candidates, remaining_s)

    assert 0 <= reserve_s <= max(0, LARGEST_SHARE * remaining_s)
    assert reserve_s < 0.005


def test_more_candidates_take_the_prior_longer():
    assert time_for_prior_s(1000, 1.0) > time_for_prior_s(10, 1.0)


def test_a_tight_budget_is_shared():
    assert time_for_prior_s(1000, 0.004) == pytest.approx(0.001)
