"""`ctr-serve train --from`: training goes on from the weights of a version."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import ArtifactRefused, StartupRefused
from app.registry.model_store import WEIGHTS, ModelStore
from app.training.origin import StartingPoint
from app.training.progress import Unwatched
from app.training.trainer import train_model
from tests.training.builders import QUICK, SMALL_DIEN, planted_folder
from tests.training.commands import ctr_serve, train_planted
from tests.training.planted_world import PlantedWorld


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_folder(tmp_path_factory.mktemp("samples"), users=120, click_rate=0.3)


@pytest.fixture(scope="module")
def store(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """With version 1 of "ads", which reads a side field."""
    root = tmp_path_factory.mktemp("store")
    train_planted(samples, root, "--field=candidate:price:dense")
    return ModelStore(root)


def fine_tune(samples: Path, store: ModelStore, *options: object) -> dict[str, Any]:
    files = (f"--samples={samples}", f"--store={store.root}", "--name=tuned")
    printed = ctr_serve("train", *files, "--batch-size=128", *options, "--json")
    answer: dict[str, Any] = json.loads(printed)
    return answer


def test_a_fine_tuned_version_computes_and_reads_as_the_one_it_was_made_from(
    samples: Path, store: ModelStore
) -> None:
    base = store.load("ads", "1")

    answer = fine_tune(samples, store, "--from=ads@1", "--epochs=1")

    tuned = store.load("tuned", answer["version"])
    assert tuned.manifest.architecture == base.manifest.architecture
    assert tuned.manifest.features == base.manifest.features
    assert tuned.manifest.training.made_from == {"ads@1": base.manifest.files[WEIGHTS].sha256}
    assert tuned.manifest.training.epochs == 1
    for name, vocabulary in base.vocabularies.items():
        np.testing.assert_array_equal(tuned.vocabularies[name].keys_V, vocabulary.keys_V)


def test_small_steps_stay_near_the_weights_that_training_began_with(
    samples: Path, store: ModelStore
) -> None:
    base = store.load("ads", "1")

    answer = fine_tune(samples, store, "--from=ads", "--epochs=1", "--learning-rate=1e-6")

    tuned = store.load("tuned", answer["version"])
    name = "mlp.layers.0.weight"
    assert (tuned.weights[name] - base.weights[name]).abs().max() < 1e-3


def test_training_that_only_does_harm_ends_where_it_began(world: PlantedWorld) -> None:
    parts = (world.split("train"), world.split("upside_down"))
    weights = world.train(replace(QUICK, epochs=2)).model.state_dict()
    for name in ("mlp.layers.2.weight", "mlp.layers.2.bias"):
        weights[name] = -weights[name]  # what it had learned is upside down too
    start = StartingPoint(SMALL_DIEN, world.features, weights)

    trained = train_model(start, parts, replace(QUICK, patience=2), Unwatched())

    ended = trained.model.state_dict()
    assert [report.is_best for report in trained.epochs] == [False, False]
    assert all(ended[name].equal(weight) for name, weight in weights.items())


@pytest.mark.parametrize(
    "option", ["--hidden-size=4", "--embedding-dim=18", "--architecture=din", "--user-id"]
)
def test_what_the_version_says_cannot_be_said_again(
    samples: Path, store: ModelStore, option: str
) -> None:
    flag = option.split("=", maxsplit=1)[0]

    with pytest.raises(StartupRefused, match=f"{flag} cannot change with --from"):
        fine_tune(samples, store, "--from=ads@1", option)


def test_a_version_that_is_not_there_is_refused(samples: Path, store: ModelStore) -> None:
    with pytest.raises(ArtifactRefused, match="ads has no version 7"):
        fine_tune(samples, store, "--from=ads@7")
