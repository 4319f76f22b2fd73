"""The true CTR is a logistic function with the signs that its names promise."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.simulation.click_model import Appeal, ClickModel

numbers = st.floats(-4, 4)
appeals = st.builds(
    dict,
    interest_N=st.floats(0, 1),
    quality_N=numbers,
    popularity_N=numbers,
    unseen_days_N=st.one_of(st.floats(0, 1e6), st.just(np.inf)),
)


def ctr_of(appeal, **changes):
    columns = {name: np.array([value]) for name, value in (appeal | changes).items()}
    return ClickModel().ctr(Appeal(**columns))[0]


@given(appeals)
def test_every_ctr_is_a_probability_strictly_between_zero_and_one(appeal):
    assert 0 < ctr_of(appeal) < 1


@given(appeals)
def test_more_interest_means_more_clicks(appeal):
    assert ctr_of(appeal, interest_N=1.1) > ctr_of(appeal)


@given(appeals)
def test_an_ad_seen_just_now_is_clicked_less_than_a_new_one(appeal):
    assert ctr_of(appeal, unseen_days_N=0.0) < ctr_of(appeal, unseen_days_N=np.inf)


def test_the_ctr_of_a_known_appeal_is_the_sigmoid_of_its_weighted_sum():
    appeal = {"interest_N": 0.5, "quality_N": 1.0, "popularity_N": -1.0, "unseen_days_N": 0.0}
    weights = ClickModel(base=-3.0, interest=4.0, quality=0.5, popularity=0.2, fatigue=1.0)

    ctr = weights.ctr(Appeal(**{name: np.array([value]) for name, value in appeal.items()}))

    logit = -3.0 + 4.0 * 0.5 + 0.5 * 1.0 - 0.2 - 1.0
    assert np.isclose(ctr[0], 1 / (1 + np.exp(-logit)), atol=1e-15)
