"""Who comes in when more is asked than can be done: by deadline, cost and priority."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.deadline import Deadline
from app.errors import Overloaded
from app.inference.admission import GUARANTEED_SHARE, PRIORITIES, SHARES, Admission
from app.inference.capacity import WINDOW_S, Capacity


class Clock:
    """Time that a test lets pass."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admission(clock) -> Admission:
    """Two seconds of compute per second."""
    return Admission(threads=2, monotonic_s=clock)


def due_in(clock: Clock, seconds: float) -> Deadline:
    return Deadline(clock() + seconds)


def let_in(admission: Admission, clock: Clock, priority, *, cost_s: float, within_s: float):
    """As many as come in one after the other."""
    tickets = []
    while True:
        try:
            tickets.append(admission.enter(priority, due_in(clock, within_s), cost_s))
        except Overloaded:
            return tickets


@pytest.mark.parametrize("priority", PRIORITIES)
def test_each_priority_fills_its_share_of_the_time(admission, clock, priority):
    tickets = let_in(admission, clock, priority, cost_s=0.01, within_s=1.0)

    assert sum(ticket.cost_s for ticket in tickets) == pytest.approx(
        2 * SHARES[priority], abs=0.011
    )


def test_the_less_important_leave_room_for_the_more_important(admission, clock):
    let_in(admission, clock, "low", cost_s=0.01, within_s=1.0)

    assert len(let_in(admission, clock, "normal", cost_s=0.01, within_s=1.0)) >= 25
    assert len(let_in(admission, clock, "high", cost_s=0.01, within_s=1.0)) >= 25


def test_nobody_starves(admission, clock):
    let_in(admission, clock, "high", cost_s=0.01, within_s=1.0)

    low = let_in(admission, clock, "low", cost_s=0.01, within_s=1.0)

    assert sum(ticket.cost_s for ticket in low) == pytest.approx(2 * GUARANTEED_SHARE, abs=0.011)


def test_an_idle_service_tries_whatever_was_predicted(admission, clock):
    ticket = admission.enter("low", due_in(clock, 0.01), 100.0)

    with pytest.raises(Overloaded, match=r"100\.000 s of work are ahead"):
        admission.enter("high", due_in(clock, 0.5), 0.001)
    admission.leave(ticket, computed=True)
    assert admission.in_flight_s == 0


def test_work_that_is_due_later_is_not_in_the_way(admission, clock):
    let_in(admission, clock, "normal", cost_s=0.1, within_s=60.0)

    admission.enter("normal", due_in(clock, 0.1), 0.01)


def test_the_refusal_says_when_to_come_back(admission, clock):
    admission.enter("high", due_in(clock, 10.0), 7.9)

    with pytest.raises(Overloaded) as refusal:
        admission.enter("high", due_in(clock, 10.0), 7.9)
    assert refusal.value.retry_after_s == 4


def test_what_is_known_later_replaces_the_guess(admission, clock):
    first = admission.enter("normal", due_in(clock, 1.0), 0.0)
    admission.now_costs(first, 0.9)

    assert admission.in_flight_s == pytest.approx(0.9)
    second = admission.enter("normal", due_in(clock, 1.0), 0.0)
    room_s = 2 * SHARES["normal"] - 0.9
    admission.now_costs(second, room_s + 0.01)
    assert not admission.fits(second, 1.0)
    admission.now_costs(second, room_s - 0.01)
    assert admission.fits(second, 1.0)


def test_a_part_of_the_share_is_full_before_the_share_is(admission, clock):
    admission.enter("normal", due_in(clock, 1.0), 2 * SHARES["normal"] / 2)
    ticket = admission.enter("normal", due_in(clock, 1.0), 0.01)

    assert [part for part in (0.25, 0.5, 0.75, 1.0) if admission.fits(ticket, part)] == [0.75, 1.0]


def test_what_is_guaranteed_is_an_answer_and_not_a_place_among_the_first(admission, clock):
    let_in(admission, clock, "high", cost_s=0.01, within_s=1.0)

    ticket = admission.enter("low", due_in(clock, 1.0), 0.01)

    assert not admission.fits(ticket, 1.0)
    admission.check(ticket)


def test_who_is_in_is_not_refused_for_the_time_that_has_passed_since(admission, clock):
    tickets = let_in(admission, clock, "low", cost_s=0.01, within_s=1.0)
    clock.now_s += 0.4

    admission.check(tickets[-1])


def test_who_is_in_is_refused_once_there_is_too_little_time(admission, clock):
    tickets = let_in(admission, clock, "low", cost_s=0.01, within_s=1.0)
    clock.now_s += 0.65

    with pytest.raises(Overloaded, match=r"are ahead, too much for the 0\.350 s"):
        admission.check(tickets[-1])


def test_leaving_twice_counts_once(admission, clock):
    ticket = admission.enter("normal", due_in(clock, 1.0), 0.5)
    admission.enter("normal", due_in(clock, 1.0), 0.25)

    admission.leave(ticket, computed=False)
    admission.leave(ticket, computed=False)

    assert (admission.in_flight, admission.in_flight_s) == (1, 0.25)


steps = st.lists(
    st.tuples(st.sampled_from(PRIORITIES), st.floats(0, 0.2), st.floats(0.01, 2), st.booleans()),
    max_size=200,
)


@given(steps)
def test_what_is_owed_is_always_the_work_of_those_who_are_in(moves):
    clock = Clock()
    admission, tickets = Admission(threads=2, monotonic_s=clock), []
    for priority, cost_s, seconds, leaves in moves:
        clock.now_s += seconds / 10
        if leaves and tickets:
            admission.leave(tickets.pop(0), computed=leaves)
        else:
            try:
                tickets.append(admission.enter(priority, due_in(clock, seconds), cost_s))
            except Overloaded:
                assert tickets  # an empty service refuses nobody
    assert admission.in_flight == len(tickets)
    assert admission.in_flight_s == pytest.approx(sum(one.cost_s for one in tickets), abs=1e-9)


def test_capacity_is_learned_from_what_is_finished_while_there_is_enough_to_do(clock):
    capacity = Capacity(2, saturating_jobs=4, monotonic_s=clock)
    capacity.in_flight(10)
    for _ in range(1_000):  # 100 jobs a second of 12 ms
        clock.now_s += 0.01
        capacity.finished(0.012)

    assert capacity.per_s == pytest.approx(1.2, rel=0.05)


def test_batches_that_take_less_than_their_jobs_one_by_one_make_more_capacity(clock):
    capacity = Capacity(1, saturating_jobs=2, monotonic_s=clock)
    capacity.in_flight(64)
    for _ in range(1_000):  # batches of 20 ms, of 32 jobs of 10 ms each
        clock.now_s += 0.02
        for _ in range(32):
            capacity.finished(0.01)

    assert capacity.per_s == pytest.approx(16, rel=0.05)


def test_capacity_learns_nothing_from_a_service_that_has_little_to_do(clock):
    capacity = Capacity(2, saturating_jobs=4, monotonic_s=clock)
    for _ in range(100):
        capacity.in_flight(1)
        clock.now_s += 1.0
        capacity.finished(0.001)

    assert capacity.per_s == 2.0


def test_a_pause_ends_what_was_being_learned(clock):
    capacity = Capacity(2, saturating_jobs=4, monotonic_s=clock)
    capacity.in_flight(10)
    capacity.in_flight(3)
    clock.now_s += 100.0
    capacity.in_flight(10)
    for _ in range(8):
        clock.now_s += WINDOW_S / 8
        capacity.finished(2 * WINDOW_S / 8)

    assert capacity.per_s == pytest.approx(2.0)


def test_a_slow_time_is_forgotten_when_there_is_little_to_do(clock):
    capacity = Capacity(2, saturating_jobs=4, monotonic_s=clock)
    capacity.in_flight(10)
    for _ in range(1_000):
        clock.now_s += 0.01
        capacity.finished(0.001)
    slow = capacity.per_s

    capacity.in_flight(1)
    clock.now_s += 20.0
    capacity.finished(0.001)

    assert slow < 0.2
    assert capacity.per_s == pytest.approx(2.0)
