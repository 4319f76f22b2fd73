"""A ragged batch: behaviors end to end, and candidates with the index of their user."""

import numpy as np
from msgspec import Struct
from msgspec.structs import astuple
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class RaggedBatch(Struct, frozen=True):
    """Encoded features: table rows for sparse fields, standardized numbers for dense ones.

    U users, N behaviors of all users, C candidates, F behavior fields,
    S sparse and D dense side fields, in the order of the `FeatureSchema` properties.
    """

    lengths_U: Rows
    behaviors_NF: Rows
    behavior_seconds_N: Rows  # unix seconds
    user_sparse_US: Rows
    user_dense_UD: Floats
    candidates_CF: Rows
    candidate_sparse_CS: Rows
    candidate_dense_CD: Floats
    user_of_C: Rows  # index into the users

    def arrays(self) -> tuple[Rows | Floats, ...]:
        """All of them, in the order above."""
        return astuple(self)


class Scores(Struct, frozen=True):
    """What a model says of C candidates; attention is zero past the user's last behavior."""

    logits_C: Floats
    attention_CT: Floats
