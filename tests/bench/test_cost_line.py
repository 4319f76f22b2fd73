"""Costs against amounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.race.cost_line import fit


@given(slope=st.floats(0.001, 10), fixed=st.floats(-5, 5))
def test_a_straight_line_is_found_again(slope, fixed):
    amounts = [20, 50, 100, 400]

    line = fit(amounts, [slope * amount + fixed for amount in amounts])

    assert line.slope == pytest.approx(slope)
    assert line.fixed == pytest.approx(fixed, abs=1e-6)
    assert line.r_squared == pytest.approx(1)


def test_what_is_not_a_line_says_so():
    assert fit([1, 2, 3, 4], [1, 0, 1, 0]).r_squared < 0.5
