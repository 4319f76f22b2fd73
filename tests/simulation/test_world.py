"""A world is reproducible, calibrated, and its interests drift."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulation.catalog import CATEGORY_NAMES
from app.simulation.click_model import ClickModel
from app.simulation.simulate import simulate
from app.simulation.traffic import DAY_S, Traffic
from app.simulation.world import WORLD_START_S, WorldConfig


def columns_of(world):
    log = world.log
    return [log.user_N, log.item_N, log.timestamp_N, log.true_ctr_N, log.clicked_N]


def same(world, other):
    pairs = zip(columns_of(world), columns_of(other), strict=True)
    return all(np.array_equal(ours, theirs) for ours, theirs in pairs)


def test_equal_configs_give_identical_worlds(small_config, small_world):
    assert same(small_world, simulate(replace(small_config)))


def test_another_seed_gives_another_world(small_config, small_world):
    assert not same(small_world, simulate(replace(small_config, seed=4)))


@settings(max_examples=25, deadline=None)
@given(
    st.builds(
        WorldConfig,
        seed=st.integers(0, 2**32 - 1),
        users=st.integers(1, 12),
        items=st.integers(24, 60),
        categories=st.integers(3, 24),
        days=st.integers(1, 6),
        traffic=st.builds(Traffic, slots=st.integers(1, 20)),
    )
)
def test_any_world_shows_distinct_ads_in_strict_time_order_within_its_days(config):
    log = simulate(config).log

    same_user = log.user_N[1:] == log.user_N[:-1]
    assert (np.diff(log.timestamp_N)[same_user] > 0).all()
    assert ((log.timestamp_N >= WORLD_START_S) & (log.timestamp_N < config.now_s)).all()
    assert ((log.true_ctr_N > 0) & (log.true_ctr_N < 1)).all()
    days = (log.timestamp_N - WORLD_START_S) // DAY_S
    shown = list(zip(log.user_N, days, log.item_N, strict=True))
    assert len(set(shown)) == len(shown)


def test_clicks_are_calibrated_with_the_true_ctr_at_every_level(world):
    log = world.log
    levels = np.array_split(np.argsort(log.true_ctr_N), 20)

    for level in levels:
        ctr = log.true_ctr_N[level]
        surprise = log.clicked_N[level].sum() - ctr.sum()
        assert abs(surprise) < 4 * np.sqrt((ctr * (1 - ctr)).sum())


def test_random_candidates_have_realistic_ctrs_and_the_best_are_far_better(world):
    ctr = np.stack([world.true_ctr(user, world.catalog.item_ids) for user in world.user_ids[:200]])

    assert 0.05 < ctr.mean() < 0.2
    assert 0.5 < ctr.max(axis=1).mean() < 0.7
    assert ctr.max() < 0.95


def test_the_present_ctr_continues_the_ctr_of_the_last_day(small_config):
    world = simulate(replace(small_config, clicks=ClickModel(fatigue=0.0)))
    log = world.log
    last_day = np.flatnonzero(log.timestamp_N >= world.config.now_s - DAY_S)

    present = [
        world.true_ctr(world.user_ids[log.user_N[row]], [world.catalog.item_ids[log.item_N[row]]])
        for row in last_day
    ]

    assert len(last_day) > 50
    assert np.allclose(np.concatenate(present), log.true_ctr_N[last_day], rtol=1e-12)


def test_an_ad_that_was_just_seen_is_worth_less_at_the_present(small_config):
    fresh = simulate(replace(small_config, clicks=ClickModel(fatigue=0.0)))
    log, row = fresh.log, int(np.argmax(fresh.log.timestamp_N))
    user, item = fresh.user_ids[log.user_N[row]], fresh.catalog.item_ids[log.item_N[row]]
    tired = replace(fresh, config=replace(small_config, clicks=ClickModel(fatigue=2.0)))

    assert tired.true_ctr(user, [item])[0] < fresh.true_ctr(user, [item])[0]


def test_an_ad_that_comes_again_soon_tires_its_user(small_config):
    log = simulate(replace(small_config, clicks=ClickModel(fatigue=50.0))).log
    order = np.lexsort((log.timestamp_N, log.item_N, log.user_N))
    user, item, time = log.user_N[order], log.item_N[order], log.timestamp_N[order]

    again = (np.diff(user) == 0) & (np.diff(item) == 0) & (np.diff(time) < 3 * DAY_S)

    assert again.sum() > 100
    assert (log.true_ctr_N[order][1:][again] < 1e-6).all()


def test_most_users_end_with_other_interests_than_they_began_with(world):
    then_UC, now_UC = world.first_interests.mixture_UC, world.interests.mixture_UC

    shared_U = np.minimum(then_UC, now_UC).sum(axis=1)

    assert (shared_U < 0.5).mean() > 0.8


def test_the_present_interests_of_a_user_sum_to_one_strongest_first(world):
    shares = list(world.interests_of("user-0001").values())

    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert set(world.interests_of("user-0001")) == set(CATEGORY_NAMES)


def test_neighboring_categories_are_closer_than_opposite_ones(world):
    affinity_CC = world.catalog.affinity_CC
    following = np.roll(np.arange(24), -1)

    assert np.array_equal(affinity_CC, affinity_CC.T)
    assert (affinity_CC[np.arange(24), following] > 0.5).all()
    assert (affinity_CC[np.arange(24), (np.arange(24) + 12) % 24] < 0.01).all()


@pytest.mark.parametrize(
    "sizes", [{"categories": 2}, {"categories": 25}, {"items": 23}, {"users": 0}, {"days": 0}]
)
def test_an_impossible_world_is_refused(sizes):
    with pytest.raises(ValueError, match=r"categories|items|users"):
        WorldConfig(**sizes)


@pytest.mark.parametrize("slots", [0, 501])
def test_a_session_that_is_empty_or_outlasts_its_day_is_refused(slots):
    with pytest.raises(ValueError, match="slots"):
        Traffic(slots=slots)


def test_strangers_have_no_true_ctr(small_world):
    with pytest.raises(KeyError):
        small_world.true_ctr("user-9999", small_world.catalog.item_ids[:1])
    with pytest.raises(KeyError):
        small_world.true_ctr("user-0001", ["no-such-item"])
