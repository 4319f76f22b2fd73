"""An answer names the lowest of the rungs that it stands on, and why it had to step down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.core.ladder import RUNGS
from app.core.request import Candidates, UserContext
from app.features.feature_reader import RequestFeatures
from app.ranking.ladder import Shortfall, lowest, shortfall_of
from tests.features.histories import history

NO_ADS = Candidates([], [], {})


def features_of(stored: int, **problems: str) -> RequestFeatures:
    user = UserContext("user-1", history(*["item-1"] * stored))
    return RequestFeatures(user, NO_ADS, problems)


def shortfall(features: RequestFeatures, *, scored: int) -> Shortfall | None:
    return shortfall_of(features, scored_behaviors=scored, max_behaviors=4)


@given(st.lists(st.sampled_from(RUNGS), min_size=1))
def test_of_several_the_lowest_counts(rungs):
    found = lowest(Shortfall(rung, f"why {rung}") for rung in rungs)

    rung = max(rungs, key=RUNGS.index)
    assert found == Shortfall(rung, f"why {rung}")


def test_where_nothing_is_missing_there_is_no_rung():
    assert lowest([]) is None


@pytest.mark.parametrize(
    ("stored", "scored"),
    [
        pytest.param(3, 3, id="all of a short history"),
        pytest.param(9, 4, id="as many as the model reads"),
        pytest.param(0, 0, id="a cold user"),
    ],
)
def test_a_whole_history_is_not_degraded(stored, scored):
    assert shortfall(features_of(stored), scored=scored) is None


@pytest.mark.parametrize(("stored", "scored"), [(9, 2), (4, 2), (3, 2), (1, 0)])
def test_a_history_that_was_cut_says_so(stored, scored):
    cut = shortfall(features_of(stored), scored=scored)

    assert cut == Shortfall("truncated_history", "pressure")


def test_a_history_that_could_not_be_had_says_why():
    missing = shortfall(features_of(0, behaviors="timeout"), scored=0)

    assert missing == Shortfall("no_history", "timeout")


def test_a_copy_of_a_history_is_stale_and_says_why_it_was_taken():
    stale = replace(features_of(2, behaviors="unreachable"), stale_history=True)

    assert shortfall(stale, scored=2) == Shortfall("stale_history", "unreachable")


def test_a_stale_history_that_was_cut_too_is_called_cut():
    stale = replace(features_of(9, behaviors="unreachable"), stale_history=True)

    assert shortfall(stale, scored=2) == Shortfall("truncated_history", "pressure")


def test_other_features_that_could_not_be_had_are_no_rung():
    assert shortfall(features_of(2, profile="timeout", ad="corrupt"), scored=2) is None
