"""`ctr-serve prune`: a version becomes an ordinary smaller one."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.core.schema import FIRST_ID_ROW
from app.errors import StartupRefused
from app.registry.model_store import WEIGHTS, ModelStore
from tests.training.builders import planted_folder
from tests.training.commands import ctr_serve, train_planted


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_folder(tmp_path_factory.mktemp("samples"), users=120, click_rate=0.3)


@pytest.fixture(scope="module")
def store(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """With version 1 of "ads"."""
    root = tmp_path_factory.mktemp("store")
    train_planted(samples, root, "--calibration=none", "--embedding-dropout=0.1")
    return ModelStore(root)


def prune(samples: Path, store: ModelStore, *options: object, of: str = "ads@1") -> dict[str, Any]:
    files = (f"--samples={samples}", f"--store={store.root}", "--name=small")
    answer: dict[str, Any] = json.loads(ctr_serve("prune", of, *files, *options, "--json"))
    return answer


def test_units_and_ids_are_gone_and_the_files_are_smaller(samples: Path, store: ModelStore) -> None:
    answer = prune(samples, store, "--mlp=0.5", "--attention=0.25", "--ids=0.25", "--epochs=0")

    larger, smaller = store.load("ads", "1"), store.load("small", answer["version"])
    architecture = smaller.manifest.architecture.model_dump()
    assert architecture["mlp_units"] == (100, 40)
    assert architecture["attention_units"] == (60, 30)
    assert architecture["hidden_size"] == larger.manifest.architecture.model_dump()["hidden_size"]
    assert len(larger.vocabularies["item_id"].keys_V) == 48
    assert smaller.vocabularies["item_id"].rows == FIRST_ID_ROW + 36
    assert answer["bytes"] < answer["larger_bytes"] == larger.manifest.bytes


def test_the_manifest_says_what_was_pruned_and_how(samples: Path, store: ModelStore) -> None:
    answer = prune(samples, store, "--mlp=0.1", "--ids-of=category_id", "--epochs=1")

    record = store.read_manifest("small", answer["version"]).training
    larger = store.read_manifest("ads", "1")
    assert record.made_from == {"ads@1": larger.files[WEIGHTS].sha256}
    assert record.epochs == 1
    assert (record.options["pruned_mlp"], record.options["pruned_ids_of"]) == (0.1, "category_id")


def test_fine_tuning_goes_on_as_the_larger_model_was_trained(
    samples: Path, store: ModelStore
) -> None:
    answer = prune(samples, store, "--epochs=1", "--learning-rate=1e-4", "--limit-rows=200")

    options = store.read_manifest("small", answer["version"]).training.options
    assert options["learning_rate"] == 1e-4
    assert options["embedding_dropout"] == 0.1
    assert options["batch_size"] == 128
    assert answer["calibration"]["kind"] == "none"


def test_pruning_nothing_and_tuning_nothing_is_the_same_model(
    samples: Path, store: ModelStore
) -> None:
    answer = prune(samples, store, "--mlp=0", "--attention=0", "--ids=0", "--epochs=0")

    larger, smaller = store.load("ads", "1"), store.load("small", answer["version"])
    assert all(smaller.weights[name].equal(tensor) for name, tensor in larger.weights.items())
    assert smaller.manifest.features == larger.manifest.features
    assert smaller.manifest.architecture == larger.manifest.architecture
    assert answer["metrics"] == {
        split: metrics.model_dump() for split, metrics in larger.manifest.metrics.items()
    }


def test_an_ensemble_is_refused(samples: Path, store: ModelStore) -> None:
    answer = prune(samples, store, "--ids=0", "--epochs=0", "--limit-rows=200")
    smaller = f"small@{answer['version']}"
    ctr_serve("ensemble", "both", "ads@1", smaller, f"--store={store.root}")

    with pytest.raises(StartupRefused, match="both@1 is an ensemble"):
        prune(samples, store, of="both")


def test_a_field_without_ids_is_refused(samples: Path, store: ModelStore) -> None:
    with pytest.raises(StartupRefused, match="--ids-of price"):
        prune(samples, store, "--ids-of=price")


def test_people_are_told_how_much_smaller_it_is(samples: Path, store: ModelStore) -> None:
    files = (f"--samples={samples}", f"--store={store.root}", "--name=small")

    printed = ctr_serve("prune", "ads", *files, "--epochs=0", "--limit-rows=200")

    assert "% of ads@1's." in printed
