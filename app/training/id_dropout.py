"""Random id dropout: now and then an id counts as unknown, which is how the OOV row learns."""

import numpy as np
from msgspec.structs import replace

from app.core.batch import RaggedBatch, Rows
from app.core.schema import OOV_ROW


def drop_ids(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """Each id of each field on its own."""
    return np.where(rng.random(rows.shape, np.float32) < rate, OOV_ROW, rows)


def with_dropped_ids(batch: RaggedBatch, rate: float, rng: np.random.Generator) -> RaggedBatch:
    return replace(
        batch,
        behaviors_NF=drop_ids(batch.behaviors_NF, rate, rng),
        user_sparse_US=drop_ids(batch.user_sparse_US, rate, rng),
        candidates_CF=drop_ids(batch.candidates_CF, rate, rng),
        candidate_sparse_CS=drop_ids(batch.candidate_sparse_CS, rate, rng),
    )
