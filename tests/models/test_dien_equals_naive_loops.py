"""DIEN gives what one-candidate-at-a-time loops give, in every variant of its configuration."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch

from app.models.dien.config import DienConfig
from tests.models.builders import BARE_SCHEMA, FULL_SCHEMA
from tests.models.comparison import assert_equals_naive_loops
from tests.models.configs import ACTIVATIONS, FIELD_GROUPS, describe, draw

RECURRENCES = [
    *product(["augru"], ["paper", "official"], [True, False]),
    *product(["agru", "aigru", "gru"], ["paper"], [True, False]),
]


def structures() -> Iterator[DienConfig]:
    """Every combination of recurrence and attention; what else there is, is drawn."""
    rng = np.random.default_rng(0)
    for (evolution, augru, softmax), reset_gate, attention, projection in product(
        RECURRENCES, ["after", "before"], ["mlp", "bilinear", "dot", "multi_head"], [True, False]
    ):
        needs_equal_widths = attention in ("mlp", "dot") and not projection
        yield DienConfig(
            field_groups=draw(rng, FIELD_GROUPS),
            hidden_size=None if needs_equal_widths else draw(rng, [4, None]),
            evolution=evolution,
            augru=augru,
            reset_gate=reset_gate,
            attention=attention,
            attention_units=(6, 3),
            attention_activation=draw(rng, ACTIVATIONS),
            attention_heads=2,
            attention_softmax=softmax,
            self_attention_heads=draw(rng, [0, 0, 1, 2]),
            position_aware=draw(rng, [False, True]),
            query_projection=projection,
            sum_pooling=draw(rng, [False, True]),
            mlp_units=(7, 5),
            mlp_activation=draw(rng, ACTIVATIONS),
        )


STRUCTURES = tuple(structures())


@pytest.mark.parametrize("config", STRUCTURES, ids=describe)
def test_every_structure_scores_and_attends_as_the_loops_do(config):
    assert_equals_naive_loops(config, FULL_SCHEMA)


@pytest.mark.parametrize("config", STRUCTURES[::7], ids=describe)
def test_in_single_precision_it_is_close_to_the_loops(config):
    assert_equals_naive_loops(config, BARE_SCHEMA, torch.float32)


@pytest.mark.parametrize("reset_gate", ["after", "before"])
@pytest.mark.parametrize("hidden_size", [4, None])
@pytest.mark.parametrize("field_groups", FIELD_GROUPS)
def test_the_last_state_of_two_grus_scores_as_the_loops_do(field_groups, hidden_size, reset_gate):
    config = DienConfig(
        field_groups=field_groups,
        hidden_size=hidden_size,
        evolution="gru_last_state",
        reset_gate=reset_gate,
        mlp_units=(7, 5),
    )

    assert_equals_naive_loops(config, FULL_SCHEMA)


@pytest.mark.parametrize(
    ("attention_units", "mlp_units"), [((6,), ()), ((6,), (7,)), ((6, 4, 3), (7, 6, 5))]
)
def test_every_depth_scores_and_attends_as_the_loops_do(attention_units, mlp_units):
    config = DienConfig(hidden_size=4, attention_units=attention_units, mlp_units=mlp_units)

    assert_equals_naive_loops(config, FULL_SCHEMA)


def test_the_default_sizes_score_and_attend_as_the_loops_do():
    assert_equals_naive_loops(DienConfig(), FULL_SCHEMA)
