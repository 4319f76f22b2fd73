"""Samples as the requests that clients would send for them: raw values, as in serving."""

from collections.abc import Collection, Sequence

import numpy as np

from app.core.batch import Rows
from app.core.request import (
    BEHAVIOR_FIELDS,
    BehaviorSequence,
    Candidates,
    FieldValue,
    UserContext,
)
from app.core.schema import CANDIDATE_SOURCES, Source
from app.training.columns import Columns
from app.training.samples import Samples
from app.training.side_fields import DeclaredField


class SampleRequests:
    """The users of a split with their candidates, by index."""

    def __init__(self, samples: Samples, fields: Sequence[DeclaredField]) -> None:
        self._samples = samples
        self._fields = fields
        ids = [samples.behaviors.ids[name] for name in BEHAVIOR_FIELDS]
        self._keys_NF = np.stack([column.distinct_keys()[column.codes_R] for column in ids], axis=1)
        self._behavior_ends_U = np.cumsum(samples.lengths_U)
        self._candidate_ends_U = np.cumsum(np.bincount(samples.user_of_C))

    def request(self, user: int) -> tuple[UserContext, Candidates]:
        return self.user(user), self.candidates(self.candidates_of(user))

    def user(self, user: int) -> UserContext:
        users, here = self._samples.users, slice(user, user + 1)
        span = self.behaviors_of(user)
        behaviors = BehaviorSequence(self._keys_NF[span], self._samples.behavior_times_N[span])
        profile, context = (
            {name: values[0] for name, values in self._values(users, {source}, here).items()}
            for source in _USER_SOURCES
        )
        return UserContext(users.ids["user_id"][here][0], behaviors, profile, context)

    def candidates(self, rows: slice) -> Candidates:
        columns = self._samples.candidates
        fields: dict[str, Sequence[FieldValue]] = {
            name: columns.ids[name][rows] for name in BEHAVIOR_FIELDS
        }
        count = len(fields["item_id"])
        fields |= self._values(columns, CANDIDATE_SOURCES, rows)
        return Candidates([str(index) for index in range(count)], [None] * count, fields)

    def behaviors_of(self, user: int) -> slice:
        """The rows of a user's behaviors."""
        return _span(self._behavior_ends_U, user)

    def candidates_of(self, user: int) -> slice:
        """The rows of a user's candidates."""
        return _span(self._candidate_ends_U, user)

    def _values(
        self, columns: Columns, sources: Collection[Source], rows: slice
    ) -> dict[str, Sequence[FieldValue]]:
        fields = [field for field in self._fields if field.source in sources]
        return {field.name: _raw(columns, field, rows) for field in fields}


_USER_SOURCES: tuple[Source, Source] = ("profile", "context")


def _raw(columns: Columns, field: DeclaredField, rows: slice) -> Sequence[FieldValue]:
    if field.kind == "sparse":
        return columns.ids[field.name][rows]
    numbers: list[float] = columns.numbers[field.name][rows].tolist()
    return [None if np.isnan(number) else number for number in numbers]


def _span(ends_U: Rows, user: int) -> slice:
    return slice(int(ends_U[user - 1]) if user else 0, int(ends_U[user]))
