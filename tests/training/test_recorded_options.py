"""A manifest says how a version was trained, well enough to train like that again."""

from pathlib import Path

import pytest

from app.errors import StartupRefused
from app.registry.manifest import Manifest, TrainingRecord
from app.training.options import (
    CalibrationOptions,
    LossOptions,
    NegativeOptions,
    OptimizerOptions,
    RegularizationOptions,
    TrainerOptions,
)
from app.training.recorded_options import recorded_options
from tests.artifacts import publish_tiny_version

UNUSUAL = TrainerOptions(
    epochs=3,
    batch_size=33,
    optimizer=OptimizerOptions(learning_rate=0.25, schedule="cosine", precision="bfloat16"),
    loss=LossOptions(auxiliary_weight=0.7),
    regularization=RegularizationOptions(l2=(("item_id", 1e-6), ("user_id", 0.5))),
    calibration=CalibrationOptions(calibration="isotonic", negatives_kept=0.1),
    negatives=NegativeOptions(negatives="hard"),
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return publish_tiny_version(tmp_path)


def recording(manifest: Manifest, **options: str | float) -> Manifest:
    return manifest.model_copy(update={"training": TrainingRecord(options=options)})


def test_what_was_recorded_is_trained_by_again(manifest: Manifest) -> None:
    assert recorded_options(recording(manifest, **UNUSUAL.record())) == UNUSUAL


def test_what_was_not_recorded_has_its_default(manifest: Manifest) -> None:
    assert recorded_options(manifest) == TrainerOptions()
    assert recorded_options(recording(manifest, epochs=4, embedding_dim=18)) == TrainerOptions(
        epochs=4
    )


@pytest.mark.parametrize(
    ("option", "value"), [("schedule", "by_the_moon"), ("epochs", "many"), ("learning_rate", "x")]
)
def test_a_record_of_another_time_is_refused(manifest: Manifest, option: str, value: str) -> None:
    with pytest.raises(
        StartupRefused, match=f"tiny@1 was trained with {option} '{value}', which cannot"
    ):
        recorded_options(recording(manifest, **{option: value}))
