"""Attention is a share of each user's own behaviors, and exactly nothing past them."""

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.models.dien.config import DienConfig
from app.models.layers.attention import DotAttention, softmax_over_behaviors
from app.models.layers.attention_config import AttentionName
from app.models.layers.ragged import RaggedPairs
from tests.models.builders import (
    batch_of,
    draw_candidates,
    draw_users,
    make_model,
    score,
)
from tests.models.configs import CONFIGS

KINDS = {
    kind: DienConfig(hidden_size=4, attention=kind, attention_units=(6, 3), mlp_units=(7,))
    for kind in get_args(AttentionName)
}

some_lengths = st.lists(st.integers(0, 7), min_size=1, max_size=6)


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS.keys())
@given(lengths=some_lengths)
@settings(deadline=None, max_examples=30)
def test_attention_sums_to_one_over_the_behaviors_and_is_zero_past_them(config, lengths):
    batch = batch_of(draw_users(lengths), draw_candidates(range(len(lengths))))

    with torch.inference_mode():
        _, attention_CT = score(make_model(config), batch)

    for length, row_T in zip(lengths, attention_CT, strict=True):
        assert (row_T[:length] > 0).all()
        assert (row_T[length:] == 0).all()
        assert row_T.sum().item() == pytest.approx(1.0 if length else 0.0, abs=1e-6)


@given(lengths=some_lengths)
@settings(deadline=None, max_examples=30)
def test_raw_attention_is_zero_past_the_behaviors(lengths):
    model = make_model(CONFIGS["aigru_without_softmax"])
    batch = batch_of(draw_users(lengths), draw_candidates(range(len(lengths))))

    with torch.inference_mode():
        _, attention_CT = score(model, batch)

    for length, row_T in zip(lengths, attention_CT, strict=True):
        assert (row_T[:length] != 0).all()
        assert (row_T[length:] == 0).all()


@pytest.mark.parametrize("scale", [1e4, 1e20])
def test_huge_scores_neither_overflow_nor_leak_past_the_behaviors(scale):
    pairs = RaggedPairs.of(torch.tensor([3, 1]), torch.tensor([0, 1, 0]))
    scores_P = scale * torch.tensor([-1.0, -2.0, -3.0, -1.0, 3.0, 2.0, 1.0])

    attention_CT = softmax_over_behaviors(scores_P.unsqueeze(1), pairs)

    assert attention_CT.tolist() == [[1.0, 0.0, 0.0]] * 3


def test_equal_behaviors_share_attention_equally():
    pairs = RaggedPairs.of(torch.tensor([4, 2]), torch.tensor([1, 0]))

    attention_CT = softmax_over_behaviors(torch.full((6, 1), 0.7), pairs)

    assert attention_CT.tolist() == [[0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]]


def test_the_behavior_most_like_the_candidate_gets_most_dot_attention():
    pairs = RaggedPairs.of(torch.tensor([3]), torch.tensor([0]))
    interests_NH = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    attend = DotAttention()
    query_CH = torch.tensor([[0.0, 2.0]])

    scores_P1 = attend(query_CH, interests_NH, attend.prepare_keys(interests_NH), pairs)

    assert scores_P1.tolist() == [[0.0], [2.0], [0.0]]
