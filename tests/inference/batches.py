"""Ragged batches for the models of the model tests, as an encoder would give them."""

from collections.abc import Sequence

import numpy as np

from app.core.batch import RaggedBatch
from tests.models.builders import TensorBatch, batch_of, draw_candidates, draw_users


def ragged(batch: TensorBatch) -> RaggedBatch:
    return RaggedBatch(
        lengths_U=batch.lengths_U.numpy(),
        behaviors_NF=batch.behaviors_NF.numpy(),
        behavior_seconds_N=batch.behavior_seconds_N.numpy(),
        user_sparse_US=batch.profile.sparse_RS.numpy(),
        user_dense_UD=batch.profile.dense_RD.numpy(),
        candidates_CF=batch.candidates.items_CF.numpy(),
        candidate_sparse_CS=batch.candidates.side.sparse_RS.numpy(),
        candidate_dense_CD=batch.candidates.side.dense_RD.numpy(),
        user_of_C=batch.user_of_C.numpy(),
    )


def draw_batch(lengths: Sequence[int], users: Sequence[int], *, seed: int = 0) -> TensorBatch:
    """One user per length and one candidate per user's index."""
    return batch_of(draw_users(lengths, seed=seed), draw_candidates(users, seed=seed))


# Empty and full histories, and candidates whose users are not in order
LENGTHS = (3, 0, 7, 1)
USERS = tuple(np.random.default_rng(0).integers(len(LENGTHS), size=20).tolist())
