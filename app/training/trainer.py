"""Trains a model, epoch by epoch, until its validation AUC no longer improves."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from app.core.calibration import Uncalibrated, ctr_of
from app.models.factory import Architecture, Model, build_model
from app.registry.manifest import Metrics
from app.training.early_stopping import EarlyStopping
from app.training.encoding import EncodedSamples
from app.training.epochs import Epochs
from app.training.evaluation import evaluate
from app.training.features import Features
from app.training.options import TrainerOptions
from app.training.prediction import predict
from app.training.progress import EpochReport, Watcher
from app.training.reproducible import reproducible


@dataclass(frozen=True, slots=True)
class Trained:
    """The model with its best weights, in evaluation mode, and how it came there."""

    model: Model
    epochs: tuple[EpochReport, ...]


def train_model(
    architecture: Architecture,
    features: Features,
    splits: tuple[EncodedSamples, EncodedSamples],  # train, valid
    options: TrainerOptions,
    watcher: Watcher,
    *,
    weights: Mapping[str, Tensor] | None = None,
) -> Trained:
    """From random weights, or from these, which it then never ends with worse ones than.

    Raises StartupRefused for options that do not fit, or a loss that is no longer a number.
    """
    train, valid = splits
    with reproducible(options.seed):
        sampled = Uncalibrated(negatives_kept=options.calibration.negatives_kept)
        model = build_model(architecture, features.schema)
        stopping = EarlyStopping(options.patience)
        if weights is not None:
            model.load_state_dict(dict(weights))
            stopping.observe(_validate(model, valid, sampled).auc, model.state_dict())
        epochs = Epochs(model, features.schema, train, options, watcher)
        reports: list[EpochReport] = []
        while len(reports) < options.epochs and not stopping.should_stop:
            reports.append(_run_epoch(epochs, len(reports) + 1, valid, stopping, sampled))
            watcher.epoch_ended(reports[-1])
    epochs.averaged.load_state_dict(stopping.best_weights)
    return Trained(epochs.averaged.eval(), tuple(reports))


def _run_epoch(
    epochs: Epochs,
    number: int,
    valid: EncodedSamples,
    stopping: EarlyStopping,
    sampled: Uncalibrated,
) -> EpochReport:
    started_s = time.perf_counter()
    losses = epochs.run(number)
    seconds = time.perf_counter() - started_s
    metrics = _validate(epochs.averaged, valid, sampled)
    is_best = stopping.observe(metrics.auc, epochs.averaged.state_dict())
    return EpochReport(number, losses.click, losses.auxiliary, seconds, metrics, is_best)


def _validate(model: Model, valid: EncodedSamples, sampled: Uncalibrated) -> Metrics:
    # Without the correction, PCOC would only say how many negatives were left out.
    return evaluate(ctr_of(predict(model, valid), sampled), valid.labels_C, valid.user_ids_C)
