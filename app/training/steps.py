"""What one step of the optimizer learns from, and its shares to compute one after another."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.core.batch import Floats, RaggedBatch, Rows
from app.core.schema import PAD_ROW

# U users, N behaviors of all users, C candidates, F behavior fields


@dataclass(frozen=True, slots=True)
class StepBatch:
    """All that is random about a step has been drawn: any split of it learns the same."""

    labels_C: Floats
    weights_C: Floats  # in the click loss
    sampled_NF: Rows  # a behavior that did not happen beside each that did
    batch: RaggedBatch  # a user's candidates lie together

    @property
    def weight(self) -> float:
        """What the sum of the click losses is divided by."""
        return float(self.weights_C.sum(dtype=np.float64))

    @property
    def next_behaviors(self) -> int:
        """Behaviors with one before them and a negative: what the auxiliary loss is a mean over."""
        lengths_U, has_negative_N = self.batch.lengths_U, self.sampled_NF[:, 0] != PAD_ROW
        first_U = np.cumsum(lengths_U) - lengths_U
        return int(has_negative_N.sum() - has_negative_N[first_U[lengths_U > 0]].sum())

    def shares(self, count: int) -> Iterator["StepBatch"]:
        """Whole users, about as many candidates in each share; one may be left with nothing."""
        if count == 1:
            yield self
            return
        candidates_U = np.bincount(self.batch.user_of_C, minlength=len(self.batch.lengths_U))
        share_U = (np.cumsum(candidates_U) - 1) * count // len(self.labels_C)
        ends = np.searchsorted(share_U, np.arange(count), side="right").tolist()
        for first, end in zip([0, *ends[:-1]], ends, strict=True):
            yield self._users(first, end)

    def _users(self, first: int, end: int) -> "StepBatch":
        whole = self.batch
        users = slice(first, end)
        behaviors = slice(whole.lengths_U[:first].sum(), whole.lengths_U[:end].sum())
        candidates = slice(*np.searchsorted(whole.user_of_C, (first, end)).tolist())
        return StepBatch(
            self.labels_C[candidates],
            self.weights_C[candidates],
            self.sampled_NF[behaviors],
            RaggedBatch(
                lengths_U=whole.lengths_U[users],
                behaviors_NF=whole.behaviors_NF[behaviors],
                behavior_seconds_N=whole.behavior_seconds_N[behaviors],
                user_sparse_US=whole.user_sparse_US[users],
                user_dense_UD=whole.user_dense_UD[users],
                candidates_CF=whole.candidates_CF[candidates],
                candidate_sparse_CS=whole.candidate_sparse_CS[candidates],
                candidate_dense_CD=whole.candidate_dense_CD[candidates],
                user_of_C=whole.user_of_C[candidates] - first,
            ),
        )
