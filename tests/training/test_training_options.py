"""Every option of `ctr-serve train` that says how to train reaches the trainer and the manifest."""

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.registry.model_store import ModelStore
from tests.training.builders import planted_folder

CHOSEN: dict[str, str | int | float] = {
    "epochs": 1,
    "patience": 3,
    "batch_size": 32,
    "seed": 5,
    "learning_rate": 0.02,
    "schedule": "cosine",
    "warm_up_steps": 4,
    "learning_rate_decay": 0.9,
    "final_learning_rate": 0.001,
    "accumulate": 2,
    "max_gradient_norm": 0.0,
    "precision": "bfloat16",
    "weight_averaging": 0.9,
    "positive_weight": 2.0,
    "focal_gamma": 1.0,
    "auxiliary_weight": 0.5,
    "auxiliary_decay": 0.5,
    "embedding_decay": 0.5,
    "id_dropout": 0.1,
    "embedding_dropout": 0.1,
    "l2": "item_id=1e-06",
    "mini_batch_aware_l2": 0.001,
    "negatives": "hard",
    "popularity_exponent": 0.5,
    "extra_negatives": 2,
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("options")
    samples = planted_folder(folder / "samples", users=60, click_rate=0.3)
    small = ("--embedding-dim=4", "--hidden-size=8", "--max-behaviors=5")
    chosen = [f"--{name.replace('_', '-')}={value}" for name, value in CHOSEN.items()]
    files = (f"--samples={samples}", f"--store={folder}", "--name=ads")

    result = CliRunner().invoke(app, ["train", *files, *small, *chosen])

    assert result.exception is None
    return dict(ModelStore(folder).load("ads", "1").manifest.training.options)


@pytest.mark.parametrize("name", CHOSEN)
def test_the_option_is_what_was_chosen(recorded: dict[str, object], name: str) -> None:
    assert recorded[name] == CHOSEN[name]
