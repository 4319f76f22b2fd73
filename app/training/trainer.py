"""Trains a model on clicks and next behaviors, until validation stops improving."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from app.core.batch import Rows
from app.errors import StartupRefused
from app.models.factory import Architecture, Model, build_model
from app.training.early_stopping import EarlyStopping
from app.training.encoding import BatchCutter, EncodedSamples, LabeledBatch
from app.training.evaluation import evaluate
from app.training.features import Features
from app.training.id_dropout import drop_ids, with_dropped_ids
from app.training.negatives import NegativeSampler
from app.training.options import TrainerOptions
from app.training.prediction import forward, predict
from app.training.progress import EpochReport, Watcher
from app.training.reproducible import reproducible

# U users, B users of a batch, C candidates, F behavior fields


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
    """Raises StartupRefused when the loss is no longer a number."""
    train, valid = splits
    with reproducible(options.seed):
        model = build_model(architecture, features.schema)
        trainer = _Trainer(model, train, options, watcher)
        stopping = EarlyStopping(options.patience)
        reports: list[EpochReport] = []
        while len(reports) < options.epochs and not stopping.should_stop:
            reports.append(_run_epoch(trainer, len(reports) + 1, valid, stopping))
            watcher.epoch_ended(reports[-1])
        model.load_state_dict(stopping.best_weights)
    return Trained(model.eval(), tuple(reports))


def _run_epoch(
    trainer: "_Trainer", epoch: int, valid: EncodedSamples, stopping: EarlyStopping
) -> EpochReport:
    started_s = time.perf_counter()
    losses = trainer.run_epoch(epoch)
    seconds = time.perf_counter() - started_s
    metrics = evaluate(predict(trainer.model, valid), valid.labels_C, valid.user_ids_C)
    is_best = stopping.observe(metrics.auc, trainer.model.state_dict())
    return EpochReport(epoch, losses.click, losses.auxiliary, seconds, metrics, is_best)


@dataclass(slots=True)
class _MeanLosses:
    """Running means over the candidates of an epoch."""

    click: float = 0.0
    auxiliary: float = 0.0
    rows: int = 0

    def add(self, click: float, auxiliary: float, rows: int) -> None:
        self.rows += rows
        self.click += (click - self.click) * rows / self.rows
        self.auxiliary += (auxiliary - self.auxiliary) * rows / self.rows


class _Trainer:
    """The model, its optimizer and one stream of random numbers."""

    def __init__(
        self, model: Model, train: EncodedSamples, options: TrainerOptions, watcher: Watcher
    ) -> None:
        self.model = model
        self._options = options
        self._watcher = watcher
        self._cutter = BatchCutter(train)
        self._negatives = NegativeSampler(train.batch.behaviors_NF)
        self._rng = np.random.default_rng(options.seed)
        self._optimizer = _optimizer(model, options)

    def run_epoch(self, epoch: int) -> _MeanLosses:
        options = self._options
        for group in self._optimizer.param_groups:
            group["lr"] = options.learning_rate * options.learning_rate_decay ** (epoch - 1)
        self.model.train()
        self._watcher.epoch_started(epoch, int(self._cutter.candidates_U.sum()))
        losses = _MeanLosses()
        for users_B in shuffled_batches(self._cutter.candidates_U, options.batch_size, self._rng):
            part = self._cutter.cut(users_B)
            click, auxiliary = self._losses(part)
            self._step(click + options.auxiliary_weight * auxiliary)
            losses.add(click.item(), auxiliary.item(), len(part.rows_C))
            if not math.isfinite(losses.click + losses.auxiliary):
                raise StartupRefused(
                    f"the loss of epoch {epoch} is not a number: lower --learning-rate"
                )
            self._watcher.batch_done(len(part.rows_C), losses.click)
        return losses

    def _losses(self, part: LabeledBatch) -> tuple[Tensor, Tensor]:
        rate, rng = self._options.id_dropout, self._rng
        sampled_NF = self._negatives.draw(part.batch.behaviors_NF, rng)
        batch = with_dropped_ids(part.batch, rate, rng)
        user_states, logits_C = forward(self.model, batch)
        click = binary_cross_entropy_with_logits(logits_C, torch.from_numpy(part.labels_C))
        if self._options.auxiliary_weight == 0:
            return click, click.new_zeros(())
        auxiliary = self.model.auxiliary_loss(
            user_states,
            torch.from_numpy(batch.behaviors_NF),
            # Dropped as often as the real behaviors: an unknown id must not tell them apart.
            torch.from_numpy(drop_ids(sampled_NF, rate, rng)),
        )
        return click, auxiliary

    def _step(self, loss: Tensor) -> None:
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), self._options.max_gradient_norm)
        self._optimizer.step()


def shuffled_batches(
    candidates_U: Rows, batch_size: int, rng: np.random.Generator
) -> Iterator[Rows]:
    """All users in a new order, about `batch_size` candidates together, never a user apart."""
    order_U = rng.permutation(len(candidates_U))
    batch_U = (np.cumsum(candidates_U[order_U]) - 1) // batch_size
    yield from np.split(order_U, np.flatnonzero(np.diff(batch_U)) + 1)


def _optimizer(model: Model, options: TrainerOptions) -> torch.optim.Optimizer:
    tables = list(model.embedding.parameters())
    of_table = set(map(id, tables))
    rest = [parameter for parameter in model.parameters() if id(parameter) not in of_table]
    return torch.optim.AdamW(
        [
            {"params": tables, "weight_decay": options.embedding_decay},
            {"params": rest, "weight_decay": 0.0},
        ],
        lr=options.learning_rate,
        fused=True,
    )
