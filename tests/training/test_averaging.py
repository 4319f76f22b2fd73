"""Averaged weights follow the trained ones, and Dice's statistics follow the weights."""

import pytest
import torch
from torch import nn

from app.core.schema import FeatureSchema, SparseField
from app.models.factory import Model, build_model
from app.training.averaging import AveragedModel
from app.training.running_statistics import settle_statistics
from tests.training.builders import SMALL_DIEN, ragged_batch

SCHEMA = FeatureSchema(
    behavior_fields=(
        SparseField(name="item_id", embedding_dim=4, rows=9),
        SparseField(name="category_id", embedding_dim=4, rows=9),
    )
)


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return build_model(SMALL_DIEN, SCHEMA)


def share_of_the_first(model: Model, decay: float, steps: int) -> float:
    """How much is left in the average of a weight that the first step took from 1 to 0."""
    bias = model.mlp.layers[0].bias
    nn.init.ones_(bias)
    averaged = AveragedModel(model, decay)
    nn.init.zeros_(bias)
    for _ in range(steps):
        averaged.update()
    return float(averaged.model.mlp.layers[0].bias[0])


def test_without_averaging_only_the_last_weights_count(model: Model) -> None:
    assert share_of_the_first(model, decay=0.0, steps=1) == 0.0


def test_the_start_is_forgotten_soon(model: Model) -> None:
    assert share_of_the_first(model, decay=0.999, steps=1) == pytest.approx(0.1)


def test_old_weights_are_forgotten_at_the_given_rate(model: Model) -> None:
    earlier, later = (share_of_the_first(model, decay=0.5, steps=steps) for steps in (12, 13))

    assert later == pytest.approx(0.5 * earlier)


def test_the_average_remembers_no_gradients(model: Model) -> None:
    averaged = AveragedModel(model, 0.9)

    averaged.update()

    assert not any(weight.requires_grad for weight in averaged.model.parameters())


def test_settled_statistics_are_the_means_over_the_batches(model: Model) -> None:
    batches = [ragged_batch(seed, users=5) for seed in range(3)]
    inputs: list[torch.Tensor] = []
    dice = model.mlp.layers[1]
    dice.register_forward_hook(lambda _, given, __: inputs.append(given[0]))

    settle_statistics(model, batches)

    expected = torch.stack([x.mean(dim=0) for x in inputs]).mean(dim=0)
    torch.testing.assert_close(dice.statistics.running_mean, expected)
    assert dice.statistics.momentum == 0.01


def test_settling_does_not_touch_the_weights(model: Model) -> None:
    before = {name: value.clone() for name, value in model.named_parameters()}

    settle_statistics(model, [ragged_batch(0, users=5)])

    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
