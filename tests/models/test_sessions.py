"""Silence cuts a history into sessions, of which the newest are kept: as a loop would do it."""

from itertools import accumulate

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.models.layers.sessions import RaggedSessions, cut_sessions
from tests.models.naive_sessions import newest_sessions
from tests.models.session_histories import GAP_S, histories

Positions = list[list[int]]  # of one user's behaviors, per session


def cut(
    users: list[list[int]], *, max_sessions: int = 10, max_behaviors: int = 10
) -> RaggedSessions:
    return cut_sessions(
        torch.tensor([second for seconds in users for second in seconds], dtype=torch.long),
        torch.tensor([len(seconds) for seconds in users], dtype=torch.long),
        gap_s=GAP_S,
        max_sessions=max_sessions,
        max_session_behaviors=max_behaviors,
    )


def by_user(sessions: RaggedSessions, lengths: list[int]) -> list[Positions]:
    """The sessions as lists of positions within each user's history."""
    rows = iter(
        [session.tolist() for session in sessions.behavior_M.split(sessions.lengths_S.tolist())]
    )
    first_rows = accumulate(lengths, initial=0)
    return [
        [[row - first for row in next(rows)] for _ in range(count)]
        for count, first in zip(sessions.sessions_U.tolist(), first_rows, strict=False)
    ]


@given(st.lists(histories, max_size=6), st.integers(1, 4), st.integers(1, 4))
def test_sessions_are_those_of_a_loop_over_each_history(users, max_sessions, max_behaviors):
    expected = [
        newest_sessions(
            seconds,
            gap_s=GAP_S,
            max_sessions=max_sessions,
            max_session_behaviors=max_behaviors,
        )
        for seconds in users
    ]

    sessions = cut(users, max_sessions=max_sessions, max_behaviors=max_behaviors)

    assert by_user(sessions, [len(seconds) for seconds in users]) == expected


@given(st.lists(histories, max_size=6), st.integers(1, 4), st.integers(1, 4))
def test_every_kept_behavior_knows_its_session_and_every_user_the_first_one(
    users, max_sessions, max_behaviors
):
    sessions = cut(users, max_sessions=max_sessions, max_behaviors=max_behaviors)

    counts, lengths = sessions.sessions_U.tolist(), sessions.lengths_S.tolist()
    assert sessions.count == len(lengths) == sum(counts)
    assert sessions.first_session_U.tolist() == [sum(counts[:user]) for user in range(len(users))]
    assert sessions.session_M.tolist() == [
        session for session, length in enumerate(lengths) for _ in range(length)
    ]


@given(histories, histories)
def test_a_neighbor_changes_nothing(seconds, others):
    (alone,) = by_user(cut([seconds]), [len(seconds)])

    sessions = cut([others, seconds, others])

    lengths = [len(others), len(seconds), len(others)]
    assert by_user(sessions, lengths)[1] == alone


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param([], [], id="no behavior"),
        pytest.param([5], [[0]], id="a single behavior"),
        pytest.param([0, GAP_S], [[0, 1]], id="exactly the gap does not cut"),
        pytest.param([0, GAP_S + 1], [[0], [1]], id="a second more cuts"),
        pytest.param([7, 7, 7], [[0, 1, 2]], id="equal times"),
        pytest.param([9 * GAP_S, 0, 1], [[0, 1, 2]], id="time that runs backwards does not cut"),
        pytest.param([9 * GAP_S, 0, GAP_S + 1], [[0, 1], [2]], id="but silence after it does"),
        pytest.param([0, 2**32 - 1], [[0], [1]], id="first and last second"),
    ],
)
def test_where_a_session_ends(seconds, expected):
    assert by_user(cut([seconds]), [len(seconds)]) == [expected]


def test_users_without_behaviors_between_others_have_no_session():
    sessions = cut([[], [1, 2], [], [], [3], []])

    assert sessions.sessions_U.tolist() == [0, 1, 0, 0, 1, 0]
    assert sessions.first_session_U.tolist() == [0, 0, 1, 1, 1, 2]
    assert sessions.behavior_M.tolist() == [0, 1, 2]


def test_the_newest_sessions_and_of_each_the_newest_behaviors_are_kept():
    day_s = 86_400
    seconds = [0, 1, 2, day_s, day_s + 1, day_s + 2, 2 * day_s]

    sessions = cut([seconds], max_sessions=2, max_behaviors=2)

    assert by_user(sessions, [len(seconds)]) == [[[4, 5], [6]]]


def test_nobody_has_no_sessions():
    assert cut([]).count == 0
