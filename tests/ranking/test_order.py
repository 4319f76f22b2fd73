"""Probabilities, revenue and order: properties of pure arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.core.batch import ctr_of
from app.ranking.order import best_first, ecpm_of

few_numbers = st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 1.0])  # so that some are equal
ctrs = hnp.arrays(np.float64, st.integers(1, 20), elements=few_numbers)
logits = hnp.arrays(np.float32, st.integers(0, 20), elements=st.floats(width=32, allow_nan=False))


@given(logits)
def test_a_ctr_is_a_probability_for_every_logit(logits_C):
    ctr_C = ctr_of(logits_C)

    assert ctr_C.dtype == np.float64
    assert ((ctr_C >= 0) & (ctr_C <= 1)).all()


@given(logits)
def test_a_larger_logit_never_has_a_smaller_ctr(logits_C):
    assert (np.diff(ctr_of(np.sort(logits_C))) >= 0).all()


@pytest.mark.parametrize(
    ("logit", "ctr"),
    [
        (0.0, 0.5),
        (math.log(3), 0.75),
        (-50.0, math.exp(-50.0)),
        (-700.0, math.exp(-700.0)),
        (-1000.0, 0.0),
        (1000.0, 1.0),
        (-3e38, 0.0),
        (math.inf, 1.0),
    ],
)
def test_a_ctr_is_the_logistic_of_its_logit(logit, ctr):
    assert ctr_of(np.array([logit], np.float32)).tolist() == pytest.approx([ctr], rel=1e-6)


def test_rare_clicks_keep_their_order_where_single_precision_would_not():
    ctr_C = ctr_of(np.array([-120.0, -110.0, -100.0], np.float32))

    assert 0 < ctr_C[0] < ctr_C[1] < ctr_C[2] < np.finfo(np.float32).tiny


def test_ecpm_is_a_thousand_times_bid_times_ctr_and_none_without_a_bid():
    ecpm_C = ecpm_of(np.array([0.0312, 0.5, 0.25]), [0.42, None, 0.0])

    assert ecpm_C == [pytest.approx(13.104), None, 0.0]


@given(ctrs, st.integers(1, 25) | st.none())
def test_the_order_is_that_of_a_stable_sort_by_ctr(ctr_C, top_k):
    order = best_first(ctr_C, [None] * len(ctr_C), "ctr", top_k)

    assert order == sorted(range(len(ctr_C)), key=lambda index: -ctr_C[index])[:top_k]


@given(st.data(), ctrs)
def test_the_order_by_ecpm_is_that_of_a_stable_sort_by_revenue(data, ctr_C):
    bids = data.draw(st.lists(few_numbers, min_size=len(ctr_C), max_size=len(ctr_C)))
    ecpm_C = ecpm_of(ctr_C, bids)

    order = best_first(ctr_C, ecpm_C, "ecpm", None)

    assert order == sorted(range(len(ctr_C)), key=lambda index: -ecpm_C[index])


def test_a_high_bid_beats_a_high_ctr_only_by_ecpm():
    ctr_C = np.array([0.9, 0.1])
    ecpm_C = ecpm_of(ctr_C, [1.0, 100.0])

    assert best_first(ctr_C, ecpm_C, "ctr", None) == [0, 1]
    assert best_first(ctr_C, ecpm_C, "ecpm", None) == [1, 0]
