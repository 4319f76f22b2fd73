import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from app.registry.rollout.rank_correlation import MOST_CANDIDATES, kendall_tau

LEVELS = st.integers(0, 5).map(lambda level: level / 10)


@given(st.lists(st.tuples(LEVELS, LEVELS), min_size=2, max_size=MOST_CANDIDATES))
def test_it_is_the_textbooks_tau_b(pairs):
    first, second = np.array(pairs).T

    tau = kendall_tau(first, second)

    if len(set(first)) > 1 and len(set(second)) > 1:
        assert tau == pytest.approx(kendalltau(first, second).statistic)
    elif len(set(first)) == len(set(second)) == 1:
        assert tau is None
    else:
        assert tau == 0


@pytest.mark.parametrize("count", [MOST_CANDIDATES, 1000])
def test_orders_of_any_length_agree_with_themselves_and_not_with_their_reverse(count):
    ctr_C = np.random.default_rng(0).random(count)

    assert kendall_tau(ctr_C, ctr_C**2) == 1
    assert kendall_tau(ctr_C, -ctr_C) == -1


def test_one_candidate_has_no_order():
    assert kendall_tau(np.array([0.1]), np.array([0.2])) is None
