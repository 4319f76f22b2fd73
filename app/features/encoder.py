"""Raw features of many requests to one ragged batch: one vectorized search per field."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from itertools import chain
from typing import TypeVar, cast

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from app.core.batch import Doubles, Floats, RaggedBatch, Rows
from app.core.keys import keys_of
from app.core.request import BehaviorSequence, Candidates, FieldValue, UserContext
from app.core.schema import (
    CANDIDATE_SOURCES,
    DenseSideField,
    FeatureSchema,
    SparseField,
)
from app.features.fields_of_batch import FieldsOfBatch
from app.features.looked_up_rows import LookedUpRows, RowsOf
from app.features.unknown_ids import UnknownIds
from app.features.vocabulary import Vocabulary

# U users (one per request), N behaviors, C candidates, F behavior fields

Number = TypeVar("Number", np.uint64, np.uint32)

Fields = Mapping[str, FieldValue]
Job = tuple[UserContext, Candidates]

# No training value is this many deviations from the mean (of n values none is further than sqrt n),
# and what a client sends must not overflow into a score that is not a number.
LARGEST_DENSE = 1e6

# Of as many rows as one likes, for models without such fields: they take no memory, and to make
# them for every batch takes six times as long as to cut them.
NO_ROWS: Rows = np.empty((2**40, 0), np.int64)
NO_NUMBERS: Floats = np.empty((2**40, 0), np.float32)


class EncodedRequests(Struct, frozen=True):
    """The batch, and what of it the model does not know."""

    batch: RaggedBatch
    candidates_U: Sequence[int]  # of each request
    unknown: UnknownIds


class Encoder:
    """Turns ids into rows of the tables of one model version; the pair belongs together."""

    def __init__(self, schema: FeatureSchema, vocabularies: Mapping[str, Vocabulary]) -> None:
        self.schema = schema
        self.vocabularies = vocabularies
        self._fields = fields = FieldsOfBatch.of(schema)
        of_ads = (*fields.behavior, *fields.candidate_sparse)
        self._rows_of_ads: Mapping[str, RowsOf] = {
            field.name: LookedUpRows(partial(_look_up, vocabularies[field.name])).rows_of
            for field in of_ads
        }
        self._rows_of_users: Mapping[str, RowsOf] = {  # too many to be remembered
            field.name: partial(_look_up, vocabularies[field.name]) for field in fields.user_sparse
        }
        self._found_anywhere = frozenset(
            field.name for field in schema.side_fields if field.source == "any"
        )

    def encode(self, requests: Sequence[Job]) -> EncodedRequests:
        """One user and at least one candidate per request, in their order."""
        fields, longest = self._fields, self.schema.max_behaviors
        histories = [user.behaviors.newest(longest) for user, _ in requests]
        of_users = partial(_user_column, [self._fields_of(user) for user, _ in requests])
        of_ads = partial(_candidate_column, requests, self._found_anywhere)
        rows_of_users, rows_of_ads = self._rows_of_users, self._rows_of_ads
        candidates_U = [len(ads) for _, ads in requests]
        users, candidates = len(requests), sum(candidates_U)
        batch = RaggedBatch(
            lengths_U=np.array([len(history) for history in histories], np.int64),
            behaviors_NF=self._behavior_rows(histories),
            behavior_seconds_N=_behavior_seconds(histories),
            user_sparse_US=_sparse(fields.user_sparse, rows_of_users, of_users, users),
            user_dense_UD=_dense(fields.user_dense, of_users, users),
            candidates_CF=_sparse(fields.behavior, rows_of_ads, of_ads, candidates),
            candidate_sparse_CS=_sparse(fields.candidate_sparse, rows_of_ads, of_ads, candidates),
            candidate_dense_CD=_dense(fields.candidate_dense, of_ads, candidates),
            user_of_C=np.arange(users).repeat(candidates_U),
        )
        return EncodedRequests(batch, candidates_U, UnknownIds.of(batch, fields))

    def _fields_of(self, user: UserContext) -> Fields:
        """Each field from its own source: a profile says nothing about the moment."""
        sources = {"profile": user.profile, "context": user.context}
        values: dict[str, FieldValue] = {"user_id": user.user_id}
        for field in self.schema.side_fields:
            if field.source not in CANDIDATE_SOURCES:
                values[field.name] = sources[field.source].get(field.name)
        return values

    def _behavior_rows(self, histories: Sequence[BehaviorSequence]) -> Rows:
        keys_NF = _end_to_end([history.keys_TF for history in histories])
        rows_NF = np.empty((len(keys_NF), len(self._fields.behavior)), np.int64)
        for column, field in enumerate(self._fields.behavior):
            rows_NF[:, column] = self.vocabularies[field.name].rows_of(keys_NF[:, column])
        return rows_NF


def _behavior_seconds(histories: Sequence[BehaviorSequence]) -> Rows:
    return _end_to_end([history.timestamps_T for history in histories]).astype(np.int64)


def _end_to_end(arrays: Sequence[NDArray[Number]]) -> NDArray[Number]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


# A field's values over a batch, and for how many consecutive rows each stands; None: one each.
_Column = tuple[Sequence[FieldValue], list[int] | None]
_ColumnOf = Callable[[str], _Column]
Column = TypeVar("Column", Rows, Doubles)


def _user_column(users: Sequence[Fields], name: str) -> _Column:
    return [fields[name] for fields in users], None


def _repeated(values: Column, repeats: Sequence[int] | None) -> Column:
    return values if repeats is None else np.repeat(values, repeats)


def _candidate_column(requests: Sequence[Job], found_anywhere: Set[str], name: str) -> _Column:
    """A value that all candidates of a request share is there once, however many they are."""
    if name not in found_anywhere:
        columns = [ads.fields.get(name, ()) for _, ads in requests]
        if all(columns):
            return (columns[0] if len(columns) == 1 else list(chain.from_iterable(columns))), None
    values: list[FieldValue] = []
    repeats: list[int] = []
    for user, ads in requests:
        shared = _value_beside_candidates(user, name) if name in found_anywhere else None
        own = ads.fields.get(name)
        if not own:
            values.append(shared)
            repeats.append(len(ads))
            continue
        values += own if shared is None else [shared if value is None else value for value in own]
        repeats += [1] * len(own)
    return values, None if len(values) == sum(repeats) else repeats


def _value_beside_candidates(user: UserContext, name: str) -> FieldValue:
    value = user.context.get(name)
    return user.profile.get(name) if value is None else value


def _sparse(
    fields: Sequence[SparseField],
    rows_of: Mapping[str, RowsOf],
    column_of: _ColumnOf,
    rows: int,
) -> Rows:
    if not fields:
        return NO_ROWS[:rows]
    table_rows = np.empty((rows, len(fields)), np.int64)
    for column, field in enumerate(fields):
        values, repeats = column_of(field.name)
        table_rows[:, column] = _repeated(rows_of[field.name](values), repeats)
    return table_rows


def _look_up(vocabulary: Vocabulary, ids: Sequence[FieldValue]) -> Rows:
    return vocabulary.rows_of(keys_of(_id_texts(ids)))


def _id_texts(values: Sequence[FieldValue]) -> Iterable[str]:
    """Most fields are text throughout, which needs no look at each value."""
    if set(map(type, values)) == {str}:
        return cast(Sequence[str], values)
    return map(_id_text, values)


def _id_text(value: FieldValue) -> str:
    """Ids compare as text: 7, 7.0 and "7" are the same; a missing value is the empty text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, int) or value.is_integer() else str(value)


def _dense(fields: Sequence[DenseSideField], column_of: _ColumnOf, rows: int) -> Floats:
    if not fields:
        return NO_NUMBERS[:rows]
    standardized = np.empty((rows, len(fields)), np.float32)
    for column, field in enumerate(fields):
        values, repeats = column_of(field.name)
        numbers = [_number(value, field.mean) for value in values]
        with np.errstate(over="ignore"):
            deviations = (np.array(numbers) - field.mean) / field.std
        within_reach = deviations.clip(-LARGEST_DENSE, LARGEST_DENSE)
        standardized[:, column] = _repeated(within_reach, repeats)
    return standardized


def _number(value: FieldValue, missing: float) -> float:
    """What cannot be read as a finite number counts as missing, as in training."""
    try:
        number = float(value) if value is not None else missing
    except (ValueError, OverflowError):
        return missing
    return number if math.isfinite(number) else missing
