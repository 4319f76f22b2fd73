"""`ctr-serve train --architecture`: any model learns what is planted, with options of its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import StartupRefused
from app.models.din.config import DinConfig
from app.models.dsin.config import DsinConfig
from app.registry.model_store import ModelStore
from app.registry.trained_model import trained_model
from app.training.encoding import encode_samples
from app.training.features import Features
from app.training.offline import score_logits
from app.training.prediction import predict
from app.training.samples import read_samples
from tests.training.builders import planted_folder
from tests.training.commands import QUICK_TRAINING, ctr_serve

OPTIONS = {
    "din": ("--cold-interest", "--sum-pooling", "--no-attention-softmax"),
    "dsin": ("--session-gap-s=1500", "--max-sessions=3", "--hidden-size=4"),
}
LEARNING = ("--epochs=8", "--batch-size=64", "--learning-rate=0.02", "--patience=8")
EXPECTED = {
    "din": DinConfig(cold_interest=True, sum_pooling=True, attention_softmax=False),
    "dsin": DsinConfig(session_gap_s=1500, max_sessions=3, hidden_size=4),
}

each_architecture = pytest.mark.parametrize("name", OPTIONS)


def train(samples: Path, store: Path, name: str, *options: str) -> dict[str, Any]:
    files = (f"--samples={samples}", f"--store={store}", f"--name={name}")
    chosen = (*QUICK_TRAINING, f"--architecture={name}", *options)
    answer: dict[str, Any] = json.loads(ctr_serve("train", *files, *chosen, "--json"))
    return answer


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_folder(tmp_path_factory.mktemp("samples"), users=240)


@pytest.fixture(scope="module")
def store(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """With a DIN and a DSIN."""
    root = tmp_path_factory.mktemp("store")
    for name, options in OPTIONS.items():
        train(samples, root, name, *LEARNING, *options)
    return ModelStore(root)


@each_architecture
def test_the_version_states_the_chosen_architecture(store: ModelStore, name: str) -> None:
    assert store.read_manifest(name, "1").architecture == EXPECTED[name]


@each_architecture
def test_it_learns_what_is_planted(store: ModelStore, name: str) -> None:
    assert store.read_manifest(name, "1").metrics["test"].auc > 0.8


@each_architecture
def test_scores_as_in_serving_are_those_of_training(
    store: ModelStore, samples: Path, name: str
) -> None:
    artifact = store.load(name, "1")
    test = read_samples(samples / "test.tsv")
    encoded = encode_samples(test, Features(artifact.manifest.features, artifact.vocabularies))

    served_C = score_logits(artifact, test)

    np.testing.assert_allclose(served_C, predict(trained_model(artifact), encoded), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "option", "reason"),
    [
        ("din", "--evolution=augru", "--evolution is not an option of din"),
        ("din", "--hidden-size=8", "--hidden-size is not an option of din"),
        ("din", "--session-gap-s=60", "--session-gap-s is not an option of din"),
        ("dsin", "--augru=official", "--augru is not an option of dsin"),
        ("dsin", "--cold-interest", "--cold-interest is not an option of dsin"),
        ("dsin", "--sum-pooling", "--sum-pooling is not an option of dsin"),
        ("dien", "--max-sessions=5", "--max-sessions is not an option of dien"),
        ("dien", "--cold-interest", "--cold-interest is not an option of dien"),
        ("dsin", "--max-sessions=1001", "--max-sessions: .* less than or equal to 1000"),
    ],
)
def test_an_option_of_another_architecture_is_refused(
    samples: Path, tmp_path: Path, name: str, option: str, reason: str
) -> None:
    with pytest.raises(StartupRefused, match=rf"\A{reason}\Z"):
        train(samples, tmp_path, name, option)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("din", ("--attention=multi_head", "--attention-heads=3"), "a width of 8 .* 3 attention"),
        ("din", ("--self-attention-heads=5",), "a width of 8 .* 5 attention"),
        ("dsin", ("--attention=dot",), "dot attention .* 36 and 8 differ"),
    ],
)
def test_widths_that_do_not_fit_the_features_are_refused_before_training(
    samples: Path, tmp_path: Path, name: str, options: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(StartupRefused, match=reason) as refused:
        train(samples, tmp_path, name, *options)

    assert len(str(refused.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())
