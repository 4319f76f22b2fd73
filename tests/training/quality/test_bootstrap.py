"""Intervals come from whole users, cover what they should, and are the same every time."""

import numpy as np
import pytest

from app.training.quality.bootstrap import FEWEST_USERS, Bootstrap, Measure, ratio

USERS = 400


def mean_of(values_U):
    return ratio(values_U, np.ones(len(values_U)))


@pytest.fixture
def opinions():
    return np.random.default_rng(0).normal(size=USERS)


def measured(statistic, users=USERS, **options):
    return Bootstrap(**options).measures({"it": statistic}, users)["it"]


def test_the_interval_of_a_mean_is_the_one_of_the_textbook(opinions):
    measure = measured(mean_of(opinions), resamples=4000)

    half = 1.96 * opinions.std() / np.sqrt(USERS)
    assert measure.value == pytest.approx(opinions.mean())
    assert measure.low == pytest.approx(opinions.mean() - half, abs=0.1 * half)
    assert measure.high == pytest.approx(opinions.mean() + half, abs=0.1 * half)


def test_more_confidence_needs_a_wider_interval(opinions):
    narrow, wide = (measured(mean_of(opinions), confidence=share) for share in (0.5, 0.99))

    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_equal_seeds_give_equal_intervals(opinions):
    first, again, other = (measured(mean_of(opinions), seed=seed) for seed in (3, 3, 4))

    assert first == again
    assert first != other


@pytest.mark.parametrize("users", [FEWEST_USERS, 1000, 200_000])
def test_every_resample_draws_as_many_users_as_there_are(users):
    seen = []

    def spy(times_RU):
        seen.append(times_RU)
        return np.zeros(len(times_RU))

    measured(spy, users, resamples=7)

    draws_RU = np.concatenate(seen[:-1])  # the last call is the metric itself
    assert draws_RU.shape == (7, users)
    assert (draws_RU.sum(axis=1) == users).all()
    assert len({draws_U.tobytes() for draws_U in draws_RU}) == 7
    assert (seen[-1] == 1).all()


def test_an_undefined_metric_has_neither_value_nor_interval():
    nothing_U = np.zeros(USERS)

    assert measured(ratio(nothing_U, nothing_U), resamples=50) == Measure(None)


def test_a_metric_that_many_resamples_leave_undefined_has_no_interval():
    one_U = np.zeros(USERS)
    one_U[0] = 1  # who is missing from one resample in three

    assert measured(ratio(one_U, one_U), resamples=200) == Measure(1.0)


def test_few_users_have_no_interval():
    few_U = np.arange(FEWEST_USERS - 1.0)

    assert measured(mean_of(few_U), len(few_U)) == Measure(few_U.mean())


def test_no_resamples_are_no_interval(opinions):
    assert measured(mean_of(opinions), resamples=0) == Measure(pytest.approx(opinions.mean()))
