"""One epoch after another of gradient steps on click and auxiliary loss."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from app.core.schema import FeatureSchema
from app.errors import StartupRefused
from app.models.factory import Model
from app.training.averaging import AveragedModel
from app.training.embedding_dropout import drop_embedding_elements
from app.training.encoded_split import EncodedSplit
from app.training.objective import Objective
from app.training.optimizer import load_optimizer_tensors, make_optimizer, optimizer_tensors
from app.training.options import TrainerOptions
from app.training.penalties import EmbeddingPenalty
from app.training.processes import Processes
from app.training.progress import Watcher
from app.training.reproducible import seed_torch
from app.training.running_statistics import settle_statistics
from app.training.schedules import TrainingLength, make_schedule
from app.training.step_sampler import StepSampler
from app.training.steps import StepBatch
from app.training.synchronized_statistics import synchronize_statistics

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


@dataclass(frozen=True, slots=True)
class EpochsState:
    """What epochs leave to those after them."""

    weights: Mapping[str, Tensor]
    averaged: Mapping[str, Tensor]
    averaged_steps: int
    optimizer: Mapping[str, Tensor]
    schedule: Mapping[str, Any]
    generator: Mapping[str, Any]


class Epochs:
    """A model in training, the average of its weights, its optimizer and its random numbers."""

    def __init__(
        self,
        objective: Objective,
        schema: FeatureSchema,
        train: EncodedSplit,
        options: TrainerOptions,
        watcher: Watcher,
        processes: Processes,
    ) -> None:
        """Raises StartupRefused for an L2 of a field that there is not."""
        self._objective = objective
        self._model = model = objective.trained
        self._averaged = AveragedModel(objective.served, options.optimizer.weight_averaging)
        self._processes = processes
        if processes.count > 1:
            synchronize_statistics(model)
        drop_embedding_elements(model, options.regularization.embedding_dropout)
        self._penalty = EmbeddingPenalty(schema, train.counts, options.regularization)
        self._options = options
        self._watcher = watcher
        self._rows = train.rows
        self._generator = np.random.default_rng(options.seed)
        self._sampler = StepSampler(train, options, self._generator)
        full_batches = max(1, self._rows // options.step_size)
        self._optimizer = make_optimizer(model, options, full_batches=full_batches)
        length = TrainingLength(self._sampler.steps_per_epoch, options.epochs)
        self._schedule = make_schedule(self._optimizer, options.optimizer, length)

    @property
    def averaged(self) -> Model:
        """The model to evaluate and to serve."""
        return self._averaged.model

    def run(self, epoch: int) -> MeanLosses:
        """Raises StartupRefused when the loss is no longer a number."""
        seed_torch(self._options.seed, epoch, self._processes.rank)
        self._model.train()
        self._watcher.epoch_started(epoch, self._rows)
        auxiliary_weight = self._options.loss.auxiliary_weight_of(epoch)
        losses = MeanLosses()
        for step, rows in self._sampler.steps():
            losses.add(*self._step(step, auxiliary_weight), rows)
            if not math.isfinite(losses.click + losses.auxiliary):
                raise StartupRefused(
                    f"the loss of epoch {epoch} is not a number: lower --learning-rate"
                )
            self._watcher.batch_done(rows, losses.click)
        settle_statistics(self.averaged, islice(self._sampler.batches(), SETTLING_BATCHES))
        return losses

    def state(self) -> EpochsState:
        """Everything that later epochs depend on, as it is between two of them."""
        return EpochsState(
            weights=self._model.state_dict(),
            averaged=self.averaged.state_dict(),
            averaged_steps=self._averaged.steps,
            optimizer=optimizer_tensors(self._optimizer),
            schedule=self._schedule.state_dict(),
            generator=self._generator.bit_generator.state,
        )

    def restore(self, state: EpochsState) -> None:
        """Goes on from there."""
        self._model.load_state_dict(dict(state.weights))
        self.averaged.load_state_dict(dict(state.averaged))
        self._averaged.steps = state.averaged_steps
        load_optimizer_tensors(self._optimizer, state.optimizer)
        self._schedule.load_state_dict(dict(state.schedule))
        for group, rate in zip(
            self._optimizer.param_groups, self._schedule.get_last_lr(), strict=True
        ):
            group["lr"] = rate
        self._generator.bit_generator.state = state.generator

    def _step(self, step: StepBatch, auxiliary_weight: float) -> tuple[float, float]:
        """The click and the auxiliary loss before it."""
        self._optimizer.zero_grad()
        losses = np.zeros(2)
        for share in self._processes.own_shares(step, self._options.optimizer.accumulate):
            click, auxiliary = self._losses(share, step)
            torch.autograd.backward(click + auxiliary_weight * auxiliary)
            losses += click.item(), auxiliary.item()
        click_mean, auxiliary_mean = self._processes.add_gradients(self._model, losses.tolist())
        if not self._penalty.is_zero:
            torch.autograd.backward(self._penalty.of(self._model, step))
        limit = self._options.optimizer.max_gradient_norm
        if limit:
            nn.utils.clip_grad_norm_(self._model.parameters(), limit)
        self._optimizer.step()
        self._schedule.step()
        self._averaged.update()
        return click_mean, auxiliary_mean

    def _losses(self, share: StepBatch, step: StepBatch) -> tuple[Tensor, Tensor]:
        """What a share adds to the means over its whole step."""
        losses = self._objective.losses(share)
        of_step = share.next_behaviors / max(1, step.next_behaviors)
        return losses.click / step.weight, losses.auxiliary * of_step
