"""DSIN gives what one-candidate-at-a-time loops give, in every variant of its configuration."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch

from app.models.dsin.config import DsinConfig
from tests.models.builders import BARE_SCHEMA, FULL_SCHEMA
from tests.models.comparison import assert_equals_naive_loops
from tests.models.configs import ACTIVATIONS, FIELD_GROUPS, describe, draw

GAPS_S = (59, 1_800)  # with the first one every behavior is a session of its own


def structures() -> Iterator[DsinConfig]:
    """Every combination of sessions and attention; what else there is, is drawn."""
    rng = np.random.default_rng(0)
    for sessions, behaviors, attention, softmax, heads in product(
        [1, 2, 10], [1, 2, 10], ["mlp", "bilinear", "dot", "multi_head"], [True, False], [1, 2]
    ):
        yield DsinConfig(
            field_groups=draw(rng, FIELD_GROUPS),
            attention=attention,
            attention_units=(6, 3),
            attention_activation=draw(rng, ACTIVATIONS),
            attention_heads=2,
            attention_softmax=softmax,
            self_attention_heads=draw(rng, [0, 0, 1, 2]),
            position_aware=draw(rng, [False, True]),
            query_projection=attention in ("mlp", "dot") or draw(rng, [True, False]),
            session_gap_s=draw(rng, GAPS_S),
            max_sessions=sessions,
            max_session_behaviors=behaviors,
            session_heads=heads,
            hidden_size=draw(rng, [2, 4]),
            mlp_units=(7, 5),
            mlp_activation=draw(rng, ACTIVATIONS),
        )


STRUCTURES = tuple(structures())


@pytest.mark.parametrize("config", STRUCTURES, ids=describe)
def test_every_structure_scores_and_attends_as_the_loops_do(config):
    assert_equals_naive_loops(config, FULL_SCHEMA)


@pytest.mark.parametrize("config", STRUCTURES[::11], ids=describe)
def test_in_single_precision_it_is_close_to_the_loops(config):
    assert_equals_naive_loops(config, BARE_SCHEMA, torch.float32)


@pytest.mark.parametrize("attention", ["mlp", "dot"])
def test_unprojected_queries_may_be_as_wide_as_both_directions(attention):
    config = DsinConfig(
        attention=attention,
        attention_units=(6, 3),
        query_projection=False,
        session_heads=2,
        hidden_size=3,
        mlp_units=(7, 5),
    )

    assert_equals_naive_loops(config, FULL_SCHEMA)


def test_the_default_sizes_score_and_attend_as_the_loops_do():
    assert_equals_naive_loops(DsinConfig(session_heads=2), FULL_SCHEMA)
