"""Batches cut out of an encoded split: whole users, in any order."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.core.batch import Floats, RaggedBatch, Rows
from app.training.encoding import EncodedSamples
from app.training.spans import rows_of_spans

# U users, B users of a batch, C candidates


@dataclass(frozen=True, slots=True)
class LabeledBatch:
    """Some users of a split with their candidates."""

    rows_C: Rows  # which candidates of the split these are
    labels_C: Floats
    batch: RaggedBatch


class BatchCutter:
    """Takes any users of a split, with all of their candidates."""

    def __init__(self, split: EncodedSamples) -> None:
        self._split = split
        whole = split.batch
        self._first_behavior_U = np.cumsum(whole.lengths_U) - whole.lengths_U
        self.candidates_U = split.candidates_per_user()
        self._first_candidate_U = np.cumsum(self.candidates_U) - self.candidates_U

    def cut(self, users_B: Rows) -> LabeledBatch:
        whole = self._split.batch
        lengths_B, counts_B = whole.lengths_U[users_B], self.candidates_U[users_B]
        behaviors = rows_of_spans(self._first_behavior_U[users_B], lengths_B)
        rows_C = rows_of_spans(self._first_candidate_U[users_B], counts_B)
        return LabeledBatch(
            rows_C,
            self._split.labels_C[rows_C],
            RaggedBatch(
                lengths_U=lengths_B,
                behaviors_NF=whole.behaviors_NF[behaviors],
                behavior_seconds_N=whole.behavior_seconds_N[behaviors],
                user_sparse_US=whole.user_sparse_US[users_B],
                user_dense_UD=whole.user_dense_UD[users_B],
                candidates_CF=whole.candidates_CF[rows_C],
                candidate_sparse_CS=whole.candidate_sparse_CS[rows_C],
                candidate_dense_CD=whole.candidate_dense_CD[rows_C],
                user_of_C=np.repeat(np.arange(len(users_B)), counts_B),
            ),
        )


def shuffled_batches(
    candidates_U: Rows, batch_size: int, rng: np.random.Generator
) -> Iterator[Rows]:
    """All users in a new order, about `batch_size` candidates together, never a user apart."""
    order_U = rng.permutation(len(candidates_U))
    batch_U = (np.cumsum(candidates_U[order_U]) - 1) // batch_size
    yield from np.split(order_U, np.flatnonzero(np.diff(batch_U)) + 1)
