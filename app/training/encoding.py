"""Samples to the table rows and numbers that a model reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.batch import Floats, RaggedBatch, Rows
from app.core.schema import DenseSideField, SparseField
from app.features.encoder import LARGEST_DENSE
from app.training.columns import Columns
from app.training.features import Features
from app.training.samples import Samples
from app.training.spans import rows_of_spans

# U users, N behaviors, C candidates, F behavior fields,
# S sparse and D dense side fields


@dataclass(frozen=True, slots=True)
class EncodedSamples:
    """One split as a single ragged batch; a user's candidates lie together."""

    labels_C: Floats
    user_ids_C: Rows  # one number per distinct user id, the same in every chunk of a split
    batch: RaggedBatch

    @property
    def users(self) -> int:
        return len(self.batch.lengths_U)

    def candidates_per_user(self) -> Rows:
        return np.bincount(self.batch.user_of_C, minlength=self.users)


def encode_samples(samples: Samples, features: Features) -> EncodedSamples:
    """The same rows and numbers that the serving encoder gives for the same raw values."""
    schema, users, candidates = features.schema, samples.users, samples.candidates
    lengths_U = np.minimum(samples.lengths_U, schema.max_behaviors)
    newest_N = rows_of_spans(np.cumsum(samples.lengths_U) - lengths_U, lengths_U)
    behaviors_NF = _table_rows(features, schema.behavior_fields, samples.behaviors)[newest_N]
    return EncodedSamples(
        samples.labels_C,
        _user_numbers(users)[samples.user_of_C],
        RaggedBatch(
            lengths_U=lengths_U,
            behaviors_NF=behaviors_NF,
            behavior_seconds_N=samples.behavior_times_N[newest_N].astype(np.int64),
            user_sparse_US=_table_rows(features, schema.user_sparse_fields, users),
            user_dense_UD=_standardized(schema.user_dense_fields, users),
            candidates_CF=_table_rows(features, schema.behavior_fields, candidates),
            candidate_sparse_CS=_table_rows(features, schema.candidate_sparse_fields, candidates),
            candidate_dense_CD=_standardized(schema.candidate_dense_fields, candidates),
            user_of_C=samples.user_of_C,
        ),
    )


def _user_numbers(users: Columns) -> Rows:
    """[U]: keys, which need no table of all users."""
    ids = users.ids["user_id"]
    return ids.distinct_keys().view(np.int64)[ids.codes_R]


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
