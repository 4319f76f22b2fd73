"""The click loss against loops in double precision."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.training.losses import click_loss
from app.training.options import LossOptions

rows = st.lists(
    st.tuples(st.floats(-30, 30), st.sampled_from([0.0, 1.0]), st.floats(0.1, 2.0)),
    min_size=1,
    max_size=8,
)


def naive_loss(row: tuple[float, float, float], options: LossOptions) -> float:
    logit, label, weight = row
    p = 1 / (1 + math.exp(-logit))
    right = p if label else 1 - p
    missed = (1 - p) if label else p
    if label:
        weight *= options.positive_weight
    return -weight * missed**options.focal_gamma * math.log(right)


def loss_of(given: list[tuple[float, float, float]], options: LossOptions) -> float:
    logits, labels, weights = torch.tensor(given, dtype=torch.float64).T
    return click_loss(logits, labels, weights, options).item()


@given(rows, st.floats(0.1, 20), st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]))
def test_it_is_the_sum_of_the_formula(
    given: list[tuple[float, float, float]], positive_weight: float, gamma: float
) -> None:
    options = LossOptions(positive_weight=positive_weight, focal_gamma=gamma)

    expected = sum(naive_loss(row, options) for row in given)

    assert loss_of(given, options) == pytest.approx(expected, rel=1e-4, abs=1e-7)


@given(rows)
def test_by_default_it_is_the_cross_entropy(given: list[tuple[float, float, float]]) -> None:
    logits, labels, weights = torch.tensor(given, dtype=torch.float64).T

    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, labels, weights, reduction="sum"
    )

    assert loss_of(given, LossOptions()) == expected.item()


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_even_a_certain_prediction_has_a_gradient(gamma: float) -> None:
    logits_C = torch.tensor([200.0, -200.0, 200.0], requires_grad=True)
    labels_C = torch.tensor([1.0, 0.0, 0.0])

    click_loss(logits_C, labels_C, torch.ones(3), LossOptions(focal_gamma=gamma)).backward()

    assert logits_C.grad is not None
    np.testing.assert_allclose(logits_C.grad.numpy(), [0, 0, 1], atol=1e-5)


def test_the_auxiliary_weight_decays_from_the_second_epoch_on() -> None:
    options = LossOptions(auxiliary_weight=0.2, auxiliary_decay=0.5)

    assert [options.auxiliary_weight_of(epoch) for epoch in (1, 2, 3)] == [0.2, 0.1, 0.05]
