"""Under pressure histories are cut before anybody is refused."""

import time
from collections import deque
from contextlib import suppress

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.core.deadline import Deadline
from app.core.request import Candidates, RankRequest
from app.errors import Overloaded
from app.features.feature_reader import RequestFeatures
from app.inference.admission import (
    PRIORITIES,
    SHARE_ONCE_IN,
    SHARES,
    Admission,
    Priority,
    Ticket,
)
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


def with_behaviors(count: int) -> RequestFeatures:
    behaviors = history(*(f"item-{number}" for number in range(count)))
    return RequestFeatures.as_sent(RankRequest("user-1", ADS, behaviors=behaviors))


FEATURES = with_behaviors(12)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root, max_behaviors=MAX_BEHAVIORS)
    return load_version(ModelStore(root).load("tiny", "1"), torch.device("cpu"))


def cost_s(version: LoadedVersion, behaviors: int) -> float:
    return version.costs.predict_s([Size(len(ADS), behaviors)])


def asked_behind(*ahead_s: float, priority: Priority = "normal") -> tuple[Admission, Ticket]:
    """A request that is in, and due at the same time as so many seconds of work of its kind."""
    now_s = time.monotonic()
    admission = Admission(threads=1, monotonic_s=lambda: now_s)
    deadline = Deadline(now_s + BUDGET_S)
    ticket = admission.enter(priority, deadline, 0.0)
    for work_s in ahead_s:
        admission.now_costs(admission.enter(priority, deadline, 0.0), work_s)
    return admission, ticket


def kept(version: LoadedVersion, *ahead_s: float, priority: Priority = "normal") -> int:
    """Behaviors that such a request is scored with; 0 if it is refused."""
    admission, ticket = asked_behind(*ahead_s, priority=priority)
    try:
        return len(as_much_as_fits(admission, ticket, version, FEATURES).behaviors)
    except Overloaded:
        return 0


@pytest.mark.parametrize(("length", "part"), [(8, 4 / 6), (4, 5 / 6)])
@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_length_is_given_as_long_as_there_is_room_in_its_part_of_the_time(
    version, length, part, priority
):
    room_s = part * SHARES[priority] * BUDGET_S - cost_s(version, length)

    assert kept(version, room_s - 1e-6, priority=priority) == length
    assert kept(version, room_s + 1e-6, priority=priority) == length / 2


class Inquired(Admission):
    """Counts how often it is asked whether there is room."""

    asked = 0

    def fits(self, ticket: Ticket, part: float) -> bool:
        self.asked += 1
        return super().fits(ticket, part)

    def check(self, ticket: Ticket) -> None:
        self.asked += 1
        super().check(ticket)


@pytest.mark.parametrize(
    ("behaviors", "lengths"), [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (12, 3)]
)
def test_room_is_asked_for_once_for_each_length_that_differs(version, behaviors, lengths):
    now_s = time.monotonic()
    admission, deadline = Inquired(threads=1, monotonic_s=lambda: now_s), Deadline(now_s + BUDGET_S)
    ticket = admission.enter("normal", deadline, 0.0)
    ahead_s = SHARES["normal"] * BUDGET_S  # so that only the shortest is left
    admission.now_costs(admission.enter("normal", deadline, 0.0), ahead_s)

    user = as_much_as_fits(admission, ticket, version, with_behaviors(behaviors))

    assert len(user.behaviors) == min(behaviors, MAX_BEHAVIORS // 4)
    assert admission.asked == lengths


def test_what_is_kept_is_the_newest_and_all_that_it_costs(version):
    admission, ticket = asked_behind(0.75 * SHARES["normal"] * BUDGET_S)

    user = as_much_as_fits(admission, ticket, version, FEATURES)

    assert user.behaviors.keys_TF.tolist() == FEATURES.user.behaviors.newest(4).keys_TF.tolist()
    assert ticket.cost_s == cost_s(version, 4)
    assert ticket.least_cost_s == cost_s(version, 2)


@given(st.sampled_from(PRIORITIES), st.lists(st.floats(0, BUDGET_S), min_size=2, max_size=2))
def test_the_longer_the_queue_the_shorter_the_history(version, priority, queues_s):
    short_s, long_s = sorted(queues_s)

    assert kept(version, short_s, priority=priority) >= kept(version, long_s, priority=priority)


@given(st.floats(0, BUDGET_S))
def test_the_more_important_keep_at_least_as_much_of_their_history(version, ahead_s):
    high, normal, low = (kept(version, ahead_s, priority=one) for one in PRIORITIES)

    assert high >= normal >= low


@given(st.sampled_from(PRIORITIES), st.floats(0, BUDGET_S))
def test_nobody_is_refused_at_the_door_before_histories_are_at_their_shortest(
    version, priority, ahead_s
):
    admission, ticket = asked_behind(ahead_s, priority=priority)
    admission.leave(ticket, computed=False)
    try:
        admission.enter(priority, ticket.deadline, cost_s(version, 2))
    except Overloaded:
        assert kept(version, ahead_s, priority=priority) in {0, 2}


@given(st.sampled_from(PRIORITIES), st.floats(0, BUDGET_S))
def test_who_was_let_in_is_answered_if_no_more_than_expected_has_to_be_done(
    version, priority, ahead_s
):
    admission, ticket = asked_behind(ahead_s, priority=priority)
    admission.leave(ticket, computed=False)
    with suppress(Overloaded):
        admission.enter(priority, ticket.deadline, cost_s(version, 2))

        assert kept(version, ahead_s, priority=priority) > 0


def test_an_idle_service_scores_all_of_a_history_whatever_it_costs(version):
    assert kept(version) == MAX_BEHAVIORS


def test_in_lasting_overload_nearly_all_are_answered_with_the_shortest_length(version):
    """Ten times as many come as can be answered with whole histories."""
    now_s = time.monotonic()
    admission = Admission(threads=1, monotonic_s=lambda: now_s)
    whole_s, least_s = cost_s(version, 8), cost_s(version, 2)
    budget_s = 50 * whole_s
    lengths = []
    computing: deque[tuple[float, Ticket]] = deque()  # until when
    for _ in range(3_000):
        now_s += whole_s / 10
        while computing and computing[0][0] <= now_s:
            admission.leave(computing.popleft()[1], computed=True)
        with suppress(Overloaded):
            ticket = admission.enter("normal", Deadline(now_s + budget_s), least_s)
            lengths.append(len(as_much_as_fits(admission, ticket, version, FEATURES).behaviors))
            begins_s = computing[-1][0] if computing else now_s
            computing.append((begins_s + ticket.cost_s, ticket))

    lasting = lengths[len(lengths) // 2 :]
    assert lasting.count(2) / len(lasting) > 0.9


def test_when_even_the_shortest_would_be_late_the_request_is_refused(version):
    room_s = SHARE_ONCE_IN * BUDGET_S - cost_s(version, 2)

    assert kept(version, room_s - 1e-6) == 2
    assert kept(version, room_s + 1e-6) == 0


def test_a_request_that_is_late_is_not_refused_but_late(version):
    admission = Admission(threads=1)
    admission.enter("high", Deadline.after(0.0), BUDGET_S)

    user = as_much_as_fits(admission, Ticket("low", Deadline.after(-1), 0.0), version, FEATURES)

    assert user is FEATURES.user
