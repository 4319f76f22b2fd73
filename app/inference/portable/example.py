"""A small batch for compilers to look at: no size in it is one, which they would take for fixed."""

import numpy as np

from app.core.batch import RaggedBatch
from app.core.schema import OOV_ROW, FeatureSchema

USERS, STEPS, CANDIDATES = 3, 4, 5


def example_batch(schema: FeatureSchema) -> RaggedBatch:
    """Of users with histories of different lengths; every id is unknown."""
    lengths_U = np.minimum([STEPS, 2, 3], schema.max_behaviors)  # more have no place
    behaviors = int(lengths_U.sum())

    def oov(rows: int, columns: int) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
        return np.full((rows, columns), OOV_ROW, np.int64)

    fields = len(schema.behavior_fields)
    return RaggedBatch(
        lengths_U=lengths_U,
        behaviors_NF=oov(behaviors, fields),
        behavior_seconds_N=np.arange(behaviors),
        user_sparse_US=oov(USERS, len(schema.user_sparse_fields)),
        user_dense_UD=np.zeros((USERS, len(schema.user_dense_fields)), np.float32),
        candidates_CF=oov(CANDIDATES, fields),
        candidate_sparse_CS=oov(CANDIDATES, len(schema.candidate_sparse_fields)),
        candidate_dense_CD=np.zeros((CANDIDATES, len(schema.candidate_dense_fields)), np.float32),
        user_of_C=np.array([0, 0, 1, 2, 2]),
    )
