"""DIN gives what one-candidate-at-a-time loops give, in every variant of its configuration."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch

from app.models.din.config import DinConfig
from tests.models.builders import BARE_SCHEMA, FULL_SCHEMA
from tests.models.comparison import assert_equals_naive_loops
from tests.models.configs import ACTIVATIONS, FIELD_GROUPS, describe, draw


def structures() -> Iterator[DinConfig]:
    """Every combination but those of activations, fields and context, which are drawn."""
    rng = np.random.default_rng(0)
    for attention, softmax, projection, pooling, cold_interest in product(
        ["mlp", "bilinear", "dot", "multi_head"],
        [True, False],
        [True, False],
        [True, False],
        [True, False],
    ):
        yield DinConfig(
            field_groups=draw(rng, FIELD_GROUPS),
            attention=attention,
            attention_units=(6, 3),
            attention_activation=draw(rng, ACTIVATIONS),
            attention_heads=2,
            attention_softmax=softmax,
            self_attention_heads=draw(rng, [0, 0, 1, 2]),
            position_aware=draw(rng, [False, True]),
            query_projection=projection,
            sum_pooling=pooling,
            cold_interest=cold_interest,
            mlp_units=(7, 5),
            mlp_activation=draw(rng, ACTIVATIONS),
        )


STRUCTURES = tuple(structures())


@pytest.mark.parametrize("config", STRUCTURES, ids=describe)
def test_every_structure_scores_and_attends_as_the_loops_do(config):
    assert_equals_naive_loops(config, FULL_SCHEMA)


@pytest.mark.parametrize("config", STRUCTURES[::5], ids=describe)
def test_in_single_precision_it_is_close_to_the_loops(config):
    assert_equals_naive_loops(config, BARE_SCHEMA, torch.float32)


@pytest.mark.parametrize("mlp_activation", ACTIVATIONS)
@pytest.mark.parametrize("attention_activation", ACTIVATIONS)
def test_every_pair_of_activations_scores_and_attends_as_the_loops_do(
    attention_activation, mlp_activation
):
    config = DinConfig(
        attention_units=(6, 3),
        attention_activation=attention_activation,
        mlp_units=(7, 5),
        mlp_activation=mlp_activation,
    )

    assert_equals_naive_loops(config, FULL_SCHEMA)


def test_the_default_sizes_score_and_attend_as_the_loops_do():
    assert_equals_naive_loops(DinConfig(), FULL_SCHEMA)
