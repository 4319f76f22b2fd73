"""DIEN gives what one-candidate-at-a-time loops give, in every variant of its configuration."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch

from app.core.schema import FeatureSchema
from app.models.dien.config import DienConfig
from tests.models.builders import (
    BARE_SCHEMA,
    EMBEDDING,
    FULL_SCHEMA,
    batch_of,
    draw_candidates,
    draw_users,
    make_dien,
    score,
)
from tests.models.naive_dien import NaiveDien

ACTIVATIONS = ("dice", "prelu", "relu", "sigmoid")
LENGTHS = (3, 0, 6, 1, 2)  # the last user has no candidate
USER_OF_CANDIDATE = (2, 0, 3, 1, 2, 0, 2)


def structures() -> Iterator[DienConfig]:
    """Every combination of what is not an activation; those are drawn, to meet each of them."""
    rng = np.random.default_rng(0)
    recurrences = [
        *product(["augru"], ["paper", "official"], [True, False]),
        ("agru", "paper", True),
        *product(["aigru", "gru"], ["paper"], [True, False]),
    ]
    for (evolution, augru, softmax), reset_gate, attention, projection, pooling in product(
        recurrences,
        ["after", "before"],
        ["mlp", "bilinear", "dot"],
        [True, False],
        [True, False],
    ):
        needs_equal_widths = attention != "bilinear" and not projection
        yield DienConfig(
            hidden_size=EMBEDDING if needs_equal_widths else 4,
            evolution=evolution,
            augru=augru,
            reset_gate=reset_gate,
            attention=attention,
            attention_units=(6, 3),
            attention_activation=str(rng.choice(ACTIVATIONS)),
            attention_softmax=softmax,
            query_projection=projection,
            sum_pooling=pooling,
            mlp_units=(7, 5),
            mlp_activation=str(rng.choice(ACTIVATIONS)),
        )


def name_of(value: DienConfig | FeatureSchema | torch.dtype) -> str:
    match value:
        case DienConfig():
            return "-".join(
                [
                    value.evolution,
                    value.augru,
                    f"reset_{value.reset_gate}",
                    value.attention,
                    "softmax" if value.attention_softmax else "raw",
                    "projected" if value.query_projection else "plain",
                    "pooled" if value.sum_pooling else "unpooled",
                    value.attention_activation,
                    value.mlp_activation,
                ]
            )
        case FeatureSchema():
            return "side_fields" if value.side_fields else "bare"
        case _:
            return str(value).removeprefix("torch.")


def assert_equals_naive_loops(
    config: DienConfig, schema: FeatureSchema, dtype: torch.dtype
) -> None:
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    model = make_dien(config, schema).to(dtype)
    naive = NaiveDien(config, schema, model.state_dict())
    users = draw_users(LENGTHS, schema)
    candidates = draw_candidates(USER_OF_CANDIDATE, schema)
    expected = [naive.score(users[candidate.user], candidate) for candidate in candidates]

    with torch.inference_mode():
        logits_C, attention_CT = score(model, batch_of(users, candidates, schema, dtype=dtype))

    np.testing.assert_allclose(
        logits_C.numpy(), [logit for logit, _ in expected], rtol=tolerance, atol=tolerance
    )
    for row_T, (_, attention) in zip(attention_CT.numpy(), expected, strict=True):
        padded = np.pad(attention, (0, len(row_T) - len(attention)))
        np.testing.assert_allclose(row_T, padded, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=name_of)
@pytest.mark.parametrize("schema", [FULL_SCHEMA, BARE_SCHEMA], ids=name_of)
@pytest.mark.parametrize("config", tuple(structures()), ids=name_of)
def test_every_structure_scores_and_attends_as_the_loops_do(config, schema, dtype):
    assert_equals_naive_loops(config, schema, dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=name_of)
@pytest.mark.parametrize("mlp_activation", ACTIVATIONS)
@pytest.mark.parametrize("attention_activation", ACTIVATIONS)
def test_every_pair_of_activations_scores_and_attends_as_the_loops_do(
    attention_activation, mlp_activation, dtype
):
    config = DienConfig(
        hidden_size=4,
        attention_units=(6, 3),
        attention_activation=attention_activation,
        mlp_units=(7, 5),
        mlp_activation=mlp_activation,
    )

    assert_equals_naive_loops(config, FULL_SCHEMA, dtype)


@pytest.mark.parametrize(
    ("attention_units", "mlp_units"), [((6,), ()), ((6,), (7,)), ((6, 4, 3), (7, 6, 5))]
)
def test_every_depth_scores_and_attends_as_the_loops_do(attention_units, mlp_units):
    config = DienConfig(hidden_size=4, attention_units=attention_units, mlp_units=mlp_units)

    assert_equals_naive_loops(config, FULL_SCHEMA, torch.float64)


def test_the_default_sizes_score_and_attend_as_the_loops_do():
    assert_equals_naive_loops(DienConfig(), FULL_SCHEMA, torch.float64)
