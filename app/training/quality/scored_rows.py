"""Rows of a split with what the model said of them and what the users did."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.batch import Doubles, Floats, Rows

# C candidates

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Logits to rank by and the CTRs that are served; users are numbered without gaps."""

    logits_C: Floats | Doubles
    ctr_C: Doubles
    clicked_C: Mask
    user_C: Rows

    def __len__(self) -> int:
        return len(self.user_C)

    @property
    def users(self) -> int:
        return int(self.user_C.max(initial=-1)) + 1

    def where(self, mask_C: Mask) -> "ScoredRows":
        """Some of the rows, with the users numbered anew."""
        _, user_C = np.unique(self.user_C[mask_C], return_inverse=True)
        return ScoredRows(self.logits_C[mask_C], self.ctr_C[mask_C], self.clicked_C[mask_C], user_C)

    def per_user(self, values_C: NDArray[np.generic]) -> Doubles:
        """[U] sums."""
        return np.bincount(self.user_C, values_C, minlength=self.users).astype(np.float64)
