"""Folded ids get what unknown ids get; all others get what they got before."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from app.core.keys import keys_of
from app.core.schema import FIRST_ID_ROW, OOV_ROW
from app.errors import StartupRefused
from app.features.encoder import Encoder
from app.inference.engine import Engine
from app.models.factory import build_model
from app.registry.model_store import Artifact, ModelStore
from app.training.features import Features
from app.training.pruning.ids import fold_ids
from tests.artifacts import ITEMS, publish_tiny_version
from tests.registry.servables import draw_requests

ITEM_TABLE = "embedding.tables.item_id.weight"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    root: Path = tmp_path_factory.mktemp("store")
    publish_tiny_version(root)
    return ModelStore(root).load("tiny", "1")


@pytest.fixture
def features(artifact: Artifact) -> Features:
    return Features(artifact.manifest.features, artifact.vocabularies)


@pytest.fixture
def weights(artifact: Artifact) -> dict[str, Tensor]:
    """In which 30 of the 50 items have learned no more than an unknown one: next to nothing."""
    weights = {name: tensor.clone() for name, tensor in artifact.weights.items()}
    rows = FIRST_ID_ROW + torch.randperm(50, generator=torch.Generator().manual_seed(1))[:30]
    weights[ITEM_TABLE][OOV_ROW] *= 0.01
    weights[ITEM_TABLE][rows] = weights[ITEM_TABLE][OOV_ROW].clone()
    return weights


def logits(artifact: Artifact, features: Features, weights: dict[str, Tensor]) -> np.ndarray:
    model = build_model(artifact.manifest.architecture, features.schema).eval()
    model.load_state_dict(weights)
    engine = Engine(model, torch.device("cpu"))
    encoder = Encoder(features.schema, features.vocabularies)
    return engine.score(encoder.encode(draw_requests(40)).batch).logits_C


def test_ids_that_are_like_unknown_ones_leave_without_a_trace(
    artifact: Artifact, features: Features, weights: dict[str, Tensor]
) -> None:
    folded, smaller = fold_ids(features, weights, ["item_id"], 0.6)

    assert folded.schema.behavior_fields[0].rows == FIRST_ID_ROW + 20
    assert smaller[ITEM_TABLE].shape == (FIRST_ID_ROW + 20, 4)
    np.testing.assert_allclose(
        logits(artifact, folded, smaller), logits(artifact, features, weights), atol=1e-6
    )


def test_ids_that_stay_keep_their_embeddings(
    features: Features, weights: dict[str, Tensor]
) -> None:
    folded, smaller = fold_ids(features, weights, ["item_id"], 0.6)

    keys = keys_of(ITEMS)
    rows = folded.vocabularies["item_id"].rows_of(keys)
    stay = rows != OOV_ROW
    norms = weights[ITEM_TABLE][features.vocabularies["item_id"].rows_of(keys)].norm(dim=1)
    before = weights[ITEM_TABLE][features.vocabularies["item_id"].rows_of(keys[stay])]
    assert stay.sum() == 20
    assert smaller[ITEM_TABLE][rows[stay]].equal(before)
    assert norms[stay].min() > norms[~stay].max()


def test_folding_nothing_changes_nothing(features: Features, weights: dict[str, Tensor]) -> None:
    folded, smaller = fold_ids(features, weights, ["item_id", "device"], 0.0)

    assert folded.schema == features.schema
    assert all(smaller[name].equal(tensor) for name, tensor in weights.items())
    for name, vocabulary in features.vocabularies.items():
        assert folded.vocabularies[name].to_bytes() == vocabulary.to_bytes()


def test_side_fields_can_be_folded_and_others_stay_whole(
    artifact: Artifact, features: Features, weights: dict[str, Tensor]
) -> None:
    folded, smaller = fold_ids(features, weights, ["device"], 0.5)

    by_name = {field.name: field for field in folded.schema.sparse_fields}
    assert by_name["device"].rows == FIRST_ID_ROW + 1
    assert by_name["item_id"].rows == FIRST_ID_ROW + 50
    assert np.isfinite(logits(artifact, folded, smaller)).all()


def test_a_field_without_ids_is_refused(features: Features, weights: dict[str, Tensor]) -> None:
    with pytest.raises(StartupRefused, match="--ids-of price: the fields with ids are item_id, "):
        fold_ids(features, weights, ["price"], 0.5)
