"""`ctr-serve train` with a booster or a teacher publishes the light net, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import StartupRefused
from app.registry.model_store import WEIGHTS, ModelStore
from tests.training.builders import planted_folder
from tests.training.commands import ctr_serve, train_planted

LIGHT = ("--epochs=1", "--mlp-units=12,6", "--attention-units=8")
BOOSTED = ("--booster-hidden-size=16", "--booster-mlp-units=40,20", "--hint-weight=0.5")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_folder(tmp_path_factory.mktemp("samples"), users=120, click_rate=0.3)


@pytest.fixture(scope="module")
def store(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """With versions 1 and 2 of "ads"."""
    root = tmp_path_factory.mktemp("store")
    for seed in (1, 2):
        train_planted(samples, root, "--epochs=1", f"--seed={seed}")
    return ModelStore(root)


def taught(samples: Path, store: ModelStore, *options: object) -> dict[str, Any]:
    files = (f"--samples={samples}", f"--store={store.root}", "--name=light")
    printed = ctr_serve("train", *files, "--batch-size=128", *LIGHT, *options, "--json")
    answer: dict[str, Any] = json.loads(printed)
    return answer


def test_the_booster_is_forgotten_and_the_manifest_says_what_it_was(
    samples: Path, tmp_path: Path
) -> None:
    train_planted(samples, tmp_path, *LIGHT)
    train_planted(samples, tmp_path, *LIGHT, *BOOSTED)

    plain, boosted = (ModelStore(tmp_path).load("ads", version) for version in ("1", "2"))
    assert boosted.manifest.architecture == plain.manifest.architecture
    assert boosted.weights.keys() == plain.weights.keys()
    assert not boosted.weights["mlp.layers.0.weight"].equal(plain.weights["mlp.layers.0.weight"])
    options = boosted.manifest.training.options
    assert options["booster_hidden_size"] == "16"
    assert options["booster_mlp_units"] == "(40, 20)"
    assert options["hint_weight"] == 0.5
    assert "booster_attention_units" not in options


@pytest.mark.parametrize("kind", ["version", "ensemble"])
def test_a_taught_version_reads_what_its_teacher_reads(
    samples: Path, store: ModelStore, kind: str
) -> None:
    teacher = "ads@1"
    if kind == "ensemble":
        ctr_serve("ensemble", "both", "ads@1", "ads@2", f"--store={store.root}")
        teacher = "both@1"

    answer = taught(samples, store, f"--teacher={teacher}", "--architecture=din")

    light = store.load("light", answer["version"])
    name, version = teacher.split("@")
    teaching = store.read_manifest(name, version)
    assert light.manifest.features == teaching.features
    assert light.manifest.architecture.name == "din"
    assert light.manifest.training.made_from == {teacher: teaching.files[WEIGHTS].sha256}
    assert light.manifest.training.options["hint_weight"] == 0.3


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--hint-weight=1",), "--hint-weight needs a booster or a teacher"),
        (("--teacher=ads@1", "--embedding-dim=4"), "--embedding-dim cannot change with --teacher"),
        (("--teacher=ads@1", "--booster-mlp-units=80"), "listens to one of them"),
        (("--teacher=ads@9",), "ads has no version 9"),
        (("--from=ads@1", "--teacher=ads@1"), "cannot change with --from"),
        (
            ("--architecture=din", "--booster-hidden-size=9"),
            "--booster-hidden-size is not an option of din",
        ),
        (("--booster-mlp-units=9,x",), "--booster-mlp-units: Input should be a valid integer"),
    ],
)
def test_guides_that_cannot_be_listened_to_are_refused(
    samples: Path, store: ModelStore, options: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(StartupRefused, match=reason):
        taught(samples, store, *options)
