"""Under pressure a history is cut before a request is refused."""

import time

import pytest
import torch

from app.core.deadline import Deadline
from app.core.request import Candidates, RankRequest
from app.errors import Overloaded
from app.features.feature_reader import RequestFeatures
from app.inference.admission import SHARES, Admission, Ticket
from app.inference.cost_model import Size
from app.ranking.fitting import as_much_as_fits
from app.registry.loaded_version import LoadedVersion, load_version
from app.registry.model_store import ModelStore
from tests.artifacts import publish_tiny_version
from tests.features.histories import history

MAX_BEHAVIORS = 8
BUDGET_S = 100.0
ADS = Candidates(
    [f"ad-{number}" for number in range(500)],
    [None] * 500,
    {"item_id": ["item-1"] * 500, "category_id": ["category-1"] * 500},
)
FEATURES = RequestFeatures.as_sent(
    RankRequest("user-1", ADS, behaviors=history(*(f"item-{number}" for number in range(12))))
)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root, max_behaviors=MAX_BEHAVIORS)
    return load_version(ModelStore(root).load("tiny", "1"), torch.device("cpu"))


def cost_s(version: LoadedVersion, behaviors: int) -> float:
    return version.costs.predict_s([Size(len(ADS), behaviors)])


def asked_with_room_for(seconds: float) -> tuple[Admission, Ticket]:
    """A request beside so much work that just this much more can be done in time."""
    now_s = time.monotonic()
    admission = Admission(threads=1, monotonic_s=lambda: now_s)
    deadline = Deadline(now_s + BUDGET_S)
    ticket = admission.enter("normal", deadline, 0.0)
    admission.now_costs(
        admission.enter("normal", deadline, 0.0), SHARES["normal"] * BUDGET_S - seconds
    )
    return admission, ticket


@pytest.mark.parametrize(("room_for", "kept"), [(8, 8), (7, 4), (4, 4), (3, 2), (2, 2)])
def test_the_longest_history_is_kept_that_there_is_time_for(version, room_for, kept):
    admission, ticket = asked_with_room_for(cost_s(version, room_for) + 1e-9)

    user = as_much_as_fits(admission, ticket, version, FEATURES)

    newest = FEATURES.user.behaviors.newest(kept)
    assert user.behaviors.keys_TF.tolist() == newest.keys_TF.tolist()
    assert ticket.cost_s == cost_s(version, kept)
    assert ticket.least_cost_s == cost_s(version, 2)


def test_without_time_for_the_shortest_the_request_is_refused(version):
    admission, ticket = asked_with_room_for(cost_s(version, 1))

    with pytest.raises(Overloaded):
        as_much_as_fits(admission, ticket, version, FEATURES)


def test_a_request_that_is_late_is_not_refused_but_late(version):
    admission = Admission(threads=1)
    admission.enter("high", Deadline.after(0.0), BUDGET_S)

    user = as_much_as_fits(admission, Ticket("low", Deadline.after(-1), 0.0), version, FEATURES)

    assert user is FEATURES.user
