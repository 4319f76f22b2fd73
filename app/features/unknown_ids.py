"""How many ids of a batch the model does not know: by field, and by request."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.batch import RaggedBatch, Rows
from app.core.schema import OOV_ROW, FeatureSchema

# U users, N behaviors, C candidates


@dataclass(frozen=True, slots=True)
class UnknownIds:
    """Items per request, of its behaviors and of its candidates, and ids by field."""

    behaviors_U: Rows
    candidates_U: Rows
    by_field: dict[str, int]  # over the whole batch

    @classmethod
    def of(cls, batch: RaggedBatch, schema: FeatureSchema) -> "UnknownIds":
        behaviors, candidates = batch.behaviors_NF == OOV_ROW, batch.candidates_CF == OOV_ROW
        by_field = {field.name: 0 for field in schema.sparse_fields}
        for fields, unknown in (
            (schema.behavior_fields, behaviors),
            (schema.behavior_fields, candidates),
            (schema.user_sparse_fields, batch.user_sparse_US == OOV_ROW),
            (schema.candidate_sparse_fields, batch.candidate_sparse_CS == OOV_ROW),
        ):
            if np.count_nonzero(unknown):
                for field, column in zip(fields, unknown.T, strict=True):
                    by_field[field.name] += int(np.count_nonzero(column))
        users = len(batch.lengths_U)
        user_of_N = np.arange(users).repeat(batch.lengths_U)
        return cls(
            _by_user(behaviors[:, 0], user_of_N, users),
            _by_user(candidates[:, 0], batch.user_of_C, users),
            by_field,
        )


def _by_user(unknown: NDArray[np.bool_], user_of_row: Rows, users: int) -> Rows:
    return np.bincount(user_of_row[unknown], minlength=users)
