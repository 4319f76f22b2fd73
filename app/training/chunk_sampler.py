"""Steps over one chunk of samples: shuffled users, with ids dropped and negatives drawn."""

from collections.abc import Iterator

import numpy as np

from app.core.batch import RaggedBatch
from app.core.schema import PAD_ROW
from app.training.batches import BatchCutter, LabeledBatch, shuffled_batches
from app.training.encoded_split import SplitCounts
from app.training.encoding import EncodedSamples
from app.training.extra_negatives import ExtraNegatives, WeightedCandidates
from app.training.id_dropout import drop_ids, with_dropped_ids
from app.training.negatives import NegativeSampler
from app.training.options import TrainerOptions
from app.training.steps import StepBatch


class ChunkSampler:
    """Draws everything that is random about a step for all of its shares together."""

    def __init__(
        self,
        chunk: EncodedSamples,
        counts: SplitCounts,
        options: TrainerOptions,
        rng: np.random.Generator,
    ) -> None:
        self._options = options
        self._rng = rng
        self._cutter = BatchCutter(chunk)
        self._sampled = NegativeSampler(chunk.batch.behaviors_NF, options.negatives)
        self._extra = (
            ExtraNegatives(chunk, counts, options.negatives)
            if options.negatives.extra_negatives
            else None
        )

    def steps(self) -> Iterator[tuple[StepBatch, int]]:
        """In a new order, each with how many candidates of the split it has."""
        for part in self._shuffled(self._options.step_size):
            yield self._step(part), len(part.rows_C)

    def batches(self) -> Iterator[RaggedBatch]:
        """In a new order, without dropped ids."""
        for part in self._shuffled(self._options.batch_size):
            yield self._with_negatives(part).batch

    def _shuffled(self, size: int) -> Iterator[LabeledBatch]:
        for users_B in shuffled_batches(self._cutter.candidates_U, size, self._rng):
            yield self._cutter.cut(users_B)

    def _step(self, part: LabeledBatch) -> StepBatch:
        rate, rng = self._options.regularization.id_dropout, self._rng
        sampled_NF = self._sampled.draw(part.batch.behaviors_NF, rng)
        candidates = self._with_negatives(part)
        batch = with_dropped_ids(candidates.batch, rate, rng)
        if self._options.loss.auxiliary_weight:
            # As often as the real behaviors: an unknown id must not tell them apart.
            sampled_NF = drop_ids(sampled_NF, rate, rng)
        if self._options.loss.auxiliary_share < 1:
            left_out_N = rng.random(len(sampled_NF)) >= self._options.loss.auxiliary_share
            sampled_NF[left_out_N] = PAD_ROW
        return StepBatch(candidates.labels_C, candidates.weights_C, sampled_NF, batch)

    def _with_negatives(self, part: LabeledBatch) -> WeightedCandidates:
        if self._extra is None:
            weights_C = np.ones(len(part.labels_C), np.float32)
            return WeightedCandidates(part.labels_C, weights_C, part.batch)
        return self._extra.beside(part.labels_C, part.batch, self._rng)
