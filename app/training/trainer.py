"""Trains a model, epoch by epoch, until its validation AUC no longer improves."""

import time
from dataclasses import dataclass

from app.core.calibration import Uncalibrated
from app.models.factory import Model
from app.registry.manifest import Metrics
from app.training.checkpoints import Checkpoint, Checkpoints
from app.training.distillation.launching import objective_of
from app.training.early_stopping import EarlyStopping
from app.training.encoded_split import EncodedSplit
from app.training.epochs import Epochs
from app.training.options import TrainerOptions
from app.training.origin import StartingPoint
from app.training.processes import Processes
from app.training.progress import EpochReport, Watcher
from app.training.reproducible import reproducible
from app.training.scored_split import score_split

ALONE = Processes()


@dataclass(frozen=True, slots=True)
class Trained:
    """The model with its best weights, in evaluation mode, and how it came there."""

    model: Model
    epochs: tuple[EpochReport, ...]


def train_model(
    start: StartingPoint,
    splits: tuple[EncodedSplit, EncodedSplit],  # train, valid
    options: TrainerOptions,
    watcher: Watcher,
    *,
    checkpoints: Checkpoints | None = None,
    processes: Processes = ALONE,
) -> Trained:
    """From random weights, or from those of the start, which it never ends with worse ones than.

    With checkpoints, from the newest one, if there is one: to the same weights, bit for bit, as
    without the interruption. Raises StartupRefused for options that do not fit, a checkpoint that
    cannot be used, or a loss that is no longer a number. All of `processes` call it and get equal
    results.
    """
    train, valid = splits
    with reproducible(options.seed):
        schema = start.features.schema
        objective = objective_of(start, options, processes.device)
        epochs = Epochs(objective, schema, train, options, watcher, processes)
        course = _Course(epochs, valid, options, processes)
        if start.weights is not None:
            course.observe_start()
        if checkpoints is not None:
            course.resume(checkpoints, watcher)
        while not course.is_over:
            report = course.run_epoch()
            if checkpoints is not None and processes.is_first:
                checkpoints.save(course.checkpoint())
            watcher.epoch_ended(report)
        return course.best()


class _Course:
    """Epochs one after another, each validated, until they no longer help."""

    def __init__(
        self, epochs: Epochs, valid: EncodedSplit, options: TrainerOptions, processes: Processes
    ) -> None:
        self._processes = processes
        self._epochs = epochs
        self._valid = valid
        self._most_epochs = options.epochs
        self._sampled = Uncalibrated(negatives_kept=options.calibration.negatives_kept)
        self._stopping = EarlyStopping(options.patience)
        self._reports: list[EpochReport] = []

    @property
    def is_over(self) -> bool:
        return len(self._reports) >= self._most_epochs or self._stopping.should_stop

    def observe_start(self) -> None:
        """What it starts from is the best so far."""
        model = self._epochs.averaged
        self._stopping.observe(self._validate(model).auc, model.state_dict())

    def run_epoch(self) -> EpochReport:
        number, started_s = len(self._reports) + 1, time.perf_counter()
        losses = self._epochs.run(number)
        seconds = time.perf_counter() - started_s
        model = self._epochs.averaged
        metrics = self._validate(model)
        is_best = self._stopping.observe(metrics.auc, model.state_dict())
        report = EpochReport(number, losses.click, losses.auxiliary, seconds, metrics, is_best)
        self._reports.append(report)
        return report

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self._epochs.state(), self._stopping.state(), tuple(self._reports))

    def resume(self, checkpoints: Checkpoints, watcher: Watcher) -> None:
        newest = checkpoints.newest()
        if newest is None:
            return
        self._epochs.restore(newest.epochs)
        self._stopping.restore(newest.stopping)
        self._reports = list(newest.reports)
        watcher.resumed(len(self._reports))

    def best(self) -> Trained:
        model = self._epochs.averaged
        model.load_state_dict(dict(self._stopping.best_weights))
        return Trained(model.cpu().eval(), tuple(self._reports))

    def _validate(self, model: Model) -> Metrics:
        """By the first process: all of them must stop together."""
        metrics = self._processes.from_first(lambda: self._evaluate(model).model_dump_json())
        return Metrics.model_validate_json(metrics)

    def _evaluate(self, model: Model) -> Metrics:
        # Without the correction, PCOC would only say how many negatives were left out.
        return score_split(model, self._valid).metrics(self._sampled)
