"""Trains a model, epoch by epoch, until its validation AUC no longer improves."""

import time
from dataclasses import dataclass

from app.core.calibration import Uncalibrated, ctr_of
from app.models.factory import Architecture, Model, build_model
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
) -> Trained:
    """Raises StartupRefused for options that do not fit, or a loss that is no longer a number."""
    train, valid = splits
    with reproducible(options.seed):
        sampled = Uncalibrated(negatives_kept=options.calibration.negatives_kept)
        model = build_model(architecture, features.schema)
        epochs = Epochs(model, features.schema, train, options, watcher)
        stopping = EarlyStopping(options.patience)
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
    # Without the correction, PCOC would only say how many negatives were left out.
    ctr_C = ctr_of(predict(epochs.averaged, valid), sampled)
    metrics = evaluate(ctr_C, valid.labels_C, valid.user_ids_C)
    is_best = stopping.observe(metrics.auc, epochs.averaged.state_dict())
    return EpochReport(number, losses.click, losses.auxiliary, seconds, metrics, is_best)
