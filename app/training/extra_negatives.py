"""Items that were not shown, beside each click, as further candidates without one."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from app.core.batch import Floats, RaggedBatch, Rows
from app.training.encoded_split import SplitCounts
from app.training.encoding import EncodedSamples
from app.training.met_items import MetItems
from app.training.options import NegativeOptions
from app.training.row_draws import drawable, row_draw

# C candidates of a batch, M of the chunk to draw from, K drawn negatives, F behavior fields (the
# item first), S sparse and D dense fields of candidates

TRIES = 32
Number = TypeVar("Number", np.int64, np.float32)


@dataclass(frozen=True, slots=True)
class WeightedCandidates:
    """The candidates of a batch with what each counts in the loss."""

    labels_C: Floats
    weights_C: Floats
    batch: RaggedBatch


class ExtraNegatives:
    """Draws rows of the training candidates, so a negative comes with its own category and fields.

    With P clicks and Q others in the split and E extra negatives per click, each negative, drawn
    or not, weighs Q / (Q + E P). All of them together weigh Q, as those of the file did alone, so
    the share of clicks stays what it was, and with it the mean predicted probability.
    """

    def __init__(
        self, chunk: EncodedSamples, counts: SplitCounts, options: NegativeOptions
    ) -> None:
        """Draws from the chunk; `counts` are those of the whole split."""
        self._per_click = options.extra_negatives
        others = counts.rows - counts.clicks
        self._weight = others / max(1, others + self._per_click * counts.clicks)
        rows_M = np.flatnonzero(drawable(chunk.batch.candidates_CF[:, 0], options))
        self._candidates_MF = chunk.batch.candidates_CF[rows_M]
        self._sparse_MS = chunk.batch.candidate_sparse_CS[rows_M]
        self._dense_MD = chunk.batch.candidate_dense_CD[rows_M]
        self._draw = row_draw(self._candidates_MF, options)

    def beside(
        self, labels_C: Floats, batch: RaggedBatch, rng: np.random.Generator
    ) -> WeightedCandidates:
        """The batch with negatives behind each user's candidates.

        None is an item that its user has met, wherever the pool has another one.
        """
        clicked_K = np.repeat(np.flatnonzero(labels_C > 0), self._per_click)
        user_K = batch.user_of_C[clicked_K]
        rows_K = self._rows(batch.candidates_CF[clicked_K], user_K, MetItems(labels_C, batch), rng)
        user_C = np.concatenate([batch.user_of_C, user_K])
        order_C = np.argsort(user_C, kind="stable")

        def joined(own: NDArray[Number], drawn: NDArray[Number]) -> NDArray[Number]:
            return np.concatenate([own, drawn])[order_C]

        labels_C = joined(labels_C, np.zeros(len(rows_K), np.float32))
        return WeightedCandidates(
            labels_C,
            np.where(labels_C > 0, 1.0, self._weight).astype(np.float32),
            replace(
                batch,
                candidates_CF=joined(batch.candidates_CF, self._candidates_MF[rows_K]),
                candidate_sparse_CS=joined(batch.candidate_sparse_CS, self._sparse_MS[rows_K]),
                candidate_dense_CD=joined(batch.candidate_dense_CD, self._dense_MD[rows_K]),
                user_of_C=user_C[order_C],
            ),
        )

    def _rows(
        self, clicked_KF: Rows, user_K: Rows, met: MetItems, rng: np.random.Generator
    ) -> Rows:
        rows_K = self._draw(clicked_KF, rng)
        left = np.arange(len(rows_K))
        for _ in range(TRIES):
            left = left[met.contain(user_K[left], self._candidates_MF[rows_K[left], 0])]
            if len(left) == 0:
                return rows_K
            rows_K[left] = self._draw(clicked_KF[left], rng)
        for index in left.tolist():
            rows_K[index] = self._searched(clicked_KF[index, 0], met.of(user_K[index]), rng)
        return rows_K

    def _searched(self, clicked_item: int, met_items: Rows, rng: np.random.Generator) -> int:
        """For a user who has met almost everything: at least it is not the clicked item."""
        items_M = self._candidates_MF[:, 0]
        for avoided in (met_items, [clicked_item]):
            allowed = np.flatnonzero(~np.isin(items_M, avoided))
            if len(allowed):
                return int(rng.choice(allowed))
        return int(rng.integers(len(items_M)))
