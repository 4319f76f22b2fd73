"""Revenue and order: properties of pure arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.ranking.order import best_first, ecpm_of

few_numbers = st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 1.0])  # so that some are equal
ctrs = hnp.arrays(np.float64, st.integers(1, 20), elements=few_numbers)


def test_ecpm_is_a_thousand_times_bid_times_ctr_and_none_without_a_bid():
    ecpms = ecpm_of([0.0312, 0.5, 0.25], [0.42, None, 0.0])

    assert ecpms == [pytest.approx(13.104), None, 0.0]


@given(ctrs, st.integers(1, 25) | st.none())
def test_the_order_is_that_of_a_stable_sort_by_ctr(ctr_C, top_k):
    order = best_first(ctr_C, [None] * len(ctr_C), "ctr", top_k)

    assert order == sorted(range(len(ctr_C)), key=lambda index: -ctr_C[index])[:top_k]


@given(st.data(), ctrs)
def test_the_order_by_ecpm_is_that_of_a_stable_sort_by_revenue(data, ctr_C):
    bids = data.draw(st.lists(few_numbers, min_size=len(ctr_C), max_size=len(ctr_C)))
    ecpms = ecpm_of(ctr_C.tolist(), bids)

    order = best_first(ctr_C, ecpms, "ecpm", None)

    assert order == sorted(range(len(ctr_C)), key=lambda index: -ecpms[index])


def test_a_high_bid_beats_a_high_ctr_only_by_ecpm():
    ctr_C = np.array([0.9, 0.1])
    ecpms = ecpm_of(ctr_C.tolist(), [1.0, 100.0])

    assert best_first(ctr_C, ecpms, "ctr", None) == [0, 1]
    assert best_first(ctr_C, ecpms, "ecpm", None) == [1, 0]
