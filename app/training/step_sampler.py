"""Steps of an epoch: shuffled users, with ids dropped and negatives drawn."""

from collections.abc import Iterator

import numpy as np

from app.training.batches import BatchCutter, LabeledBatch, shuffled_batches
from app.training.encoding import EncodedSamples
from app.training.id_dropout import drop_ids, with_dropped_ids
from app.training.negatives import NegativeSampler
from app.training.options import TrainerOptions
from app.training.steps import StepBatch


class StepSampler:
    """Draws everything that is random about a step for all of its shares together."""

    def __init__(
        self, train: EncodedSamples, options: TrainerOptions, rng: np.random.Generator
    ) -> None:
        self._options = options
        self._rng = rng
        self._cutter = BatchCutter(train)
        self._negatives = NegativeSampler(train.batch.behaviors_NF)

    def steps(self) -> Iterator[tuple[StepBatch, int]]:
        """In a new order, each with how many candidates of the split it has."""
        for part in self.shuffled(self._options.step_size):
            yield self._step(part), len(part.rows_C)

    def shuffled(self, size: int) -> Iterator[LabeledBatch]:
        """The split in batches of about `size` candidates, as they are."""
        for users_B in shuffled_batches(self._cutter.candidates_U, size, self._rng):
            yield self._cutter.cut(users_B)

    def _step(self, part: LabeledBatch) -> StepBatch:
        rate, rng = self._options.regularization.id_dropout, self._rng
        sampled_NF = self._negatives.draw(part.batch.behaviors_NF, rng)
        batch = with_dropped_ids(part.batch, rate, rng)
        if self._options.loss.auxiliary_weight:
            # As often as the real behaviors: an unknown id must not tell them apart.
            sampled_NF = drop_ids(sampled_NF, rate, rng)
        weights_C = np.ones(len(part.labels_C), np.float32)
        return StepBatch(part.labels_C, weights_C, sampled_NF, batch)
