"""How good a finished model is on samples that it was not fitted to, and how honest once fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.core.calibration import UNCALIBRATED, Calibration
from app.models.factory import Model
from app.registry.manifest import LadderRung, Metrics, Split
from app.registry.priors import Priors
from app.training.calibration import fit_calibration
from app.training.encoded_split import EncodedSplit
from app.training.options import CalibrationOptions
from app.training.rungs import measure_ladder
from app.training.scored_split import score_split

EVALUATED: tuple[Split, Split] = ("valid", "test")


@dataclass(frozen=True, slots=True)
class Judgment:
    """What the manifest says of a model's quality, and the calibration that it is served with."""

    calibration: Calibration
    metrics: Mapping[Split, Metrics]  # of the CTRs that are served
    metrics_uncalibrated: Mapping[Split, Metrics]  # of the model's own
    ladder: Sequence[LadderRung]  # of answers that have to do with less


def judge(
    model: Model,
    splits: Mapping[Split, EncodedSplit],
    options: CalibrationOptions,
    priors: Priors,
    max_behaviors: int,
) -> Judgment:
    """Calibrates on valid, then evaluates on valid and test, whole answers and degraded ones."""
    scored = {split: score_split(model, splits[split]) for split in EVALUATED}
    calibration = fit_calibration(
        options.calibration,
        scored["valid"].logits_C,
        scored["valid"].labels_C,
        negatives_kept=options.negatives_kept,
    )
    return Judgment(
        calibration,
        {split: samples.metrics(calibration) for split, samples in scored.items()},
        {split: samples.metrics(UNCALIBRATED) for split, samples in scored.items()},
        measure_ladder(model, splits, calibration, priors, max_behaviors),
    )
