"""A score never depends on its neighbors: alone or in any batch, a request gets the same."""

from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.builders import (
    TensorBatch,
    batch_of,
    draw_candidates,
    draw_users,
    encode,
    make_model,
    score,
)
from tests.models.configs import each_config

# U users, C candidates, T steps

TOLERANCE = 1e-6


@st.composite
def batches(draw):
    """Users of any history length; candidates of any of them, in any order, some users unasked."""
    lengths = draw(st.lists(st.integers(0, 7), min_size=1, max_size=5))
    user = st.integers(0, len(lengths) - 1)
    seed = draw(st.integers(0, 1_000))
    candidates = draw_candidates(draw(st.lists(user, max_size=8)), seed=seed)
    return draw_users(lengths, seed=seed), candidates


def answer(model, batch: TensorBatch) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        logits_C, attention_CT = score(model, batch)
    return logits_C.sigmoid(), attention_CT


def assert_same_answers(ctr_C, attention_CT, *, together: tuple[torch.Tensor, torch.Tensor]):
    """Attention is compared to the end of the longer padding: past the shorter one it is zero."""
    all_ctr_C, all_attention_CT = together
    torch.testing.assert_close(ctr_C, all_ctr_C, rtol=0, atol=TOLERANCE)
    longer = all_attention_CT.shape[1] - attention_CT.shape[1]
    padded_CT = torch.nn.functional.pad(attention_CT, (0, longer))
    torch.testing.assert_close(padded_CT, all_attention_CT, rtol=0, atol=TOLERANCE)


@each_config
@given(batch=batches())
@settings(deadline=None, max_examples=15)
def test_a_request_alone_scores_as_in_a_batch(config, batch):
    model = make_model(config)
    users, candidates = batch
    ctr_C, attention_CT = answer(model, batch_of(users, candidates))

    for row, user in enumerate(users):
        own = [index for index, candidate in enumerate(candidates) if candidate.user == row]
        request = batch_of([user], [replace(candidates[index], user=0) for index in own])
        assert_same_answers(*answer(model, request), together=(ctr_C[own], attention_CT[own]))


@each_config
@given(batch=batches())
@settings(deadline=None, max_examples=8)
def test_a_candidate_alone_scores_as_among_others(config, batch):
    model = make_model(config)
    users, candidates = batch
    ctr_C, attention_CT = answer(model, batch_of(users, candidates))

    for row, candidate in enumerate(candidates):
        alone = batch_of([users[candidate.user]], [replace(candidate, user=0)])
        assert_same_answers(*answer(model, alone), together=(ctr_C[[row]], attention_CT[[row]]))


@each_config
@given(batch=batches(), data=st.data())
@settings(deadline=None, max_examples=8)
def test_the_order_of_users_and_candidates_only_orders_the_answers(config, batch, data):
    model = make_model(config)
    users, candidates = batch
    user_order = data.draw(st.permutations(range(len(users))))
    candidate_order = data.draw(st.permutations(range(len(candidates))))
    moved = [
        replace(candidates[index], user=user_order.index(candidates[index].user))
        for index in candidate_order
    ]
    ctr_C, attention_CT = answer(model, batch_of(users, candidates))

    shuffled = answer(model, batch_of([users[row] for row in user_order], moved))

    expected = (ctr_C[candidate_order], attention_CT[candidate_order])
    assert_same_answers(*shuffled, together=expected)


@each_config
def test_user_states_are_good_for_more_than_one_set_of_candidates(config):
    model = make_model(config)
    users = draw_users([5, 0, 2])
    first, second = draw_candidates([0, 1, 2], seed=1), draw_candidates([2, 0], seed=2)
    ctr_C, attention_CT = answer(model, batch_of(users, first + second))

    with torch.inference_mode():
        user_states = encode(model, batch_of(users, []))
        in_turns = [
            model.score(user_states, batch.candidates, batch.user_of_C)
            for batch in (batch_of(users, first), batch_of(users, second))
        ]

    for (logits_C, own_CT), rows in zip(in_turns, [slice(0, 3), slice(3, 5)], strict=True):
        expected = (ctr_C[rows], attention_CT[rows])
        assert_same_answers(logits_C.sigmoid(), own_CT, together=expected)


@each_config
def test_different_users_get_different_scores(config):
    """Otherwise everything above would hold for a constant."""
    model = make_model(config)
    users = draw_users([5, 4, 3, 0, 1])

    ctr_C, _ = answer(model, batch_of(users, draw_candidates(range(5))))

    assert ctr_C.std() > 0.01
