"""Steps of an epoch over all chunks of the training samples, and within each."""

from collections.abc import Iterator

import numpy as np

from app.core.batch import RaggedBatch
from app.training.chunk_sampler import ChunkSampler
from app.training.encoded_split import EncodedSplit
from app.training.options import TrainerOptions
from app.training.steps import StepBatch


class StepSampler:
    """Chunks come in a new order in every epoch; a step, and all that it draws, is of one chunk."""

    def __init__(
        self, train: EncodedSplit, options: TrainerOptions, rng: np.random.Generator
    ) -> None:
        self._train = train
        self._options = options
        self._rng = rng
        self._kept: tuple[int, ChunkSampler] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """As many as there can be."""
        return sum(-(-rows // self._options.step_size) for rows in self._train.chunk_rows)

    def steps(self) -> Iterator[tuple[StepBatch, int]]:
        """In a new order, each with how many candidates of the split it has."""
        for index in self._shuffled_chunks():
            yield from self._sampler(index).steps()

    def batches(self) -> Iterator[RaggedBatch]:
        """In a new order, without dropped ids."""
        for index in self._shuffled_chunks():
            yield from self._sampler(index).batches()

    def _shuffled_chunks(self) -> list[int]:
        order: list[int] = self._rng.permutation(len(self._train.chunk_rows)).tolist()
        return order

    def _sampler(self, index: int) -> ChunkSampler:
        if self._kept is None or self._kept[0] != index:
            self._kept = None  # before the next chunk is read
            chunk, counts = self._train.chunk(index), self._train.counts
            self._kept = index, ChunkSampler(chunk, counts, self._options, self._rng)
        return self._kept[1]
