"""A user who is scored with fewer behaviors than there are is answered so, and told."""

import pytest
import torch

from app.core.ladder import truncated_lengths
from app.core.request import Candidates, Ranking, RankRequest
from app.features.feature_reader import RequestFeatures
from app.ranking.assembly import assemble
from app.registry.loaded_version import LoadedVersion, load_version
from app.registry.model_store import ModelStore
from tests.artifacts import publish_tiny_version
from tests.features.histories import history

MAX_BEHAVIORS = 8
ADS = Candidates(["ad-1"], [None], {"item_id": ["item-1"], "category_id": ["category-1"]})


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root, max_behaviors=MAX_BEHAVIORS)
    return load_version(ModelStore(root).load("tiny", "1"), torch.device("cpu"))


def ranked_with(version: LoadedVersion, newest: int, *, stored: int) -> Ranking:
    """As a scheduler does that cuts a job before it is computed."""
    behaviors = history(*(f"item-{number}" for number in range(stored)))
    request = RankRequest("user-1", ADS, behaviors=behaviors, explain=MAX_BEHAVIORS)
    features = RequestFeatures.as_sent(request)
    scored = version.score([(features.user.with_newest(newest), features.candidates)])
    return assemble(request, features, version, scored[0])


@pytest.mark.parametrize("newest", truncated_lengths(MAX_BEHAVIORS))
def test_the_newest_behaviors_are_scored_and_explained(version, newest):
    cut = ranked_with(version, newest, stored=12)

    assert (cut.degraded, cut.degraded_reason) == ("truncated_history", "pressure")
    assert cut.behaviors == newest
    (ranked,) = cut.ranked
    seen = {behavior.item_id for behavior in ranked.attention}
    assert seen == {f"item-{number}" for number in range(12 - newest, 12)}


def test_the_score_is_that_of_a_user_who_has_no_more(version):
    cut, short = ranked_with(version, 4, stored=12), ranked_with(version, 4, stored=4)
    whole = ranked_with(version, MAX_BEHAVIORS, stored=12)

    assert (short.degraded, whole.degraded) == (None, None)
    assert cut.ranked[0].ctr != whole.ranked[0].ctr
    assert cut.behaviors == short.behaviors


def test_a_history_that_is_short_enough_is_whole(version):
    answer = ranked_with(version, 4, stored=3)

    assert (answer.degraded, answer.behaviors) == (None, 3)
