"""How good a finished model is on samples that it was not fitted to, and how honest once fitted."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.core.batch import Floats
from app.core.calibration import UNCALIBRATED, Calibration, ctr_of
from app.models.factory import Model
from app.registry.manifest import Metrics, Split
from app.training.calibration import fit_calibration
from app.training.encoding import EncodedSamples
from app.training.evaluation import evaluate
from app.training.options import CalibrationOptions
from app.training.prediction import predict

EVALUATED: tuple[Split, Split] = ("valid", "test")


@dataclass(frozen=True, slots=True)
class Judgment:
    """What the manifest says of a model's quality, and the calibration that it is served with."""

    calibration: Calibration
    metrics: Mapping[Split, Metrics]  # of the CTRs that are served
    metrics_uncalibrated: Mapping[Split, Metrics]  # of the model's own


def judge(
    model: Model, splits: Mapping[Split, EncodedSamples], options: CalibrationOptions
) -> Judgment:
    """Calibrates on valid, then evaluates on valid and test."""
    logits = {split: predict(model, splits[split]) for split in EVALUATED}
    calibration = fit_calibration(
        options.calibration,
        logits["valid"],
        splits["valid"].labels_C,
        negatives_kept=options.negatives_kept,
    )
    return Judgment(
        calibration,
        _metrics(logits, splits, calibration),
        _metrics(logits, splits, UNCALIBRATED),
    )


def _metrics(
    logits: Mapping[Split, Floats],
    splits: Mapping[Split, EncodedSamples],
    calibration: Calibration,
) -> dict[Split, Metrics]:
    return {
        split: evaluate(
            ctr_of(logits_C, calibration), splits[split].labels_C, splits[split].user_ids_C
        )
        for split, logits_C in logits.items()
    }
