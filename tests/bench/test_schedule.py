"""When requests leave, and for whom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.race.schedule import RECENT_USERS, UserStream, poisson_times


@given(rate=st.floats(1, 500), seconds=st.floats(0.5, 20), seed=st.integers(0, 1000))
def test_poisson_times_rise_and_end_in_time(rate, seconds, seed):
    times = poisson_times(rate, seconds, seed)

    assert (np.diff(times) >= 0).all()
    assert ((times >= 0) & (times < seconds)).all()


def test_poisson_gaps_have_the_rate_and_the_spread_of_an_exponential():
    gaps = np.diff(poisson_times(1000, 100, seed=3))

    assert gaps.mean() == pytest.approx(1e-3, rel=0.02)
    assert gaps.std() == pytest.approx(1e-3, rel=0.02)


def test_everybody_gets_the_same_times_for_the_same_seed():
    np.testing.assert_array_equal(poisson_times(50, 3, seed=1), poisson_times(50, 3, seed=1))
    assert len(poisson_times(50, 3, seed=1)) != len(poisson_times(50, 3, seed=2))


def test_cold_users_come_once_until_all_have_come():
    stream = UserStream(pool=1000)

    users = np.concatenate([stream.take(400, 0.0), stream.take(600, 0.0)])

    np.testing.assert_array_equal(np.sort(users), np.arange(1000))
    assert stream.take(1, 0.0) == users[0]


def test_half_of_the_requests_are_of_users_that_were_just_seen():
    users = UserStream(pool=100_000).take(20_000, 0.5).tolist()

    last_seen, repeats = {}, 0
    for position, user in enumerate(users):
        if user in last_seen:
            repeats += 1
            assert position - last_seen[user] < 50 * RECENT_USERS
        last_seen[user] = position
    assert repeats / len(users) == pytest.approx(0.5, abs=0.02)
