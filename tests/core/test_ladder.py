"""Histories are cut to few, fixed lengths, so that each has a measured quality."""

import pytest

from app.core.ladder import RUNGS, truncated_lengths


def test_the_rungs_stand_in_the_order_of_what_is_missing():
    assert RUNGS == ("stale_history", "truncated_history", "no_history", "prior")


@pytest.mark.parametrize(
    ("max_behaviors", "lengths"),
    [(50, (25, 12)), (4, (2, 1)), (3, (1,)), (2, (1,)), (1, ())],
)
def test_a_history_is_cut_to_half_or_a_quarter_of_the_longest(max_behaviors, lengths):
    assert truncated_lengths(max_behaviors) == lengths
