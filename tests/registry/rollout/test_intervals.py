import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.registry.rollout.intervals import interval_of, log_ratio, rate_interval, sequential_z

ALPHA = 0.05


def is_left_at_some_time(rate, seed):
    events = np.cumsum(np.random.default_rng(seed).random(400) < rate)
    looks = [(int(events[n - 1]), n) for n in range(1, 401, 3)]
    intervals = [rate_interval(seen, n, ALPHA) for seen, n in looks]
    return any(not one.low <= rate <= one.high for one in intervals)


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_a_rate_is_seldom_outside_of_its_interval_however_often_one_looks(rate):
    left = sum(is_left_at_some_time(rate, seed) for seed in range(100))

    assert left <= 10  # of 100; on average at most 5, and 11 or more by chance once in 100 times


@given(trials=st.integers(1, 10_000), share=st.floats(0, 1))
def test_the_interval_of_a_rate_surrounds_it_within_0_and_1(trials, share):
    events = round(share * trials)

    interval = rate_interval(events, trials, ALPHA)

    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_two_failures_out_of_two_are_enough_to_rule_out_one_percent():
    assert rate_interval(2, 2, 0.01 / 6).low > 0.01


def test_one_failure_out_of_one_is_not():
    assert rate_interval(1, 1, 0.01 / 6).low < 0.01


def test_without_a_trial_every_rate_is_possible():
    interval = rate_interval(0, 0, ALPHA)

    assert (interval.low, interval.high) == (0, 1)


def test_looking_at_all_times_costs_less_than_twice_the_width_of_looking_once():
    """1.96 standard errors hold 95 % of the time when they are looked at once."""
    assert 1.96 < sequential_z(500, ALPHA) < 2 * 1.96


@pytest.mark.parametrize("users", [64, 640])
def test_the_error_of_a_ratio_is_that_of_independent_groups_of_users(users):
    random = np.random.default_rng(0)
    estimates, widths = [], []
    for _ in range(300):
        sums = np.zeros((64, 2))
        np.add.at(sums, np.arange(users) % 64, random.normal([1, 2], [0.3, 0.3], (users, 2)))
        interval = interval_of(sums, log_ratio, users, ALPHA)
        estimates.append(interval.value)
        widths.append((interval.high - interval.low) / 2 / sequential_z(users, ALPHA))

    assert np.std(estimates) == pytest.approx(np.mean(widths), rel=0.15)
