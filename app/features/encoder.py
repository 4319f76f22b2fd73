"""Raw features of many requests to one ragged batch: one vectorized search per field."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.core.batch import Floats, RaggedBatch, Rows
from app.core.keys import keys_of
from app.core.request import BEHAVIOR_FIELDS, BehaviorSequence, Candidates, FieldValue, UserContext
from app.core.schema import OOV_ROW, DenseSideField, FeatureSchema, SparseField
from app.features.vocabulary import Vocabulary

# U users (one per request), N behaviors, C candidates, F behavior fields

Fields = Mapping[str, FieldValue]

# No training value is this many deviations from the mean (of n values none is further than sqrt n),
# and what a client sends must not overflow into a score that is not a number.
LARGEST_DENSE = 1e6


@dataclass(frozen=True, slots=True)
class EncodedRequests:
    """The batch and, per request, how many of its items the model does not know."""

    batch: RaggedBatch
    unknown_items_U: Rows
    unknown_ids: Mapping[str, int]  # by field, over the whole batch


class Encoder:
    """Turns ids into rows of the tables of one model version; the pair belongs together."""

    def __init__(self, schema: FeatureSchema, vocabularies: Mapping[str, Vocabulary]) -> None:
        self.schema = schema
        self.vocabularies = vocabularies

    def encode(self, requests: Sequence[tuple[UserContext, Candidates]]) -> EncodedRequests:
        """One user and at least one candidate per request, in their order."""
        schema = self.schema
        users = [user for user, _ in requests]
        candidates = [ads for _, ads in requests]
        histories = [user.behaviors.newest(schema.max_behaviors) for user in users]
        user_fields = [self._fields_of(user) for user in users]
        batch = RaggedBatch(
            lengths_U=np.array([len(history) for history in histories], np.int64),
            behaviors_NF=self._behavior_rows(histories),
            behavior_seconds_N=_behavior_seconds(histories),
            user_sparse_US=self._sparse(schema.user_sparse_fields, _columns(user_fields)),
            user_dense_UD=_dense(schema.user_dense_fields, _columns(user_fields), len(users)),
            candidates_CF=self._sparse(schema.behavior_fields, _joined(candidates)),
            candidate_sparse_CS=self._sparse(schema.candidate_sparse_fields, _joined(candidates)),
            candidate_dense_CD=_dense(
                schema.candidate_dense_fields, _joined(candidates), sum(map(len, candidates))
            ),
            user_of_C=np.repeat(np.arange(len(users)), [len(ads) for ads in candidates]),
        )
        return EncodedRequests(batch, _unknown_items(batch), self._unknown_ids(batch))

    def _fields_of(self, user: UserContext) -> Fields:
        """Each field from its own source: a profile says nothing about the moment."""
        sources = {"profile": user.profile, "context": user.context}
        values: dict[str, FieldValue] = {"user_id": user.user_id}
        for field in self.schema.side_fields:
            if field.source != "candidate":
                values[field.name] = sources[field.source].get(field.name)
        return values

    def _behavior_rows(self, histories: Sequence[BehaviorSequence]) -> Rows:
        keys_NF = np.concatenate([history.keys_TF for history in histories])
        columns = [
            self.vocabularies[name].rows_of(keys_NF[:, column])
            for column, name in enumerate(BEHAVIOR_FIELDS)
        ]
        return np.stack(columns, axis=1)

    def _sparse(self, fields: Sequence[SparseField], column_of: "_ColumnOf") -> Rows:
        columns = [
            self.vocabularies[field.name].rows_of(keys_of(map(_id_text, column_of(field.name))))
            for field in fields
        ]
        return np.stack(columns, axis=1) if columns else np.empty((column_of.rows, 0), np.int64)

    def _unknown_ids(self, batch: RaggedBatch) -> dict[str, int]:
        schema = self.schema
        rows_of_fields = (
            (schema.behavior_fields, batch.behaviors_NF),
            (schema.behavior_fields, batch.candidates_CF),
            (schema.user_sparse_fields, batch.user_sparse_US),
            (schema.candidate_sparse_fields, batch.candidate_sparse_CS),
        )
        counts = {field.name: 0 for field in schema.sparse_fields}
        for fields, rows in rows_of_fields:
            for field, unknown in zip(fields, (rows == OOV_ROW).sum(axis=0), strict=True):
                counts[field.name] += int(unknown)
        return counts


def _behavior_seconds(histories: Sequence[BehaviorSequence]) -> Rows:
    return np.concatenate([history.timestamps_T for history in histories]).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _ColumnOf:
    """A field's values over all rows of a batch, None where a row does not have it."""

    parts: Sequence[tuple[Mapping[str, Sequence[FieldValue]], int]]
    rows: int

    def __call__(self, name: str) -> Iterable[FieldValue]:
        for columns, rows in self.parts:
            yield from columns.get(name) or (None,) * rows


def _joined(candidates: Sequence[Candidates]) -> _ColumnOf:
    return _ColumnOf([(ads.fields, len(ads)) for ads in candidates], sum(map(len, candidates)))


def _columns(rows: Sequence[Fields]) -> _ColumnOf:
    parts = [({name: (value,) for name, value in row.items()}, 1) for row in rows]
    return _ColumnOf(parts, len(rows))


def _id_text(value: FieldValue) -> str:
    """Ids compare as text: 7, 7.0 and "7" are the same; a missing value is the empty text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, int) or value.is_integer() else str(value)


def _dense(fields: Sequence[DenseSideField], column_of: _ColumnOf, rows: int) -> Floats:
    values = np.empty((rows, len(fields)), np.float32)
    for column, field in enumerate(fields):
        numbers = [_number(value, field.mean) for value in column_of(field.name)]
        with np.errstate(over="ignore"):
            deviations = (np.array(numbers) - field.mean) / field.std
        values[:, column] = deviations.clip(-LARGEST_DENSE, LARGEST_DENSE)
    return values


def _number(value: FieldValue, missing: float) -> float:
    """What cannot be read as a finite number counts as missing, as in training."""
    try:
        number = float(value) if value is not None else missing
    except (ValueError, OverflowError):
        return missing
    return number if math.isfinite(number) else missing


def _unknown_items(batch: RaggedBatch) -> Rows:
    users = len(batch.lengths_U)
    behavior_user_N = np.repeat(np.arange(users), batch.lengths_U)
    behaviors = np.bincount(behavior_user_N[batch.behaviors_NF[:, 0] == OOV_ROW], minlength=users)
    candidates = np.bincount(batch.user_of_C[batch.candidates_CF[:, 0] == OOV_ROW], minlength=users)
    return behaviors + candidates
