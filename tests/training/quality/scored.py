"""Scored rows to measure: random ones with ties, and ones to read by eye."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from app.training.quality.scored_rows import ScoredRows

LOGITS = (-2.0, -0.5, 0.0, 0.25, 3.0)


def scored(
    logits: Sequence[float], clicked: Sequence[int], users: Sequence[int] | None = None
) -> ScoredRows:
    """Rows of one user, if nothing else is said."""
    logits_C = np.array(logits, np.float64)
    _, user_C = np.unique([0] * len(logits) if users is None else users, return_inverse=True)
    ctr_C = 1 / (1 + np.exp(-logits_C))
    return ScoredRows(logits_C, ctr_C, np.array(clicked, bool), user_C)


@st.composite
def scored_rows(draw: st.DrawFn, *, min_size: int = 1) -> ScoredRows:
    """Few distinct scores, so that ties are common; users with one row or one kind of label."""
    count = draw(st.integers(min_size, 30))
    logits = draw(npst.arrays(np.float64, count, elements=st.sampled_from(LOGITS)))
    clicked = draw(npst.arrays(np.int64, count, elements=st.sampled_from([0, 1])))
    users = draw(npst.arrays(np.int64, count, elements=st.integers(0, 5)))
    return scored(logits.tolist(), clicked.tolist(), users.tolist())


def times_of(rows: ScoredRows, seed: int) -> np.ndarray:
    """[3, U] numbers of times that users count; some do not count at all."""
    return np.random.default_rng(seed).integers(0, 4, (3, rows.users)).astype(np.float64)


def repeated(rows: ScoredRows, times_U: np.ndarray) -> tuple[np.ndarray, ...]:
    """Logits, CTRs, labels and users as if they stood in the file that often, as new users."""
    copies = [
        np.flatnonzero(rows.user_C == user)
        for user, times in enumerate(times_U)
        for _ in range(int(times))
    ]
    at = np.concatenate([np.empty(0, np.int64), *copies])
    users = np.repeat(np.arange(len(copies)), [len(own) for own in copies])
    return rows.logits_C[at], rows.ctr_C[at], rows.clicked_C[at].astype(np.float32), users
