"""An ensemble's score and attention are the weighted means of its members'."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig
from app.models.dsin.config import DsinConfig
from app.models.ensemble.config import EnsembleConfig, EnsembleMember, SingleArchitecture
from app.models.factory import Architecture
from tests.models.builders import (
    FULL_SCHEMA,
    batch_of,
    draw_candidates,
    draw_users,
    make_model,
    score,
)

SMALL = {"attention_units": (6,), "mlp_units": (7,)}
DIEN = DienConfig(hidden_size=4, **SMALL)
DIN = DinConfig(**SMALL, attention_softmax=False)
DSIN = DsinConfig(hidden_size=4, session_heads=1, query_projection=True, **SMALL)

LENGTHS = [3, 0, 5]
USER_OF_CANDIDATE = [2, 0, 1, 2, 0]


def ensemble_of(*members: tuple[float, SingleArchitecture]) -> EnsembleConfig:
    return EnsembleConfig(
        members=tuple(EnsembleMember(weight=weight, architecture=one) for weight, one in members)
    )


def answers(models: Sequence[torch.nn.Module]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each model the logits and attention for the same batch."""
    batch = batch_of(draw_users(LENGTHS), draw_candidates(USER_OF_CANDIDATE))
    with torch.inference_mode():
        return [tuple(part.double().numpy() for part in score(model, batch)) for model in models]


@pytest.mark.parametrize(
    "config",
    [
        ensemble_of((0.5, DIEN), (0.5, DIEN)),
        ensemble_of((0.7, DIEN), (0.3, DIN)),
        ensemble_of((0.2, DSIN), (0.7, DIN), (0.1, DIEN)),
    ],
    ids=["two_alike", "dien_and_din", "all_three"],
)
def test_logits_and_attention_are_weighted_means(config: EnsembleConfig) -> None:
    ensemble = make_model(config)

    (logits_C, attention_CT), *of_members = answers([ensemble, *ensemble.members])

    assert len({tuple(member_C) for member_C, _ in of_members}) == len(config.members)
    for row in range(len(USER_OF_CANDIDATE)):
        expected, attention = 0.0, np.zeros(max(LENGTHS))
        for member, (member_C, member_CT) in zip(config.members, of_members, strict=True):
            expected += member.weight * member_C[row]
            attention += member.weight * member_CT[row]
        assert logits_C[row] == pytest.approx(expected, abs=1e-6)
        np.testing.assert_allclose(attention_CT[row], attention, atol=1e-6)


def test_a_candidate_alone_scores_as_in_company() -> None:
    ensemble = make_model(ensemble_of((0.2, DSIN), (0.7, DIN), (0.1, DIEN)))
    users, candidates = draw_users(LENGTHS), draw_candidates(USER_OF_CANDIDATE)
    with torch.inference_mode():
        logits_C, attention_CT = score(ensemble, batch_of(users, candidates))

    for row, candidate in enumerate(candidates):
        alone = batch_of([users[candidate.user]], [replace(candidate, user=0)])
        with torch.inference_mode():
            own_C, own_CT = score(ensemble, alone)
        torch.testing.assert_close(own_C[0], logits_C[row], rtol=0, atol=1e-6)
        steps = LENGTHS[candidate.user]
        torch.testing.assert_close(own_CT[0], attention_CT[row, :steps], rtol=0, atol=1e-6)
        assert attention_CT[row, steps:].count_nonzero() == 0


def test_members_keep_their_tables_to_themselves() -> None:
    ensemble = make_model(ensemble_of((0.5, DIEN), (0.5, DIN)))

    names = list(ensemble.state_dict())

    assert all(name.startswith(("members.0.", "members.1.")) for name in names)
    assert "members.0.embedding.tables.item_id.weight" in names
    assert len(list(ensemble.tables())) == 2 * len(FULL_SCHEMA.sparse_fields)


def test_an_ensemble_survives_its_manifest() -> None:
    config = ensemble_of((0.25, DIEN), (0.25, DSIN), (0.5, DIN))
    read = TypeAdapter(Architecture).validate_json(config.model_dump_json())

    assert read == config


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ((0.5, 0.6), "the members' weights sum to 1.1, not to 1"),
        ((1.0, 0.0), "greater than 0"),
        ((1.0,), "at least 2 items"),
    ],
)
def test_weights_that_are_no_shares_are_refused(weights: Sequence[float], reason: str) -> None:
    members = [{"weight": weight, "architecture": {"name": "din"}} for weight in weights]

    with pytest.raises(ValidationError, match=reason):
        EnsembleConfig.model_validate({"members": members})


def test_an_ensemble_is_no_member_of_another() -> None:
    inner = ensemble_of((0.5, DIEN), (0.5, DIN)).model_dump()

    with pytest.raises(ValidationError, match="does not match any of the expected tags"):
        EnsembleMember.model_validate({"weight": 0.5, "architecture": inner})
