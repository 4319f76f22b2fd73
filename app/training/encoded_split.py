"""Encoded samples of one split, one chunk in memory at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from app.core.batch import Rows
from app.core.schema import FeatureSchema
from app.training.candidate_counts import CandidateCounts
from app.training.encoding import EncodedSamples, encode_samples
from app.training.features import Features
from app.training.looked_up import looked_up_rows
from app.training.sample_split import SampleSplit

# V rows of a table

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """What of a split is needed as a whole."""

    rows: int
    clicks: int
    look_ups_V: dict[str, Rows]  # by sparse field
    clicks_V: Rows  # by item
    candidates: CandidateCounts


class EncodedSplit:
    """Keeps the last chunk that was asked for: a split that is one chunk is encoded once."""

    def __init__(
        self,
        chunk_rows: Sequence[int],
        load: Callable[[int], EncodedSamples],
        schema: FeatureSchema,
    ) -> None:
        self.chunk_rows = chunk_rows
        self._load = load
        self._schema = schema
        self._kept: tuple[int, EncodedSamples] | None = None

    @classmethod
    def of(cls, samples: EncodedSamples, schema: FeatureSchema) -> "EncodedSplit":
        """A single chunk that is there already."""
        return cls([len(samples.labels_C)], lambda _: samples, schema)

    @classmethod
    def encoding(cls, split: SampleSplit, features: Features) -> "EncodedSplit":
        """Chunks of raw samples, each encoded when it is asked for."""

        def load(index: int) -> EncodedSamples:
            return encode_samples(split.chunk(index), features)

        return cls(split.chunk_rows, load, features.schema)

    @property
    def rows(self) -> int:
        return sum(self.chunk_rows)

    def chunk(self, index: int) -> EncodedSamples:
        if self._kept is None or self._kept[0] != index:
            self._kept = None  # before the next one is read
            self._kept = index, self._load(index)
        return self._kept[1]

    def each(self, look_at: Callable[[EncodedSamples], Result]) -> list[Result]:
        """What comes of every chunk; a loop's variable would hold one while the next is read."""
        return [look_at(self.chunk(index)) for index in range(len(self.chunk_rows))]

    @cached_property
    def counts(self) -> SplitCounts:
        """By going through all chunks, the first time."""
        tables = {field.name: field.rows for field in self._schema.sparse_fields}
        look_ups_V = {name: np.zeros(rows, np.int64) for name, rows in tables.items()}
        clicks_V = np.zeros(tables["item_id"], np.int64)

        def count(chunk: EncodedSamples) -> CandidateCounts:
            for name, rows in looked_up_rows(chunk.batch, self._schema).items():
                look_ups_V[name] += np.bincount(rows, minlength=tables[name])
            clicked = chunk.batch.candidates_CF[chunk.labels_C > 0, 0]
            clicks_V[:] += np.bincount(clicked, minlength=tables["item_id"])
            return CandidateCounts.of(chunk.batch.candidates_CF, chunk.labels_C)

        candidates = CandidateCounts.total(self.each(count))
        return SplitCounts(self.rows, int(clicks_V.sum()), look_ups_V, clicks_V, candidates)
