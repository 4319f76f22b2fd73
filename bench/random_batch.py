"""Batches of a served size for a runtime alone: random rows, no text and no encoder."""

from collections.abc import Sequence

import numpy as np

from app.core.batch import RaggedBatch, Rows
from app.core.schema import OOV_ROW, FeatureSchema, SparseField

CANDIDATES = 100  # of a user
BEHAVIORS = 50
SECONDS_BETWEEN_BEHAVIORS = 600


def draw_batch(schema: FeatureSchema, users: int = 1) -> RaggedBatch:
    """Users with random behaviors, ten minutes apart, and random candidates."""
    rng = np.random.default_rng(0)
    steps = min(BEHAVIORS, schema.max_behaviors)
    behaviors, candidates = users * steps, users * CANDIDATES

    def rows(fields: Sequence[SparseField], count: int) -> Rows:
        columns = [rng.integers(OOV_ROW, field.rows, count) for field in fields]
        return np.stack(columns, axis=1) if columns else np.empty((count, 0), np.int64)

    def numbers(count: int, fields: int) -> np.ndarray:
        return rng.normal(size=(count, fields)).astype(np.float32)

    return RaggedBatch(
        lengths_U=np.full(users, steps),
        behaviors_NF=rows(schema.behavior_fields, behaviors),
        behavior_seconds_N=np.tile(np.arange(steps) * SECONDS_BETWEEN_BEHAVIORS, users),
        user_sparse_US=rows(schema.user_sparse_fields, users),
        user_dense_UD=numbers(users, len(schema.user_dense_fields)),
        candidates_CF=rows(schema.behavior_fields, candidates),
        candidate_sparse_CS=rows(schema.candidate_sparse_fields, candidates),
        candidate_dense_CD=numbers(candidates, len(schema.candidate_dense_fields)),
        user_of_C=np.repeat(np.arange(users), CANDIDATES),
    )
