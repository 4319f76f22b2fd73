"""How many ids of a batch the model does not know: by field, and by request."""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from app.core.batch import RaggedBatch, Rows
from app.core.schema import OOV_ROW, SparseField
from app.features.fields_of_batch import FieldsOfBatch

# U users, N behaviors, C candidates, F fields

_OOV_ROW = np.array(OOV_ROW)  # of a number, each comparison makes an array


class UnknownIds(Struct, frozen=True):
    """Items per request, of its behaviors and of its candidates, and ids by field."""

    behaviors_U: Sequence[int]
    candidates_U: Sequence[int]
    by_field: Mapping[str, int]  # over the whole batch; only of fields that have any

    @classmethod
    def of(cls, batch: RaggedBatch, fields: FieldsOfBatch) -> "UnknownIds":
        by_field: dict[str, int] = {}
        users = len(batch.lengths_U)
        behaviors_U = candidates_U = [0] * users
        if _count(by_field, fields.behavior, batch.behaviors_NF):
            user_of_N = np.arange(users).repeat(batch.lengths_U)
            behaviors_U = _by_user(batch.behaviors_NF, user_of_N, users)
        if _count(by_field, fields.behavior, batch.candidates_CF):
            candidates_U = _by_user(batch.candidates_CF, batch.user_of_C, users)
        _count(by_field, fields.user_sparse, batch.user_sparse_US)
        _count(by_field, fields.candidate_sparse, batch.candidate_sparse_CS)
        return cls(behaviors_U, candidates_U, by_field)


def _count(by_field: dict[str, int], fields: Sequence[SparseField], rows_RF: Rows) -> bool:
    """Whether there are any, which there seldom are."""
    if not rows_RF.size or not np.count_nonzero(unknown_RF := rows_RF == _OOV_ROW):
        return False
    for field, unknown_R in zip(fields, unknown_RF.T, strict=True):
        count = int(np.count_nonzero(unknown_R))
        if count:
            by_field[field.name] = by_field.get(field.name, 0) + count
    return True


def _by_user(rows_RF: Rows, user_of_R: Rows, users: int) -> list[int]:
    """Of items, which are the first field."""
    counts: list[int] = np.bincount(user_of_R[rows_RF[:, 0] == _OOV_ROW], minlength=users).tolist()
    return counts
