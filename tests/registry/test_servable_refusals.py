"""Parts that are intact but do not belong together are refused when they are put together."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from app.core.calibration import Platt
from app.features.vocabulary import Vocabulary
from app.registry.loaded_version import load_version
from app.registry.model_store import WEIGHTS, Artifact, ModelStore
from tests.artifacts import CATEGORIES, ITEMS, publish_tiny_version
from tests.registry.versions import refusal

CPU = torch.device("cpu")
ITEM_TABLE = "embedding.tables.item_id.weight"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root)
    return ModelStore(root).load("tiny", "1")


def refused(artifact: Artifact) -> str:
    return refusal(lambda: load_version(artifact, CPU))


def with_weight(artifact: Artifact, name: str, change: Callable[[Tensor], Tensor]) -> Artifact:
    weight = change(artifact.weights[name].clone())
    return replace(artifact, weights={**artifact.weights, name: weight})


def with_vocabulary(artifact: Artifact, field: str, raw_ids: list[str]) -> Artifact:
    vocabulary = Vocabulary.of(raw_ids)
    return replace(artifact, vocabularies={**artifact.vocabularies, field: vocabulary})


def test_an_intact_version_is_loaded(artifact):
    assert load_version(artifact, CPU).manifest == artifact.manifest


def test_a_vocabulary_of_another_size_is_refused(artifact):
    message = refused(with_vocabulary(artifact, "item_id", ITEMS[1:]))

    assert "tiny@1: the vocabulary of item_id has 51 rows, the features say 52" in message


def test_a_vocabulary_of_other_ids_is_noticed_by_the_golden_requests(artifact):
    others = [f"other {item}" for item in ITEMS]

    message = refused(with_vocabulary(artifact, "item_id", others))

    assert message.startswith("tiny@1: golden request 0 scores differ by ")


def test_the_vocabulary_of_another_field_is_refused(artifact):
    assert "tiny@1" in refused(with_vocabulary(artifact, "item_id", CATEGORIES))


def test_permuted_embedding_rows_are_noticed_by_the_golden_requests(artifact):
    permuted = with_weight(artifact, ITEM_TABLE, lambda table: table.roll(1, dims=0))

    assert "tiny@1: golden request 0 scores differ by " in refused(permuted)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("row", [1, -1])
def test_weights_that_are_not_finite_are_refused_wherever_they_are(artifact, value, row, tmp_path):
    weights = {name: weight.clone() for name, weight in artifact.weights.items()}
    weights[ITEM_TABLE][row] = value
    save_file(weights, tmp_path / WEIGHTS)

    message = refused(replace(artifact, folder=tmp_path, weights=weights))

    assert f"tiny@1: {ITEM_TABLE} is not finite" in message


@pytest.mark.parametrize(
    "name", ["interests.0.extractor.hidden_bias_G", "interests.0.evolution.hidden_weight_GH"]
)
def test_one_weight_that_differs_is_noticed(artifact, name):
    changed = with_weight(artifact, name, lambda weight: weight + 0.5)

    assert "differ by" in refused(changed)


def test_a_missing_weight_is_refused_by_name(artifact):
    weights = {name: value for name, value in artifact.weights.items() if name != ITEM_TABLE}

    message = refused(replace(artifact, weights=weights))

    assert message.startswith("tiny@1: ")
    assert ITEM_TABLE in message


def test_a_weight_too_many_is_refused_by_name(artifact):
    message = refused(replace(artifact, weights={**artifact.weights, "surprise": torch.ones(1)}))

    assert "surprise" in message


def test_a_weight_of_another_shape_is_refused_by_name(artifact):
    assert ITEM_TABLE in refused(with_weight(artifact, ITEM_TABLE, lambda table: table[:, :2]))


def test_an_architecture_that_does_not_fit_the_features_is_refused(artifact):
    unfit = artifact.manifest.architecture.model_copy(
        update={"attention": "dot", "query_projection": False, "hidden_size": 7}
    )
    manifest = artifact.manifest.model_copy(update={"architecture": unfit})

    assert "tiny@1: dot attention" in refused(replace(artifact, manifest=manifest))


def test_the_parts_of_two_versions_do_not_pass_as_one(tmp_path, artifact):
    publish_tiny_version(tmp_path, seed=1)
    other = ModelStore(tmp_path).load("tiny", "1")

    assert "differ by" in refused(replace(artifact, weights=other.weights))
    assert "differ by" in refused(replace(artifact, golden=other.golden))


def test_a_copied_weights_file_is_noticed_before_it_is_read(tmp_path):
    publish_tiny_version(tmp_path)
    publish_tiny_version(tmp_path, seed=1)
    store = ModelStore(tmp_path)
    first, second = (Path(store.folder("tiny", version)) for version in ("1", "2"))
    shutil.copy(first / "weights.safetensors", second)

    assert "sha256 differs" in refusal(lambda: dict(store.load("tiny", "2").weights))


def test_a_damaged_calibration_is_refused(artifact):
    damaged = artifact.manifest.model_copy(update={"calibration": Platt(slope=1.0, offset=0.01)})

    message = refused(replace(artifact, manifest=damaged))

    assert "tiny@1: its calibration is not the one" in message
