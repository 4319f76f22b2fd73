"""Samples to the table rows and numbers that a model reads, and batches cut out of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.batch import Floats, RaggedBatch, Rows
from app.core.schema import DenseSideField, SparseField
from app.features.encoder import LARGEST_DENSE
from app.training.columns import Columns
from app.training.features import Features
from app.training.samples import Samples

# U users, N behaviors, C candidates, B users of a batch, F behavior fields,
# S sparse and D dense side fields


@dataclass(frozen=True, slots=True)
class EncodedSamples:
    """One split as a single ragged batch; a user's candidates lie together."""

    labels_C: Floats
    user_ids_C: Rows  # one number per distinct user id
    batch: RaggedBatch

    @property
    def users(self) -> int:
        return len(self.batch.lengths_U)

    def candidates_per_user(self) -> Rows:
        return np.bincount(self.batch.user_of_C, minlength=self.users)


@dataclass(frozen=True, slots=True)
class LabeledBatch:
    """Some users of a split with their candidates."""

    rows_C: Rows  # which candidates of the split these are
    labels_C: Floats
    batch: RaggedBatch


def encode_samples(samples: Samples, features: Features) -> EncodedSamples:
    """The same rows and numbers that the serving encoder gives for the same raw values."""
    schema, users, candidates = features.schema, samples.users, samples.candidates
    lengths_U = np.minimum(samples.lengths_U, schema.max_behaviors)
    newest_N = rows_of_spans(np.cumsum(samples.lengths_U) - lengths_U, lengths_U)
    behaviors_NF = _table_rows(features, schema.behavior_fields, samples.behaviors)[newest_N]
    return EncodedSamples(
        samples.labels_C,
        users.ids["user_id"].codes_R[samples.user_of_C],
        RaggedBatch(
            lengths_U=lengths_U,
            behaviors_NF=behaviors_NF,
            user_sparse_US=_table_rows(features, schema.user_sparse_fields, users),
            user_dense_UD=_standardized(schema.user_dense_fields, users),
            candidates_CF=_table_rows(features, schema.behavior_fields, candidates),
            candidate_sparse_CS=_table_rows(features, schema.candidate_sparse_fields, candidates),
            candidate_dense_CD=_standardized(schema.candidate_dense_fields, candidates),
            user_of_C=samples.user_of_C,
        ),
    )


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
                user_sparse_US=whole.user_sparse_US[users_B],
                user_dense_UD=whole.user_dense_UD[users_B],
                candidates_CF=whole.candidates_CF[rows_C],
                candidate_sparse_CS=whole.candidate_sparse_CS[rows_C],
                candidate_dense_CD=whole.candidate_dense_CD[rows_C],
                user_of_C=np.repeat(np.arange(len(users_B)), counts_B),
            ),
        )


def rows_of_spans(first_R: Rows, lengths_R: Rows) -> Rows:
    """first, first + 1, ... of each span, span after span."""
    ends_R = np.cumsum(lengths_R)
    return np.arange(lengths_R.sum()) + np.repeat(first_R - ends_R + lengths_R, lengths_R)


def _table_rows(features: Features, fields: Sequence[SparseField], columns: Columns) -> Rows:
    rows = np.empty((columns.rows, len(fields)), np.int64)
    for index, field in enumerate(fields):
        ids = columns.ids[field.name]
        rows[:, index] = features.vocabularies[field.name].rows_of(ids.distinct_keys())[ids.codes_R]
    return rows


def _standardized(fields: Sequence[DenseSideField], columns: Columns) -> Floats:
    numbers = np.empty((columns.rows, len(fields)), np.float32)
    for index, field in enumerate(fields):
        known = np.nan_to_num(columns.numbers[field.name], nan=field.mean)
        deviations = (known - field.mean) / field.std
        numbers[:, index] = deviations.clip(-LARGEST_DENSE, LARGEST_DENSE)
    return numbers
