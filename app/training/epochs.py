"""One epoch after another of gradient steps on click and auxiliary loss."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from app.core.batch import RaggedBatch
from app.errors import StartupRefused
from app.models.factory import Model
from app.training.averaging import AveragedModel
from app.training.batches import BatchCutter, LabeledBatch, shuffled_batches
from app.training.encoding import EncodedSamples
from app.training.id_dropout import drop_ids, with_dropped_ids
from app.training.negatives import NegativeSampler
from app.training.optimizer import make_optimizer
from app.training.options import TrainerOptions
from app.training.prediction import forward
from app.training.progress import Watcher
from app.training.running_statistics import settle_statistics
from app.training.schedules import TrainingLength, make_schedule

# B users of a batch, F behavior fields

SETTLING_BATCHES = 50


@dataclass(slots=True)
class MeanLosses:
    """Running means over the candidates of an epoch."""

    click: float = 0.0
    auxiliary: float = 0.0
    rows: int = 0

    def add(self, click: float, auxiliary: float, rows: int) -> None:
        self.rows += rows
        self.click += (click - self.click) * rows / self.rows
        self.auxiliary += (auxiliary - self.auxiliary) * rows / self.rows


class Epochs:
    """A model in training, the average of its weights, its optimizer and its random numbers."""

    def __init__(
        self, model: Model, train: EncodedSamples, options: TrainerOptions, watcher: Watcher
    ) -> None:
        self._model = model
        self._averaged = AveragedModel(model, options.optimizer.weight_averaging)
        self._options = options
        self._watcher = watcher
        self._cutter = BatchCutter(train)
        self._negatives = NegativeSampler(train.batch.behaviors_NF)
        self._rng = np.random.default_rng(options.seed)
        rows, size = len(train.labels_C), options.batch_size
        self._optimizer = make_optimizer(model, options, full_batches=max(1, rows // size))
        length = TrainingLength(steps_per_epoch=-(-rows // size), epochs=options.epochs)
        self._schedule = make_schedule(self._optimizer, options.optimizer, length)

    @property
    def averaged(self) -> Model:
        """The model to evaluate and to serve."""
        return self._averaged.model

    def run(self, epoch: int) -> MeanLosses:
        """Raises StartupRefused when the loss is no longer a number."""
        self._model.train()
        self._watcher.epoch_started(epoch, int(self._cutter.candidates_U.sum()))
        losses = MeanLosses()
        for part in self._shuffled():
            click, auxiliary = self._losses(part)
            self._step(click + self._options.loss.auxiliary_weight * auxiliary)
            losses.add(click.item(), auxiliary.item(), len(part.rows_C))
            if not math.isfinite(losses.click + losses.auxiliary):
                raise StartupRefused(
                    f"the loss of epoch {epoch} is not a number: lower --learning-rate"
                )
            self._watcher.batch_done(len(part.rows_C), losses.click)
        settle_statistics(
            self.averaged, (part.batch for part in islice(self._shuffled(), SETTLING_BATCHES))
        )
        return losses

    def _shuffled(self) -> Iterator[LabeledBatch]:
        size = self._options.batch_size
        for users_B in shuffled_batches(self._cutter.candidates_U, size, self._rng):
            yield self._cutter.cut(users_B)

    def _losses(self, part: LabeledBatch) -> tuple[Tensor, Tensor]:
        rate, rng = self._options.regularization.id_dropout, self._rng
        sampled_NF = self._negatives.draw(part.batch.behaviors_NF, rng)
        batch: RaggedBatch = with_dropped_ids(part.batch, rate, rng)
        user_states, logits_C = forward(self._model, batch)
        click = binary_cross_entropy_with_logits(logits_C, torch.from_numpy(part.labels_C))
        if self._options.loss.auxiliary_weight == 0:
            return click, click.new_zeros(())
        auxiliary = self._model.auxiliary_loss(
            user_states,
            torch.from_numpy(batch.behaviors_NF),
            # Dropped as often as the real behaviors: an unknown id must not tell them apart.
            torch.from_numpy(drop_ids(sampled_NF, rate, rng)),
        )
        return click, auxiliary

    def _step(self, loss: Tensor) -> None:
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        limit = self._options.optimizer.max_gradient_norm
        if limit:
            nn.utils.clip_grad_norm_(self._model.parameters(), limit)
        self._optimizer.step()
        self._schedule.step()
        self._averaged.update()
