"""Index plans of ragged sequences against the loops they replace."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from app.models.layers.ragged import RaggedPairs, StepPlan, starts_of

lengths_of_some = st.lists(st.integers(0, 6), max_size=8)


@st.composite
def lengths_and_users(draw):
    lengths = draw(st.lists(st.integers(0, 5), min_size=1, max_size=5))
    users = draw(st.lists(st.integers(0, len(lengths) - 1), max_size=8))
    return lengths, users


def as_rows(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.long)


def pairs_of(lengths: list[int], users: list[int]) -> RaggedPairs:
    return RaggedPairs.of(as_rows(lengths), as_rows(users))


@given(lengths_of_some)
def test_a_sequence_starts_where_the_ones_before_it_end(lengths):
    starts = starts_of(as_rows(lengths)).tolist()

    assert starts == [sum(lengths[:row]) for row in range(len(lengths))]


@given(lengths_of_some)
def test_a_step_runs_exactly_the_sequences_that_have_it(lengths):
    plan = StepPlan.of(as_rows(lengths))

    assert len(plan.running) == max(lengths, default=0)
    for step, running in enumerate(plan.running):
        having_it = {row for row, length in enumerate(lengths) if length > step}
        assert set(plan.order_R[:running].tolist()) == having_it


@given(lengths_of_some)
def test_a_walk_takes_every_step_of_every_sequence_once_and_in_order(lengths):
    plan = StepPlan.of(as_rows(lengths))

    walked = list(zip(plan.order_R[plan.rank_P].tolist(), plan.step_P.tolist(), strict=True))

    assert sorted(walked) == [
        (row, step) for row, length in enumerate(lengths) for step in range(length)
    ]
    assert [step for _, step in walked] == sorted(step for _, step in walked)
    assert plan.rows(starts_of(as_rows(lengths))).tolist() == [
        sum(lengths[:row]) + step for row, step in walked
    ]


@given(lengths_of_some.filter(any))
def test_a_walk_knows_where_each_sequence_ends(lengths):
    lengths_R = as_rows(lengths)
    plan = StepPlan.of(lengths_R)
    values_RT = torch.arange(100 * len(lengths)).reshape(len(lengths), 100)
    values_P = plan.steps(values_RT)

    last = values_P[plan.last(lengths_R > 0)].tolist()

    assert last == [100 * row + length - 1 for row, length in enumerate(lengths) if length]


@given(lengths_and_users())
def test_every_candidate_is_paired_with_each_behavior_of_its_user(lengths_users):
    lengths, users = lengths_users
    expected = [
        (candidate, step, sum(lengths[:user]) + step)
        for candidate, user in enumerate(users)
        for step in range(lengths[user])
    ]

    pairs = pairs_of(lengths, users)

    columns = (pairs.candidate_P, pairs.step_P, pairs.behavior_P)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected


@given(lengths_and_users())
def test_padding_puts_every_pair_at_its_step_and_the_fill_elsewhere(lengths_users):
    lengths, users = lengths_users
    longest = max((lengths[user] for user in users), default=0)
    pairs = pairs_of(lengths, users)

    padded_CT = pairs.to_padded(1.0 + pairs.step_P.double(), fill=-7.0)

    assert padded_CT.shape == (len(users), longest)
    assert padded_CT.tolist() == [
        [1.0 + step if step < lengths[user] else -7.0 for step in range(longest)] for user in users
    ]


@given(lengths_and_users())
def test_a_candidates_sum_is_over_its_own_pairs(lengths_users):
    lengths, users = lengths_users
    pairs = pairs_of(lengths, users)

    sums_CH = pairs.sum_per_candidate(1.0 + pairs.behavior_P.double().unsqueeze(1))

    assert sums_CH.squeeze(1).tolist() == [
        sum(1.0 + sum(lengths[:user]) + step for step in range(lengths[user])) for user in users
    ]
