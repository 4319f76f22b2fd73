"""However often somebody tries, there are no more attempts in any second than were allowed."""

from hypothesis import given
from hypothesis import strategies as st

from app.features.connect_budget import ConnectBudget


@given(
    allowed=st.integers(1, 5),
    gaps_s=st.lists(st.floats(0, 1.5), max_size=60),
)
def test_no_second_has_more_attempts_than_allowed(allowed, gaps_s):
    now_s = 0.0
    budget = ConnectBudget(allowed, clock=lambda: now_s)
    made_s = []
    for gap_s in gaps_s:
        now_s += gap_s
        if budget.take():
            made_s.append(now_s)

    for start_s in made_s:
        assert sum(start_s <= one_s < start_s + 1 for one_s in made_s) <= allowed


def test_after_a_second_there_are_attempts_again():
    now_s = 0.0
    budget = ConnectBudget(2, clock=lambda: now_s)
    assert [budget.take() for _ in range(3)] == [True, True, False]

    now_s = 1.0

    assert [budget.take() for _ in range(3)] == [True, True, False]


def test_how_long_to_wait_for_the_next_attempt_is_known():
    now_s = 0.0
    budget = ConnectBudget(2, clock=lambda: now_s)
    assert budget.take()
    now_s = 0.25
    assert (budget.room_in_s(), budget.take()) == (0.0, True)
    now_s = 0.5

    room_in_s = budget.room_in_s()

    assert not budget.take()
    assert room_in_s == 0.5
    now_s += room_in_s
    assert budget.take()
