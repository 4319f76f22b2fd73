"""The demo's users have something to show, and its ads are real, distinct and told apart."""

import numpy as np
import pytest

from app.simulation.demo_ads import demo_ads, demo_users
from app.simulation.interactions import click_log
from app.simulation.world import AdWorld


@pytest.fixture(scope="module")
def users(world: AdWorld) -> tuple[str, ...]:
    return demo_users(world, 8)


def test_demo_users_are_distinct_with_long_histories(world, users):
    clicked_by = click_log(world).user_id

    assert len(set(users)) == 8
    assert all(clicked_by.count(user) >= 25 for user in users)


def test_demo_users_like_other_things_now_than_at_first(world, users):
    for user in users:
        row = world.row_of_user[user]
        then = world.first_interests.mixture_UC[row]

        assert np.minimum(then, world.interests.mixture_UC[row]).sum() < 0.1


def test_demo_ads_are_distinct_items_of_the_catalog_at_their_true_ctr(world, users):
    for user in users:
        ads = demo_ads(world, user, 12)

        assert len({ad.ad_id for ad in ads}) == len({ad.item_id for ad in ads}) == 12
        assert all(ad.category_id == world.catalog.category_of(ad.item_id) for ad in ads)
        assert [ad.true_ctr for ad in ads] == list(world.true_ctr(user, [ad.item_id for ad in ads]))


def test_demo_ads_mix_what_is_liked_with_what_is_not(world, users):
    for user in users:
        ctrs = [ad.true_ctr for ad in demo_ads(world, user)]

        assert max(ctrs) > 0.2
        assert min(ctrs) < 0.05


def test_demo_ads_are_the_same_every_time_and_differ_between_users(world, users):
    first, second = users[:2]

    assert demo_ads(world, first) == demo_ads(world, first)
    assert demo_ads(world, first) != demo_ads(world, second)


def test_a_world_too_small_for_good_demo_users_still_has_some(small_world):
    assert len(demo_users(small_world, 120)) == 120


@pytest.mark.parametrize("count", [1, 2, 150])
def test_as_many_ads_come_as_are_asked_for(small_world, count):
    ads = demo_ads(small_world, "user-0001", count)

    assert len({ad.ad_id for ad in ads}) == count
