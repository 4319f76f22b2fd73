from hypothesis import given
from hypothesis import strategies as st

from app.registry.rollout.user_split import UserSplit

USERS = [f"user-{number}" for number in range(20_000)]
PERCENTS = st.floats(0, 100)


def taken(percent, salt="dien@2"):
    split = UserSplit(salt, percent)
    return {user for user in USERS if split.takes(user)}


@given(user=st.text(st.characters(codec="utf-8")), percents=st.tuples(PERCENTS, PERCENTS))
def test_growing_the_percent_only_adds_users(user, percents):
    fewer, more = (UserSplit("dien@2", percent).takes(user) for percent in sorted(percents))

    assert more or not fewer


def test_a_percent_is_the_share_of_users():
    assert 0.045 < len(taken(5)) / len(USERS) < 0.055


def test_nobody_and_everybody_are_percents_too():
    assert taken(0) == set()
    assert len(taken(100)) == len(USERS)


def test_every_version_is_tried_by_other_users():
    both = taken(10, "dien@2") & taken(10, "dien@3")

    assert 0.007 < len(both) / len(USERS) < 0.013
